"""The change log of events.

Caches of events read the entries since their last look. Every write that changes an event appends
to the log in its own transaction, and since transactions that write come one after another, numbers
lie in the order of commits, by whatever process.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple

from theodora.storage.engine.cursor import Cursor, in_equal_parts, only_value, placeholders
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.tables import EventTable

KEPT = 100_000
"""Fewest changes that stay in the log, once it has had as many."""
_PRUNED_AT_ONCE = 1_000
_TOKEN_BITS = 63
_IDS_AT_ONCE = 64
_LOG_REMEDIED: Mapping[int, LiteralString] = {
    count: "INSERT INTO changes (org, kind, event) SELECT org, 'deployment', key FROM deployments "
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
    kind = table.kind.value
    cursor.executemany(
        "INSERT INTO changes (org, kind, event) VALUES (?, ?, ?)",
        [(org.key, kind, key) for key in keys],
    )


def log_remedied(cursor: Cursor, org: Organisation, ids: Sequence[str]) -> None:
    """The deployments with these ids were added, changed or removed: so were times to recovery."""
    count = 1 if len(ids) == 1 else _IDS_AT_ONCE
    for part in in_equal_parts(ids, count):
        cursor.execute(_LOG_REMEDIED[count], (org.key, *part))


def keep_newest_change(cursor: Cursor, org: Organisation) -> None:
    """Makes the newest entry another organisation's, before those of `org` are deleted.

    Caches of all organisations compare its number, which must not fall. The entry is about an
    event that never was.
    """
    cursor.execute(
        "INSERT INTO changes (org, kind, event) SELECT o.org, 'deployment', 0 "
        "FROM organisations o JOIN changes c ON c.number = (SELECT max(number) FROM changes) "
        "WHERE c.org = ? AND o.org <> ? ORDER BY o.org LIMIT 1",
        (org.key, org.key),
    )


def mark_history(cursor: Cursor, org: Organisation) -> HistoryMark:
    """Logs a mark of the organisation, with a random number instead of the key of an event."""
    token = -1 - secrets.randbits(_TOKEN_BITS)
    number = only_value(
        cursor.execute(
            "INSERT INTO changes (org, kind, event) VALUES (?, 'deployment', ?) RETURNING number",
            (org.key, token),
        )
    )
    return HistoryMark(number, token)


def has_mark(cursor: Cursor, org: Organisation, mark: HistoryMark) -> bool:
    """Whether the log has this mark of the organisation; it is pruned like all entries."""
    row = cursor.execute(
        "SELECT 1 FROM changes WHERE number = ? AND org = ? AND event = ?",
        (mark.number, org.key, mark.token),
    ).fetchone()
    return row is not None


def forget_marks(cursor: Cursor) -> None:
    """Makes every mark an entry about an event that never was."""
    cursor.execute("UPDATE changes SET event = 0 WHERE event < 0")


def reach(cursor: Cursor) -> Reach:
    row = cursor.execute(
        "SELECT coalesce((SELECT min(number) FROM changes), 0), "
        "coalesce((SELECT max(number) FROM changes), 0)"
    ).fetchone()
    assert row is not None, "a statement without a row"
    return Reach(*row)


def changed_since(
    cursor: Cursor, table: EventTable[Any], org: Organisation, number: int
) -> list[int]:
    """The keys of the organisation's events that have changed since a number, each once."""
    rows = cursor.execute(
        "SELECT DISTINCT event FROM changes WHERE number > ? AND org = ? AND kind = ?",
        (number, org.key, table.kind.value),
    )
    return [key for (key,) in rows]


def count_changes_since(cursor: Cursor, org: Organisation, number: int) -> int:
    """How many changes of the organisation's events were logged since a number."""
    return only_value(
        cursor.execute(
            "SELECT count(*) FROM changes WHERE number > ? AND org = ? AND event >= 0",
            (number, org.key),
        )
    )


def prune_changes(cursor: Cursor, kept: int = KEPT) -> bool:
    """Removes some entries that are no longer read; returns whether there are more."""
    oldest, newest = reach(cursor)
    if newest - oldest < kept + _PRUNED_AT_ONCE:
        return False
    cursor.execute(
        "DELETE FROM changes WHERE number <= ?", (min(oldest + _PRUNED_AT_ONCE, newest - kept),)
    )
    return True
