"""Prints the tests of what has changed since main, and some that are quick: `make quick`."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

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
        "test_hostile_packs.py",
        *("test_house.py", "test_many_processes.py", "test_openapi.py", "test_paging.py"),
        *("test_pasted_pages.py", "test_properties.py", "test_readme.py"),
        *("test_real_deployments.py", "test_real_histories.py", "test_replicas.py"),
        *("test_search_agreement.py", "test_soak.py", "test_stored.py", "test_vrl.py"),
    }
)
"""Tests of many seconds: they are run for the module of their name, or if they have changed."""


class Choice(NamedTuple):
    """The tests to run, and those that are too many."""

    chosen: list[str]
    left_out: list[str]


class _Candidate(NamedTuple):
    """A test of a module. The smaller, the nearer it is."""

    rank: int
    """0 for the test of its name, 1 for one in its folder, 2 for one that imports it."""
    distance: int
    """Folders between the test and the module."""
    number: int
    """Of those in its folder that import it: one of each folder finds more than all of one."""
    path: str


def changed_files() -> list[Path]:
    """Files that differ from those that the branch began with, and new ones."""
    begin = _git("merge-base", "main", "HEAD")
    told = [*_git("diff", "--name-only", *begin), *_git("ls-files", "-o", "--exclude-standard")]
    return [Path(each) for each in told]


def choose(changed: Iterable[Path], most: int) -> Choice:
    """The tests of the changed files, each once: at most so many of modules, the nearest first.

    A module that everything imports has a hundred tests; the nearest find nearly every fault.
    """
    fixed = dict.fromkeys(ALWAYS)
    candidates: list[_Candidate] = []
    for path in changed:
        if page := PAGES.get(str(path)):
            fixed[page] = None
        elif path.suffix == ".py" and path.parts[:2] == ("src", "theodora"):
            candidates += _tests_of_module(Path(*path.parts[2:]))
        elif path.parts[0] == "tests" and path.match("test_*.py") and path.exists():
            fixed[str(path)] = None
    nearest = [each for each in _nearest_first(candidates) if each not in fixed]
    return Choice([*fixed, *nearest[:most]], nearest[most:])


def _nearest_first(candidates: Iterable[_Candidate]) -> list[str]:
    return [*dict.fromkeys(each.path for each in sorted(candidates))]


def _tests_of_module(module: Path) -> Iterator[_Candidate]:
    """The test of the same name, or those of its folder; and those that import from it."""
    folder = Path("tests", module.parent)
    named = folder / f"test_{module.name}"
    if named.exists():
        yield _Candidate(0, 0, 0, str(named))
    name = module.parent if module.name == "__init__.py" else module.with_suffix("")
    imported = re.compile(rf"from {'.'.join(('theodora', *name.parts))} import")
    # What is beside the tests of a module of the package's own folder is about other things.
    has_folder = bool(module.parent.parts) and not named.exists()
    numbers: Counter[Path] = Counter()
    for test in sorted(Path("tests").rglob("test_*.py")):
        is_beside = has_folder and test.parent == folder
        if test.name not in SLOW and (is_beside or imported.search(test.read_text())):
            distance = _distance(test.parent, folder)
            yield _Candidate(1 if is_beside else 2, distance, numbers[test.parent], str(test))
            numbers[test.parent] += 1


def _distance(one: Path, other: Path) -> int:
    shared = len(Path(os.path.commonpath((one, other))).parts)
    return len(one.parts) + len(other.parts) - 2 * shared


def _git(*arguments: str) -> list[str]:
    return subprocess.run(
        ["git", *arguments], check=True, capture_output=True, text=True
    ).stdout.splitlines()


def main() -> None:
    chosen, left_out = choose(changed_files(), int(sys.argv[1]))
    sys.stdout.write(" ".join(chosen))
    if left_out:
        many = len(chosen) + len(left_out)
        sys.stderr.write(
            f"make quick: {len(left_out)} of {many} files of tests are left out, the farthest "
            f"from the change. `make quick MOST={many}` runs them too, `make test` everything.\n"
        )


if __name__ == "__main__":
    main()
