"""Which values events have of a field, found from their postings."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from theodora.storage.cursor import Cursor, only_value
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
    found = set(islice(_indexed(cursor, table, org, field, after), limit))
    found.update(value for value in _in_tail(cursor, table, org, field) if value > after)
    return sorted(found)[:limit]


def _indexed(
    cursor: Cursor, table: EventTable[Any], org: Organisation, field: str, after: str
) -> Iterator[str]:
    """Leaps from value to value: each step looks up the next term after the last."""
    term: str | None = f"{field}:{after}"
    while True:
        term = only_value(
            cursor.execute(
                f"SELECT min(term) FROM {table.postings} WHERE org = ? AND term > ? AND term < ?",
                (org.key, term, f"{field};"),
            )
        )
        if term is None:
            return
        yield term.partition(":")[2]


def _in_tail(
    cursor: Cursor, table: EventTable[Any], org: Organisation, field: str
) -> Iterator[str]:
    """The values of events that the postings do not know yet."""
    values_of = dict(table.posted)[field]
    rows = cursor.execute(
        f"SELECT {table.select} FROM {table.name} e "
        f"WHERE e.key > {watermark_of(table)} AND e.org = ?",
        (org.key,),
    )
    for row in rows.fetchall():
        yield from (value for value in values_of(table.from_row(row)) if value is not None)
