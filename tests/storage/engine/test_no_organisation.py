"""Writes that are about no organisation: each place has a reason."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import theodora

STORAGE = Path(theodora.__file__).parent / "storage"
_NAMES = {"NO_ORGANISATION", "SERVER"}
_ADDED = "nobody can write for an organisation before it is there"
_LANES = "the writer itself: which lane may write, and upkeep of several organisations in turn"
_OF_THE_SERVER = "the audit log of the server itself"
_OF_THE_STORE = "a number that the store has once"
PLACES: Mapping[str, str] = {
    "access/audit.py:_key": _OF_THE_SERVER,
    "check/repair.py:repair_store": "notes the repair, and deletes what belongs to no organisation",
    "deletion_guards.py:begin_round": _OF_THE_STORE,
    "engine/audit.py:audited_by_name": _ADDED,
    "engine/audit.py:record": _OF_THE_SERVER,
    "engine/postgresql/committer.py:_begin": _LANES,
    "engine/upkeep_agenda.py:note_written": "there is no upkeep of it",
    "engine/writer.py:_kept_up": _LANES,
    "engine/writer.py:_queue_of": "a single lane has one queue",
    "engine/writer.py:check": "whether anything can be written",
    "facts/repository_upgrade.py:apply_repository_rules": _OF_THE_STORE,
    "organisations.py:create": _ADDED,
    "retention.py:confirm_clock": _OF_THE_STORE,
}
"""Functions below `storage` that name no organisation in its place, and why."""


def test_every_write_that_is_about_no_organisation_has_a_reason() -> None:
    """Such writes wait for one another, and change nothing that an organisation has."""
    found = {
        f"{path.relative_to(STORAGE)}:{function}"
        for path in STORAGE.rglob("*.py")
        for function in _functions_that_name_none(path)
    }
    assert found == PLACES.keys()


def _functions_that_name_none(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and any(
            isinstance(inner, ast.Name) and inner.id in _NAMES for inner in ast.walk(node)
        ):
            yield node.name
