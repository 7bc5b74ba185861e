"""Organisations: the tenants. Every event, id and identity belongs to one."""

import uuid
from typing import LiteralString, NamedTuple

from theodora.errors import BeingDeleted, NotFound
from theodora.events import format_minute
from theodora.storage.engine.cursor import Cursor, only_value

NUMBERS_OF_ONE = 2**40
"""How many numbers an organisation gives to what it receives: events, deliveries, changes to send.

Its numbers begin at its own key times this. So they are unique in the store although each
organisation counts alone, and the rows of one lie together. Numbers from before organisations
counted alone are below all of these. 64 bits with a sign have room for 8,388,607 organisations that
receive 1,099,511,627,776 times each; no key of an organisation is used twice.
"""


NO_ORGANISATION = 0
"""In place of the key of an organisation: the store itself, of a write that is about none."""


class Organisation(NamedTuple):
    key: int
    uuid: str
    name: str


def number_ranges(org: int, after: int) -> list[tuple[int, int]]:
    """Where the numbers of an organisation above `after` lie, in order.

    Each range is without its two ends. The rows of others lie between them.
    """
    own, end = org * NUMBERS_OF_ONE, last_number(org) + 1
    if after < NUMBERS_OF_ONE:
        return [(after, NUMBERS_OF_ONE), (own, end)]
    return [(after, end)]


def last_number(org: int) -> int:
    """No number of the organisation is greater."""
    return (org + 1) * NUMBERS_OF_ONE - 1


class Deletion(NamedTuple):
    """An organisation is to be deleted, and until then nobody can use it."""

    begins_at_ns: int
    has_begun: bool = False
    """Whether rows are being deleted; then it cannot be taken back."""


def known_organisation(cursor: Cursor, name: str) -> Organisation:
    """The organisation of this name, to be used.

    Raises `NotFound` if there is none, `BeingDeleted` if it is to be deleted.
    """
    org = find_organisation(cursor, name)
    if org is None:
        raise NotFound(f'there is no organisation "{name}"')
    return _usable(cursor, org)


def find_organisation(cursor: Cursor, name: str) -> Organisation | None:
    row = cursor.execute(
        "SELECT org, uuid, name FROM organisations WHERE name = ?", (name,)
    ).fetchone()
    return Organisation(*row) if row else None


def organisation_by_key(cursor: Cursor, key: int) -> Organisation | None:
    row = cursor.execute(
        "SELECT org, uuid, name FROM organisations WHERE org = ?", (key,)
    ).fetchone()
    return Organisation(*row) if row else None


def lock_if_free(cursor: Cursor, org: Organisation) -> bool:
    """Has the organisation's writes wait until the end of the transaction, as a write of it does.

    False if one of another process or lane is under way.
    """
    statement: LiteralString = (
        f"SELECT 1 FROM counters WHERE org = ? AND name = 'commits' {cursor.dialect.lock_if_free}"
    )
    return cursor.execute(statement, (org.key,)).fetchone() is not None


def change_state(cursor: Cursor) -> None:
    """Changes what `Database.state` returns, as a write does that is about no organisation.

    Until the end of the transaction those wait, so what they write may be written too.
    """
    cursor.execute("UPDATE counters SET value = value + 1 WHERE org = 0 AND name = 'commits'")


def ensure_organisation(cursor: Cursor, name: str, now_ns: int) -> Organisation:
    """The organisation of this name, created if needed; raises `BeingDeleted`."""
    org = find_organisation(cursor, name)
    return _usable(cursor, org) if org else _add_organisation(cursor, name, now_ns)


def deletion_of(cursor: Cursor, org: Organisation) -> Deletion | None:
    row = cursor.execute(
        "SELECT begins_at_ns, begun_at_ns IS NOT NULL FROM organisation_deletions WHERE org = ?",
        (org.key,),
    ).fetchone()
    return Deletion(row[0], bool(row[1])) if row else None


def being_deleted(name: str, begins_at_ns: int) -> BeingDeleted:
    """The error for whoever wants to use the organisation."""
    return BeingDeleted(name, format_minute(begins_at_ns))


def _usable(cursor: Cursor, org: Organisation) -> Organisation:
    deletion = deletion_of(cursor, org)
    if deletion is not None:
        raise being_deleted(org.name, deletion.begins_at_ns)
    return org


def _add_organisation(cursor: Cursor, name: str, now_ns: int) -> Organisation:
    """Its key was never another's: what is cached of a deleted organisation is found by none.

    From here on it counts by itself.
    """
    key: int = only_value(
        cursor.execute(
            "UPDATE counters SET value = value + 1 WHERE org = 0 AND name = 'organisation' "
            "RETURNING value"
        )
    )
    org = Organisation(key, str(uuid.uuid4()), name)
    first = key * NUMBERS_OF_ONE
    cursor.executemany(
        "INSERT INTO counters (org, name, value) VALUES (?, ?, ?)",
        [
            (key, "commits", 0),
            (key, "receipt", first),
            (key, "deployments_indexed", first),
            (key, "failures_indexed", first),
            (key, "settings", 0),
        ],
    )
    cursor.execute(
        "INSERT INTO organisations (org, uuid, name, created_at_ns) VALUES (?, ?, ?, ?)",
        (*org, now_ns),
    )
    return org
