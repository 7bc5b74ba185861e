"""Which custom tags deployments have: their keys, and the values of one key.

Each is found by a step in the index from the one before it, however many deployments have it; of
the few events that the index does not know yet, all are looked at.
"""

from collections.abc import Iterable
from typing import LiteralString

from theodora.storage.cursor import Cursor
from theodora.storage.indexing import watermark_of
from theodora.storage.organisations import Organisation
from theodora.storage.tables import DEPLOYMENTS
from theodora.storage.terms import TAG_MARKS

_NEWEST: LiteralString = (
    "FROM deployment_elements x JOIN deployments e ON e.key = x.event "
    # The sign keeps SQLite from walking all of the organisation in search of these few.
    f"WHERE x.event > {watermark_of(DEPLOYMENTS)} AND +e.org = ?"
)


def tag_keys(cursor: Cursor, org: Organisation, limit: int) -> list[str]:
    """The keys of tags in order, `limit` at the most."""
    key: LiteralString = "substr(f.term, 1, CAST(instr(f.term, ':') AS INTEGER) - 1)"
    found = {
        term[1:].partition(":")[0]
        for mark in TAG_MARKS
        # What follows a colon begins with `;` at the least.
        for term in _steps(cursor, org, (mark, _after(mark)), f">= {key} || ';'", limit)
    }
    rows = cursor.execute(f"SELECT DISTINCT x.field {_NEWEST}", (org.key,))
    return _first(found | {field[1:] for (field,) in rows}, limit)


def tag_values(
    cursor: Cursor, org: Organisation, key: str, beginning: str, limit: int
) -> list[str]:
    """The values of tags with a key that begin so, in order, `limit` at the most."""
    found: set[str] = set()
    for mark in TAG_MARKS:
        start = f"{mark}{key}:"
        # No character comes after the last one.
        ends = start + beginning, f"{start}{beginning}\U0010ffff"
        found |= {term[len(start) :] for term in _steps(cursor, org, ends, "> f.term", limit)}
    rows = cursor.execute(
        f"SELECT DISTINCT x.value {_NEWEST} AND x.field = ?", (org.key, f"@{key}")
    )
    newest = {value for (value,) in rows if value.startswith(beginning)}
    return _first(found | newest, limit)


def _steps(
    cursor: Cursor, org: Organisation, ends: tuple[str, str], following: LiteralString, limit: int
) -> list[str]:
    """Terms of the index from one end up to the other, the next of each being `following` it."""
    first, last = ends
    rows = cursor.execute(
        "WITH RECURSIVE found (term) AS ("
        "SELECT min(term) FROM deployment_postings WHERE org = ?1 AND term >= ?2 AND term < ?3 "
        "UNION ALL SELECT (SELECT min(p.term) FROM deployment_postings p "
        f"WHERE p.org = ?1 AND p.term {following} AND p.term < ?3) "
        "FROM found f WHERE f.term IS NOT NULL) "
        "SELECT term FROM found WHERE term IS NOT NULL LIMIT ?4",
        (org.key, first, last, limit),
    )
    return [term for (term,) in rows]


def _after(mark: str) -> str:
    return chr(ord(mark) + 1)


def _first(found: Iterable[str], limit: int) -> list[str]:
    return sorted(found)[:limit]
