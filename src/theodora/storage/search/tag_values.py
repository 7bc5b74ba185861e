"""The keys of custom tags, and the values of one key.

Each is found by a step in the index from the one before it, however many deployments have it; of
the few events that the index does not know yet, all are looked at.
"""

from collections.abc import Iterable
from typing import LiteralString

from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.field_values import leaps
from theodora.storage.events.lookup import unindexed_elements
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.events.terms import TAG_PREFIXES


def tag_keys(cursor: Cursor, org: Organisation, limit: int) -> list[str]:
    """At most `limit` keys of tags, in order."""
    key: LiteralString = "substr(found.term, 1, CAST(instr(found.term, ':') AS INTEGER) - 1)"
    found = {
        term[1:].partition(":")[0]
        for mark in TAG_PREFIXES
        # What follows a colon begins with `;` or above.
        for term in leaps(cursor, DEPLOYMENTS, org, (mark, _after(mark)), f">= {key} || ';'", limit)
    }
    rest = unindexed_elements(DEPLOYMENTS, org, cursor.dialect)
    rows = cursor.execute(f"SELECT DISTINCT x.field {rest.sql}", rest.values)
    return _first(found | {field[1:] for (field,) in rows}, limit)


def tag_values(
    cursor: Cursor, org: Organisation, key: str, beginning: str, limit: int
) -> list[str]:
    """At most `limit` values of tags with a key that begin so, in order."""
    found: set[str] = set()
    for mark in TAG_PREFIXES:
        start = f"{mark}{key}:"
        # No character comes after the last one.
        ends = start + beginning, f"{start}{beginning}\U0010ffff"
        terms = leaps(cursor, DEPLOYMENTS, org, ends, "> found.term", limit)
        found |= {term[len(start) :] for term in terms}
    rest = unindexed_elements(DEPLOYMENTS, org, cursor.dialect)
    rows = cursor.execute(
        f"SELECT DISTINCT x.value {rest.sql} AND x.field = ?", (*rest.values, f"@{key}")
    )
    newest = {value for (value,) in rows if value.startswith(beginning)}
    return _first(found | newest, limit)


def _after(mark: str) -> str:
    return chr(ord(mark) + 1)


def _first(found: Iterable[str], limit: int) -> list[str]:
    return sorted(found)[:limit]
