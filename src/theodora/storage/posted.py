"""Which values events have of a field, found from their postings."""

from collections.abc import Iterator
from typing import Any

from theodora.storage.cursor import Cursor
from theodora.storage.indexing import watermark_of
from theodora.storage.organisations import Organisation
from theodora.storage.tables import EventTable

MAX_VALUES = 10_000


def posted_values(
    cursor: Cursor,
    table: EventTable[Any],
    org: Organisation,
    field: str,
    after: str = "",
    limit: int = MAX_VALUES,
) -> list[str]:
    """The values of a posted field, in order of code points, `limit` of them at the most.

    Only those above `after`. The time it takes grows with the values, not with the events.
    """
    found = {*_indexed(cursor, table, org, field, after, limit)}
    found.update(value for value in _in_tail(cursor, table, org, field) if value > after)
    return sorted(found)[:limit]


def _indexed(
    cursor: Cursor, table: EventTable[Any], org: Organisation, field: str, after: str, limit: int
) -> Iterator[str]:
    """Leaps from value to value: each step looks up the next term after the last."""
    rows = cursor.execute(
        "WITH RECURSIVE found (term) AS ("
        f"SELECT min(term) FROM {table.postings} WHERE org = ?1 AND term > ?2 AND term < ?3 "
        f"UNION ALL SELECT (SELECT min(p.term) FROM {table.postings} p "
        "WHERE p.org = ?1 AND p.term > found.term AND p.term < ?3) "
        "FROM found WHERE found.term IS NOT NULL) "
        "SELECT term FROM found WHERE term IS NOT NULL LIMIT ?4",
        (org.key, f"{field}:{after}", f"{field};", limit),
    )
    yield from (term.partition(":")[2] for (term,) in rows)


def _in_tail(
    cursor: Cursor, table: EventTable[Any], org: Organisation, field: str
) -> Iterator[str]:
    """The values of events that the postings do not know yet."""
    values_of = dict(table.posted)[field]
    # The sign keeps SQLite from walking all of the organisation in search of these few.
    rows = cursor.execute(
        f"SELECT {table.select} FROM {table.name} e "
        f"WHERE e.key > {watermark_of(table)} AND +e.org = ?",
        (org.key,),
    )
    for row in rows.fetchall():
        yield from (value for value in values_of(table.from_row(row)) if value is not None)
