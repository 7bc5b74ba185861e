"""Prints the tests of what has changed since main, and some that are quick: `make quick`."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

ALWAYS = (
    "tests/events",
    "tests/query",
    "tests/dora/test_golden.py",
    "tests/dora/derivation/test_rules.py",
)


def changed_files() -> list[Path]:
    """Files that differ from those that the branch began with, and new ones."""
    begin = _git("merge-base", "main", "HEAD")
    told = [*_git("diff", "--name-only", *begin), *_git("ls-files", "-o", "--exclude-standard")]
    return [Path(each) for each in told]


def relevant(changed: Iterable[Path]) -> list[str]:
    """Changed tests, and for a changed module the test of the same name."""
    found = dict.fromkeys(ALWAYS)
    for path in changed:
        mirrored = Path("tests", *path.parts[2:-1], f"test_{path.name}")
        test = mirrored if path.parts[:2] == ("src", "theodora") else path
        if test.parts[0] == "tests" and test.match("test_*.py") and test.exists():
            found[str(test)] = None
    return list(found)


def _git(*arguments: str) -> list[str]:
    return subprocess.run(
        ["git", *arguments], check=True, capture_output=True, text=True
    ).stdout.splitlines()


if __name__ == "__main__":
    print(*relevant(changed_files()))  # noqa: T201
