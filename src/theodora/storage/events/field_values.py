"""Distinct values of an indexed field, read from its postings."""

from collections.abc import Iterator
from typing import Any, LiteralString

from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.lookup import unindexed
from theodora.storage.events.tables import EventTable

MAX_VALUES = 10_000


def posted_values(
    cursor: Cursor,
    table: EventTable[Any],
    org: Organisation,
    field: str,
    after: str = "",
    limit: int = MAX_VALUES,
) -> list[str]:
    """At most `limit` values of a posted field, in order of code points.

    Only those above `after`. The time it takes grows with the values, not with the events.
    """
    # The first may be `after` itself.
    terms = leaps(cursor, table, org, (f"{field}:{after}", f"{field};"), "> found.term", limit + 1)
    found = {term.partition(":")[2] for term in terms}
    found.update(_in_tail(cursor, table, org, field))
    return sorted(value for value in found if value > after)[:limit]


def leaps(
    cursor: Cursor,
    table: EventTable[Any],
    org: Organisation,
    ends: tuple[str, str],
    following: LiteralString,
    limit: int,
) -> list[str]:
    """Terms from one end up to, and not including, the other.

    Each is looked up after the one before it, `found.term`: the first of those `following` it.
    """
    first, last = ends
    rows = cursor.execute(
        "WITH RECURSIVE found (term) AS ("
        f"SELECT min(term) FROM {table.postings} WHERE org = ?1 AND term >= ?2 AND term < ?3 "
        f"UNION ALL SELECT (SELECT min(p.term) FROM {table.postings} p "
        f"WHERE p.org = ?1 AND p.term {following} AND p.term < ?3) "
        "FROM found WHERE found.term IS NOT NULL) "
        "SELECT term FROM found WHERE term IS NOT NULL LIMIT ?4",
        (org.key, first, last, limit),
    )
    return [term for (term,) in rows]


def _in_tail(
    cursor: Cursor, table: EventTable[Any], org: Organisation, field: str
) -> Iterator[str]:
    """The values of events that are not indexed yet."""
    values_of = dict(table.posted)[field]
    rest = unindexed(table, org)
    rows = cursor.execute(
        f"SELECT {table.select} FROM {table.name} e WHERE {rest.sql}", rest.values
    )
    for row in rows.fetchall():
        yield from (value for value in values_of(table.from_row(row)) if value is not None)
