"""The change log of events.

Caches of events read the entries since their last look. Every write that changes an event appends
to the log in its own transaction, and since those of an organisation come one after another, its
numbers lie in the order of commits, by whatever process. Each organisation has a log of its own.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple

import msgspec

from theodora.storage.engine.cursor import Cursor, in_equal_parts, only_value, placeholders
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.tables import EventTable
from theodora.storage.events.usage import read_usage

KEPT = 100_000
"""Fewest changes that stay in the log, once it has had as many, of an organisation with as many
events."""
_FEWEST_KEPT = 1_000
"""The same of a small one: to read its events again costs little more than to read their changes.
So the logs of all together are about as long as there are events."""
_PRUNED_AT_ONCE = 1_000
"""So many are removed by one statement, and never fewer."""
_TOKEN_BITS = 63
_IDS_AT_ONCE = 64
_NEWEST: LiteralString = "(SELECT coalesce(max(c.number), 0) FROM changes c WHERE c.org = ?)"
_LOG_ONE: LiteralString = (
    f"INSERT INTO changes (org, number, kind, event) VALUES (?, {_NEWEST} + 1, ?, ?)"
)
_LOG_REMEDIED: Mapping[int, LiteralString] = {
    count: "INSERT INTO changes (org, number, kind, event) "
    f"SELECT org, {_NEWEST} + row_number() OVER (), 'deployment', key FROM deployments "
    f"WHERE org = ? AND remediation_id IN ({placeholders(count)})"
    for count in (1, _IDS_AT_ONCE)
}
"""The statement for one id, and the one for several."""


class Reach(NamedTuple):
    """How far the log reaches; 0 where it has never held anything."""

    oldest: int
    newest: int


class HistoryMark(NamedTuple):
    """An entry of the log that no database has but this one, its copies and its backups.

    A database that has it has all changes of a lower number too, whatever came after it.
    """

    number: int
    token: int


def log_change(cursor: Cursor, table: EventTable[Any], org: Organisation, key: int) -> None:
    """The event with this key was added, changed or removed."""
    log_changes(cursor, table, org, [key])


def log_changes(
    cursor: Cursor, table: EventTable[Any], org: Organisation, keys: Iterable[int]
) -> None:
    """The events with these keys were added, changed or removed."""
    kind, changed = table.kind.value, [*keys]
    if len(changed) == 1:
        cursor.execute(_LOG_ONE, (org.key, org.key, kind, changed[0]))
    elif changed:
        statement: LiteralString = (
            "INSERT INTO changes (org, number, kind, event) SELECT ?, "
            f"{_NEWEST} + row_number() OVER (), ?, value FROM ({cursor.dialect.integers}) e"
        )
        encoded = msgspec.json.encode(changed).decode()
        cursor.execute(statement, (org.key, org.key, kind, encoded))


def log_remedied(cursor: Cursor, org: Organisation, ids: Sequence[str]) -> None:
    """The deployments with these ids were added, changed or removed: so were times to recovery."""
    count = 1 if len(ids) == 1 else _IDS_AT_ONCE
    for part in in_equal_parts(ids, count):
        cursor.execute(_LOG_REMEDIED[count], (org.key, org.key, *part))


def mark_history(cursor: Cursor, org: Organisation) -> HistoryMark:
    """Logs a mark of the organisation, with a random number instead of the key of an event."""
    token = -1 - secrets.randbits(_TOKEN_BITS)
    cursor.execute(_LOG_ONE, (org.key, org.key, "deployment", token))
    number = reach(cursor, org).newest
    return HistoryMark(number, token)


def has_mark(cursor: Cursor, org: Organisation, mark: HistoryMark) -> bool:
    """Whether the log has this mark of the organisation; it is pruned like all entries."""
    row = cursor.execute(
        "SELECT 1 FROM changes WHERE org = ? AND number = ? AND event = ?",
        (org.key, mark.number, mark.token),
    ).fetchone()
    return row is not None


def forget_marks(cursor: Cursor, org: Organisation) -> None:
    """Makes every mark of the organisation an entry about an event that never was."""
    cursor.execute("UPDATE changes SET event = 0 WHERE org = ? AND event < 0", (org.key,))


def reach(cursor: Cursor, org: Organisation) -> Reach:
    row = cursor.execute(
        "SELECT coalesce((SELECT min(number) FROM changes WHERE org = ?), 0), "
        "coalesce((SELECT max(number) FROM changes WHERE org = ?), 0)",
        (org.key, org.key),
    ).fetchone()
    assert row is not None, "a statement without a row"
    return Reach(*row)


def changed_since(
    cursor: Cursor, table: EventTable[Any], org: Organisation, number: int
) -> list[int]:
    """The keys of the organisation's events that have changed since a number, each once."""
    rows = cursor.execute(
        "SELECT DISTINCT event FROM changes WHERE org = ? AND number > ? AND kind = ?",
        (org.key, number, table.kind.value),
    )
    return [key for (key,) in rows]


def count_changes_since(cursor: Cursor, org: Organisation, number: int) -> int:
    """How many changes of the organisation's events were logged since a number."""
    return only_value(
        cursor.execute(
            "SELECT count(*) FROM changes WHERE org = ? AND number > ? AND event >= 0",
            (org.key, number),
        )
    )


def prune_changes(cursor: Cursor, org: Organisation, most: int = KEPT) -> None:
    """Removes entries that are no longer read, once they are many.

    As many stay as the organisation has events, and never more than `most`.
    """
    oldest, newest = reach(cursor, org)
    if newest - oldest < min(most, _FEWEST_KEPT) + _PRUNED_AT_ONCE:
        return
    kept = min(most, max(_FEWEST_KEPT, read_usage(cursor, org).events))
    for up_to in range(oldest + _PRUNED_AT_ONCE, newest - kept + 1, _PRUNED_AT_ONCE):
        cursor.execute("DELETE FROM changes WHERE org = ? AND number <= ?", (org.key, up_to))
