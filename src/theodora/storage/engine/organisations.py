"""Organisations: the tenants. Every event, id and identity belongs to one."""

import uuid
from typing import NamedTuple

from theodora.errors import NotFound
from theodora.storage.engine.cursor import Cursor, only_value


class Organisation(NamedTuple):
    key: int
    uuid: str
    name: str


def known_organisation(cursor: Cursor, name: str) -> Organisation:
    """The organisation of this name; raises `NotFound` if there is none."""
    org = find_organisation(cursor, name)
    if org is None:
        raise NotFound(f'there is no organisation "{name}"')
    return org


def find_organisation(cursor: Cursor, name: str) -> Organisation | None:
    row = cursor.execute(
        "SELECT org, uuid, name FROM organisations WHERE name = ?", (name,)
    ).fetchone()
    return Organisation(*row) if row else None


def ensure_organisation(cursor: Cursor, name: str, now_ns: int) -> Organisation:
    """The organisation of this name, created if needed."""
    return find_organisation(cursor, name) or _add_organisation(cursor, name, now_ns)


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
