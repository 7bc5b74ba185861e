"""Organisations: the tenants. Every event, id and identity belongs to one."""

import uuid
from collections.abc import Collection
from typing import LiteralString, NamedTuple

from theodora.errors import BeingDeleted, NotFound
from theodora.events import format_minute
from theodora.storage.engine.cursor import Cursor, in_equal_parts, only_value, placeholders

_KEYS_AT_ONCE = 64


class Organisation(NamedTuple):
    key: int
    uuid: str
    name: str


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


def existing_organisations(cursor: Cursor, keys: Collection[int]) -> set[int]:
    """Those of the keys that are an organisation's."""
    found: set[int] = set()
    for part in in_equal_parts([*keys], _KEYS_AT_ONCE):
        statement: LiteralString = (
            f"SELECT org FROM organisations WHERE org IN ({placeholders(_KEYS_AT_ONCE)})"
        )
        found.update(key for (key,) in cursor.execute(statement, part).fetchall())
    return found


def being_deleted(name: str, begins_at_ns: int) -> BeingDeleted:
    """The error for whoever wants to use the organisation."""
    return BeingDeleted(name, format_minute(begins_at_ns))


def _usable(cursor: Cursor, org: Organisation) -> Organisation:
    deletion = deletion_of(cursor, org)
    if deletion is not None:
        raise being_deleted(org.name, deletion.begins_at_ns)
    return org


def _add_organisation(cursor: Cursor, name: str, now_ns: int) -> Organisation:
    """Its key was never another's: what is cached of a deleted organisation is found by none."""
    key: int = only_value(
        cursor.execute(
            "UPDATE counters SET value = value + 1 WHERE name = 'organisation' RETURNING value"
        )
    )
    org = Organisation(key, str(uuid.uuid4()), name)
    cursor.execute(
        "INSERT INTO organisations (org, uuid, name, created_at_ns) VALUES (?, ?, ?, ?)",
        (*org, now_ns),
    )
    return org
