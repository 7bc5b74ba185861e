"""The habits of the repository: settings of editors and hooks, templates, and `make house`."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from bench.house import measure

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = frozenset(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def hooks() -> list[dict[str, Any]]:
    repositories = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    assert {each["repo"] for each in repositories} == {"local"}
    return [hook for each in repositories for hook in each["hooks"]]


def test_hooks_run_the_tools_of_make_check():
    check = MAKEFILE.partition("\ncheck:")[2].partition("\n\n")[0]
    checked = set(re.findall(r"\$\(BIN\)/(\S+(?: format| check)?)", check))
    run = {re.sub(r" --.*", "", hook["entry"].removeprefix(".venv/bin/")) for hook in hooks()}
    assert checked
    assert checked <= run


def test_every_hook_starts_in_the_virtual_environment():
    for hook in hooks():
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/")


def test_the_editor_has_the_line_length_of_the_formatter():
    setting = re.search(r"\[\*\.py\].*?max_line_length = (\d+)", editor_settings(), re.DOTALL)
    assert setting
    assert f"line-length = {setting[1]}\n" in (ROOT / "pyproject.toml").read_text()


def editor_settings() -> str:
    return (ROOT / ".editorconfig").read_text()


def test_the_container_runs_targets_of_make():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    program, *targets = container["postCreateCommand"].split()
    assert program == "make"
    assert targets
    assert set(targets) <= TARGETS


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_has_fields_of_its_own(form: Path):
    read = read_yaml(form)
    if form.stem == "config":
        return
    assert read["name"]
    assert read["description"]
    ids = [field["id"] for field in read["body"] if field["type"] != "markdown"]
    assert ids
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", ["CONTRIBUTING.md", ".github/pull_request_template.md"])
def test_a_page_for_contributors_names_targets_that_exist(path: str):
    named = set(re.findall(r"`make ([a-z]+)", (ROOT / path).read_text()))
    assert named
    assert named <= TARGETS


def test_the_shape_of_a_package_is_counted(tmp_path: Path):
    files = {
        "house/__init__.py": "",
        "house/app.py": "from house.web import page\nfrom house import errors\n",
        "house/errors.py": "class Missing(Exception): ...\n",
        "house/web/__init__.py": "",
        "house/web/page.py": "from ..errors import Missing  # Why it is needed.\nclass Row: ...\n",
        "house/web/table.py": "import house.app\nclass Row:\n    def draw(self):\n        pass\n",
        "tests/test_page.py": "x = 1\n" * 8,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shape = measure(tmp_path / "house", tmp_path / "tests")
    assert (shape.folders, shape.files_median, shape.files_max) == (2, 3, 3)
    # The rooms: the package itself, app, errors and web; web and app import each other.
    assert (shape.rooms, shape.arrows, shape.upwards, shape.floors) == (4, 4, 1, 3)
    assert (shape.twice, shape.function_longest, shape.functions_long) == (1, 2, 0)
    assert shape.source_lines == 15
    assert shape.comments == pytest.approx(100 / 15)
    assert shape.tests == pytest.approx(8 / 15)


def test_each_class_has_a_name_of_its_own_and_no_room_uses_one_above_it():
    shape = measure(ROOT / "src" / "theodora", ROOT / "tests")
    assert (shape.twice, shape.upwards) == (0, 0)


def test_functions_of_more_than_40_lines_are_counted(tmp_path: Path):
    bodies = (39, 40, 60)
    text = "".join(f"def f{n}():\n" + "    pass\n" * n for n in bodies)
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "app.py").write_text(text)
    shape = measure(tmp_path / "house", tmp_path / "tests")
    assert (shape.functions_long, shape.function_longest) == (2, 61)
