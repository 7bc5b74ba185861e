"""The recipes of CONTRIBUTING.md, followed by worked examples.

Each patch in this folder follows one recipe. The tests apply it to a copy of the repository and run
the named tests there; they also leave out one file at a time and expect a test to fail. When a
patch no longer applies, follow the recipe by hand and save `git diff --cached` in its place.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COPIED = ("src", "tests", "docs", "pyproject.toml")
LEFT_OUT = shutil.ignore_patterns("images", ".hypothesis", "*.patch")


RANDOM_EVENTS = (
    "tests/oracle/test_engine.py::test_the_engine_and_the_oracle_agree_on_random_events[0]"
)
"""A quarter of them shows each metric often enough."""


class Noticed(NamedTuple):
    """A test that fails while a file of the recipe is missing, and words that it prints."""

    test: str
    words: str


class Recipe(NamedTuple):
    """A worked example in `<name>.patch`."""

    name: str
    most_files: int
    tests: tuple[str, ...]
    """Pass when the recipe has been followed."""
    without: dict[str, Noticed]
    """By the file that is left out."""

    @property
    def patch(self) -> Path:
        return Path(__file__).with_name(f"{self.name}.patch")

    @property
    def files(self) -> list[str]:
        """The files that the patch changes or adds."""
        listed = git("apply", "--numstat", str(self.patch)).splitlines()
        return [line.split("\t")[2] for line in listed]


RECIPES = (
    Recipe(
        name="attribute",
        most_files=5,
        tests=(
            "tests/web/api/test_triggered_by.py",
            "tests/query/test_reference.py::test_the_page_has_the_tables_of_today",
        ),
        without={
            "src/theodora/storage/engine/migrations/9000_triggered_by.sql": Noticed(
                "tests/web/api/test_triggered_by.py", "triggered_by"
            ),
            "docs/search.md": Noticed(
                "tests/query/test_reference.py::test_the_page_has_the_tables_of_today",
                "triggered_by",
            ),
        },
    ),
    Recipe(
        name="source",
        most_files=5,
        tests=("tests/sources/test_pagerduty.py", "tests/sources/test_formats.py"),
        without={
            "src/theodora/sources/formats.py": Noticed(
                "tests/sources/test_pagerduty.py", "test_deliveries_of_one_incident_are_one_failure"
            ),
            "docs/import.md": Noticed(
                "tests/sources/test_formats.py", "add pagerduty to docs/import.md"
            ),
        },
    ),
    Recipe(
        name="webhook",
        most_files=5,
        tests=(
            "tests/sources/webhooks/test_spinnaker.py",
            "tests/sources/webhooks/test_table.py",
        ),
        without={
            "src/theodora/sources/webhooks/table.py": Noticed(
                "tests/sources/webhooks/test_spinnaker.py", "spinnaker"
            ),
            "docs/sources.md": Noticed(
                "tests/sources/webhooks/test_table.py", "test_the_page_has_the_sources_of_today"
            ),
        },
    ),
    Recipe(
        name="metric",
        most_files=5,
        tests=(
            "tests/dora/metrics/test_failed_fix_rate.py",
            "tests/dora/metrics/test_table.py",
            "tests/test_metrics_page.py::test_every_figure_is_listed",
            "tests/test_metrics_page.py::test_every_metric_is_defined",
            RANDOM_EVENTS,
            "tests/web/api/test_openapi.py::test_every_example_is_what_its_schema_says",
        ),
        without={
            "src/theodora/dora/metrics/table.py": Noticed(
                "tests/dora/metrics/test_failed_fix_rate.py", "StopIteration"
            ),
            "docs/metrics.md": Noticed(
                "tests/test_metrics_page.py::test_every_metric_is_defined",
                "add a row for the failed fix rate",
            ),
            "tests/oracle/answers.py": Noticed(RANDOM_EVENTS, "failed_fix_rate"),
        },
    ),
    Recipe(
        name="page",
        most_files=4,
        tests=("tests/web/pages/test_stored_events.py",),
        without={
            "src/theodora/web/pages/routes.py": Noticed(
                "tests/web/pages/test_stored_events.py", "(404"
            ),
            "src/theodora/web/templates/stored_events.html": Noticed(
                "tests/web/pages/shell/test_endpoint.py::test_every_template_of_a_page_exists",
                "stored_events.html",
            ),
        },
    ),
)


def git(*arguments: str, cwd: Path = ROOT) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=cwd, check=True, capture_output=True, text=True
    ).stdout


def copy_with(recipe: Recipe, folder: Path, *, without: str | None = None) -> Path:
    """A copy of the repository in which the recipe has been followed."""
    copy = folder / "copy"
    copy.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=LEFT_OUT)
        else:
            shutil.copy2(source, copy / name)
    excluded = [f"--exclude={without}"] if without else []
    # One line of context is enough: changes nearby do not break the example.
    git("apply", "-C1", "--recount", *excluded, str(recipe.patch), cwd=copy)
    return copy


def run_tests(copy: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Runs tests of the copy, on its own source and on SQLite."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy / "src"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "",
    }
    arguments = ["-q", "-x", "-k", "not postgresql", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, *tests],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_changes_few_files(recipe: Recipe):
    assert 0 < len(recipe.files) <= recipe.most_files


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_contributing_names_the_worked_example(recipe: Recipe):
    assert f"tests/recipes/{recipe.name}.patch" in (ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_followed_recipe_passes_its_tests(recipe: Recipe, tmp_path: Path):
    run = run_tests(copy_with(recipe, tmp_path), *recipe.tests)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("recipe", "file"),
    [
        pytest.param(each, file, id=f"{each.name}: {file}")
        for each in RECIPES
        for file in each.without
    ],
)
def test_a_forgotten_file_is_noticed(recipe: Recipe, file: str, tmp_path: Path):
    assert file in recipe.files
    test, words = recipe.without[file]
    run = run_tests(copy_with(recipe, tmp_path, without=file), test)
    assert run.returncode in {pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED}, run.stdout
    assert words in run.stdout
