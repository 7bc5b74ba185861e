"""Prints the tests of what has changed since main, and some that are quick: `make quick`."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

ALWAYS = (
    *("tests/test_frozen.py", "tests/test_vocabulary.py", "tests/events/test_attributes.py"),
    *("tests/query/test_parser.py", "tests/query/test_matches.py", "tests/dora/test_golden.py"),
    "tests/dora/derivation/test_rules.py",
)
PAGES = {
    "README.md": "tests/test_readme.py",
    "docs/api.md": "tests/web/api/test_reference.py",
    "docs/clients.md": "tests/test_readme.py",
    "docs/commands.md": "tests/test_commands_page.py",
    "docs/metrics.md": "tests/test_metrics_page.py",
    "docs/people.md": "tests/storage/access/test_permissions.py",
    "docs/permissions.md": "tests/web/test_permissions.py",
    "docs/quickstart.md": "tests/test_readme.py",
    "docs/search.md": "tests/query/test_reference.py",
    "docs/settings.md": "tests/test_docs.py",
}
SLOW = frozenset(
    {
        *("test_durability.py", "test_explain.py", "test_first_numbers.py", "test_hostile.py"),
        *("test_house.py", "test_many_processes.py", "test_openapi.py", "test_paging.py"),
        *("test_pasted_pages.py", "test_properties.py", "test_readme.py"),
        *("test_real_deployments.py", "test_real_histories.py", "test_replicas.py"),
        *("test_search_agreement.py", "test_soak.py", "test_stored.py", "test_vrl.py"),
    }
)
"""Tests of many seconds: they are run for the module of their name, or if they have changed."""


def changed_files() -> list[Path]:
    """Files that differ from those that the branch began with, and new ones."""
    begin = _git("merge-base", "main", "HEAD")
    told = [*_git("diff", "--name-only", *begin), *_git("ls-files", "-o", "--exclude-standard")]
    return [Path(each) for each in told]


def relevant(changed: Iterable[Path]) -> list[str]:
    """The tests of each changed file, each once."""
    found = dict.fromkeys(ALWAYS)
    for path in changed:
        found.update(dict.fromkeys(_tests_of(path)))
    return list(found)


def _tests_of(path: Path) -> Iterator[str]:
    if page := PAGES.get(str(path)):
        yield page
    elif path.suffix == ".py" and path.parts[:2] == ("src", "theodora"):
        yield from _tests_of_module(Path(*path.parts[2:]))
    elif path.parts[0] == "tests" and path.match("test_*.py") and path.exists():
        yield str(path)


def _tests_of_module(module: Path) -> Iterator[str]:
    """The test of the same name, or those of its folder; and those that import from it."""
    folder = Path("tests", module.parent)
    named = folder / f"test_{module.name}"
    if named.exists():
        yield str(named)
    imported = re.compile(rf"from theodora\.{'.'.join(module.with_suffix('').parts)} import")
    for test in sorted(Path("tests").rglob("test_*.py")):
        is_beside = test.parent == folder and not named.exists()
        if test.name not in SLOW and (is_beside or imported.search(test.read_text())):
            yield str(test)


def _git(*arguments: str) -> list[str]:
    return subprocess.run(
        ["git", *arguments], check=True, capture_output=True, text=True
    ).stdout.splitlines()


if __name__ == "__main__":
    print(*relevant(changed_files()))  # noqa: T201
