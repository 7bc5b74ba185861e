"""Deletion of every row of an organisation, a limited number in each transaction.

What names events is deleted first, and events together with all that they are found by, so that a
store whose server is killed halfway is as sound as before; the rows of all other tables follow.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, LiteralString

from theodora.storage.copy.tables import CopiedTable, copied_tables
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.rows import Rows
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES

_ROWS_AT_ONCE = 1_000
_EVENTS_AT_ONCE = 64

_EVENTS: Mapping[str, Rows[Any]] = {
    "deployments": Rows(DEPLOYMENTS),
    "failures": Rows(FAILURES),
}
_LAST = frozenset({"counters", "organisations", "organisation_deletions"})
"""Deleted, or kept, by whoever deletes the rest: without its counters it can store nothing."""

_FIRST = (
    *("source_facts", "source_keys", "source_things", "deployment_commits", "deployment_measures"),
    *("verdicts", "pull_request_deployments", "verdict_acts", *_EVENTS, "commits"),
    *("pull_request_elements", "pull_requests"),
)
"""What names events, events, and what belongs to a repository; the other tables follow."""


@cache
def erased_tables() -> Sequence[CopiedTable]:
    """The tables with rows of an organisation, each before those that its rows refer to."""
    return sorted(
        (
            table
            for table in reversed(copied_tables())
            if "org" in table.columns and table.name not in _LAST
        ),
        key=lambda table: _FIRST.index(table.name) if table.name in _FIRST else len(_FIRST),
    )


def erase_some(cursor: Cursor, table: CopiedTable, org: Organisation) -> bool:
    """Deletes some of the organisation's rows; returns whether there may be more."""
    if table.name in _EVENTS:
        return _erase_events(cursor, table, org)
    key: LiteralString = ", ".join(table.key)
    erased = cursor.execute(
        f"DELETE FROM {table.name} WHERE org = ?1 AND ({key}) IN "
        f"(SELECT {key} FROM {table.name} WHERE org = ?1 LIMIT ?2) RETURNING 1",
        (org.key, _ROWS_AT_ONCE),
    )
    return len(erased.fetchall()) == _ROWS_AT_ONCE


def erase_sequences(cursor: Cursor, org: Organisation) -> None:
    """Deletes how often each sequence was derived: a row for each service and environment."""
    cursor.execute("DELETE FROM sequences WHERE org = ?", (org.key,))


def _erase_events(cursor: Cursor, table: CopiedTable, org: Organisation) -> bool:
    """Each with everything that it is found by."""
    rows = _EVENTS[table.name]
    found = cursor.execute(
        f"SELECT key FROM {table.name} WHERE org = ? LIMIT ?", (org.key, _EVENTS_AT_ONCE)
    )
    keys = [key for (key,) in found.fetchall()]
    for stored in rows.get_all(cursor, org, keys).values():
        rows.remove(cursor, org, stored)
    return bool(keys)
