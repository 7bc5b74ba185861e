"""The threat model names tests that exist, one at least for each thing that somebody cannot do."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "security" / "threat-model.md"

_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
_PARTIES = {
    "A stranger",
    "A badge's token",
    "A share link",
    "An API key",
    "A limited API key",
    "A read key",
    "A settings key",
    "A person",
    "A sign-in provider",
    "A session",
    "A co-tenant",
    "A mirrored repository",
    "A server that is asked",
    "The database file",
    "The network",
}


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of the tests in a file; none where there is no file."""
    path = ROOT / file
    if not path.exists():
        return frozenset()
    found = ast.walk(ast.parse(path.read_text()))
    return frozenset(node.name for node in found if isinstance(node, ast.FunctionDef))


def sections() -> dict[str, list[str]]:
    """The rows of the table in each section, without its head."""
    found: dict[str, list[str]] = {}
    for section in PAGE.read_text().split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        found[title] = [line for line in text.splitlines() if line.startswith("| ")][1:]
    return found


def test_every_test_that_is_named_exists():
    named = _TEST.findall(PAGE.read_text())
    assert len(named) > 40
    assert [f"{file}::{name}" for file, name in named if name not in names_in(file)] == []


def test_every_party_has_rows_and_every_row_names_a_test():
    rows = sections()
    assert {title for title, lines in rows.items() if lines} == _PARTIES
    assert [line for lines in rows.values() for line in lines if not _TEST.search(line)] == []
