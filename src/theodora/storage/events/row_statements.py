"""SQL statements on the rows of an event table, by what they are for."""

from dataclasses import dataclass
from functools import cache
from typing import Any, LiteralString

from theodora.storage.engine.cursor import placeholders
from theodora.storage.events.tables import EventTable

KEYS_AT_ONCE = 64
"""Keys, ids or identities that a statement of `RowLookups` takes."""

_REPOSITORY: tuple[LiteralString, ...] = (
    *("repository_id", "repository_url", "document", "words", "other_words"),
)
"""The columns that depend on the name of a repository."""

_FILLED_IN: tuple[LiteralString, ...] = ("team", "team_is_filled_in", "words")
"""The columns that depend on the default team."""


@dataclass(frozen=True, slots=True)
class RowLookups:
    """Statements that find events, or what is known of them."""

    by_id: LiteralString
    by_key: LiteralString
    by_keys: LiteralString
    page: LiteralString
    known_ids: LiteralString
    known_given_ids: LiteralString
    known_identities: LiteralString
    bytes: LiteralString
    count: LiteralString
    count_of: LiteralString


@dataclass(frozen=True, slots=True)
class RowPlaces:
    """Statements that find the place of an event that has arrived, and count receipts."""

    by_id: LiteralString
    by_identity: LiteralString
    raise_receipt: LiteralString
    add_receipts: LiteralString


@dataclass(frozen=True, slots=True)
class RowChanges:
    """Statements that write rows."""

    insert: LiteralString
    replace: LiteralString
    rename_repository: LiteralString
    derive: LiteralString
    fill_in: LiteralString
    delete: LiteralString


@dataclass(frozen=True, slots=True)
class ElementRows:
    """Statements on the elements of lists, which have rows of their own."""

    add: LiteralString
    delete: LiteralString
    delete_lost: LiteralString


@cache
def lookups_of(table: EventTable[Any]) -> RowLookups:
    name = table.name
    selected: LiteralString = f"SELECT e.key, {table.select} FROM {name} e"
    keys = placeholders(KEYS_AT_ONCE)
    return RowLookups(
        by_id=f"{selected} WHERE org = ? AND id = ?",
        by_key=f"{selected} WHERE e.key = ? AND e.org = ?",
        # The sign keeps SQLite from walking all of the organisation in search of these few.
        by_keys=f"{selected} WHERE e.key IN ({keys}) AND +e.org = ?",
        page=f"{selected} WHERE key > ? AND key < ? AND +org = ? ORDER BY key LIMIT ?",
        known_ids=f"SELECT id FROM {name} WHERE org = ? AND id IN ({keys})",
        known_given_ids=f"SELECT given_id FROM {name} WHERE org = ? AND given_id IN ({keys})",
        known_identities=(
            f"SELECT identity FROM {name} WHERE org = ? AND identity IN ({keys}) AND has_own_id = 1"
        ),
        bytes=(
            "SELECT CAST(coalesce(sum(octet_length(document)), 0) AS BIGINT) "
            f"FROM {name} WHERE key IN ({keys}) AND +org = ?"
        ),
        count=f"SELECT count(*) FROM {name}",
        count_of=f"SELECT count(*) FROM {name} WHERE org = ?",
    )


@cache
def places_of(table: EventTable[Any]) -> RowPlaces:
    name = table.name
    placed: LiteralString = (
        f"SELECT c.value, e.identity, e.given_id, e.key, {table.select} "
        f"FROM counters c LEFT JOIN {name} e"
    )
    return RowPlaces(
        by_id=(
            f"{placed} ON +e.org = c.org AND e.key IN ("
            f"SELECT key FROM {name} WHERE org = ? AND id = ? "
            f"UNION ALL "
            f"SELECT key FROM {name} WHERE org = ? AND given_id = ? AND {table.narrowed} "
            f"UNION ALL "
            f"SELECT key FROM {name} WHERE org = ? AND id = ?) "
            "WHERE c.org = ? AND c.name = 'receipt'"
        ),
        by_identity=(
            f"{placed} ON +e.org = c.org AND e.key IN ("
            f"SELECT key FROM {name} WHERE org = ? AND id = ? "
            f"UNION ALL "
            f"SELECT key FROM {name} WHERE org = ? AND identity = ? AND has_own_id = 1) "
            "WHERE c.org = ? AND c.name = 'receipt' ORDER BY e.receipt DESC LIMIT 2"
        ),
        raise_receipt="UPDATE counters SET value = ? WHERE org = ? AND name = 'receipt'",
        add_receipts=(
            "UPDATE counters SET value = value + ? WHERE org = ? AND name = 'receipt' "
            "RETURNING value"
        ),
    )


@cache
def changes_of(table: EventTable[Any]) -> RowChanges:
    name = table.name
    inserted: tuple[LiteralString, ...] = (
        *("key", "org", "id", "identity", "has_own_id", "receipt"),
        *("created_at_ns", "document", "words", "other_words", "given_id"),
        *(*table.sent_columns, *table.derived_columns),
    )
    replaced: tuple[LiteralString, ...] = (
        *("identity", "has_own_id", "receipt", "document", "words", "other_words"),
    )
    derived: tuple[LiteralString, ...] = ("document", "other_words", *table.derived_columns)
    return RowChanges(
        insert=(
            f"INSERT INTO {name} ({', '.join(inserted)}) "
            f"VALUES ({', '.join(['?' for _ in inserted])})"
        ),
        replace=(
            f"UPDATE {name} SET {_assigned(replaced)}, "
            f"given_id = coalesce(?, given_id), {_assigned(table.sent_columns)} "
            "WHERE key = ? AND org = ?"
        ),
        rename_repository=f"UPDATE {name} SET {_assigned(_REPOSITORY)} WHERE key = ? AND org = ?",
        derive=f"UPDATE {name} SET {_assigned(derived)} WHERE key = ? AND org = ?",
        fill_in=f"UPDATE {name} SET {_assigned(_FILLED_IN)} WHERE key = ? AND org = ?",
        delete=f"DELETE FROM {name} WHERE key = ? AND org = ?",
    )


@cache
def elements_of(table: EventTable[Any]) -> ElementRows:
    name, elements = table.name, table.elements
    return ElementRows(
        add=f"INSERT INTO {elements} (org, event, field, value) VALUES (?, ?, ?, ?)",
        delete=f"DELETE FROM {elements} WHERE org = ? AND event = ?",
        delete_lost=(
            f"DELETE FROM {elements} WHERE org = ? AND NOT EXISTS (SELECT 1 FROM {name} e "
            f"WHERE e.org = {elements}.org AND e.key = {elements}.event)"
        ),
    )


def _assigned(columns: tuple[LiteralString, ...]) -> LiteralString:
    return ", ".join([f"{column} = ?" for column in columns])
