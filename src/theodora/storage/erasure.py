"""Deletion of every row of an organisation, a limited number in each transaction.

Events are deleted together with all that is found by them, so that a store whose server is killed
halfway is as sound as before; the rows of all other tables follow.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, LiteralString, NamedTuple

from theodora.storage.copy.tables import CopiedTable, copied_tables
from theodora.storage.engine.cursor import Cursor, placeholders
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.change_log import keep_newest_change
from theodora.storage.events.rows import Rows
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES

_ROWS_AT_ONCE = 1_000
_OWNERS_AT_ONCE = 64
"""Rows deleted in one transaction together with their parts, such as events."""


class _OwnedTable(NamedTuple):
    """A table without an organisation, whose rows belong to rows of another table."""

    table: LiteralString
    owner: LiteralString
    """The column with the key of the other row."""
    key: LiteralString
    """The columns of its own key."""


_PARTS: Mapping[str, tuple[_OwnedTable, ...]] = {
    "repositories": (
        _OwnedTable("commits", "repository", "repository, sha"),
        _OwnedTable("pull_requests", "repository", "repository, number"),
    ),
}
_EVENTS: Mapping[str, Rows[Any]] = {
    "deployments": Rows(DEPLOYMENTS),
    "failures": Rows(FAILURES),
}
_OF_DEPLOYMENTS: tuple[LiteralString, ...] = ("deployment_measures", "verdicts", "verdict_acts")
_LAST = frozenset({"organisations", "organisation_deletions"})
"""Deleted, or kept, by whoever deletes the rest."""

_FIRST = ("source_facts", "source_keys", "source_things", *_EVENTS)
"""What names events, then events; the other tables follow."""


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
    if table.name in _PARTS:
        return _erase_owners(cursor, table, org)
    if table.name == "changes":
        keep_newest_change(cursor, org)
    key: LiteralString = ", ".join(table.key)
    erased = cursor.execute(
        f"DELETE FROM {table.name} WHERE ({key}) IN "
        f"(SELECT {key} FROM {table.name} WHERE org = ? LIMIT ?) RETURNING 1",
        (org.key, _ROWS_AT_ONCE),
    )
    return len(erased.fetchall()) == _ROWS_AT_ONCE


def erase_sequences(cursor: Cursor, org: Organisation) -> None:
    """Deletes how often each sequence was derived: a row for each service and environment."""
    cursor.execute("DELETE FROM sequences WHERE org = ?", (org.key,))


def _erase_events(cursor: Cursor, table: CopiedTable, org: Organisation) -> bool:
    """Each with everything that belongs to it or is found by it."""
    rows, keys = _EVENTS[table.name], _some_keys(cursor, table, org)
    if not keys:
        return False
    if table.name == "deployments":
        for part in _OF_DEPLOYMENTS:
            cursor.execute(
                f"DELETE FROM {part} WHERE deployment IN ({placeholders(len(keys))})", keys
            )
    for stored in rows.get_all(cursor, keys).values():
        rows.remove(cursor, org, stored)
    return True


def _erase_owners(cursor: Cursor, table: CopiedTable, org: Organisation) -> bool:
    keys = _some_keys(cursor, table, org)
    if not keys:
        return False
    if not any(_erase_parts(cursor, part, keys) for part in _PARTS[table.name]):
        cursor.execute(
            f"DELETE FROM {table.name} WHERE {table.key[0]} IN ({placeholders(len(keys))})", keys
        )
    return True


def _some_keys(cursor: Cursor, table: CopiedTable, org: Organisation) -> list[Any]:
    rows = cursor.execute(
        f"SELECT {table.key[0]} FROM {table.name} WHERE org = ? LIMIT ?",
        (org.key, _OWNERS_AT_ONCE),
    ).fetchall()
    return [key for (key,) in rows]


def _erase_parts(cursor: Cursor, part: _OwnedTable, owners: Sequence[Any]) -> bool:
    """Whether there may be more: then their owners stay until the next time."""
    erased = cursor.execute(
        f"DELETE FROM {part.table} WHERE ({part.key}) IN (SELECT {part.key} FROM {part.table} "
        f"WHERE {part.owner} IN ({placeholders(len(owners))}) LIMIT ?) RETURNING 1",
        (*owners, _ROWS_AT_ONCE),
    )
    return len(erased.fetchall()) == _ROWS_AT_ONCE
