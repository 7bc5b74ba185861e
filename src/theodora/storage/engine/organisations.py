"""Organisations: the tenants. Every event, id and identity belongs to one."""

import uuid
from typing import NamedTuple

from theodora.errors import NotFound
from theodora.storage.engine.cursor import Cursor


class Organisation(NamedTuple):
    key: int
    uuid: str
    name: str


def known_organisation(cursor: Cursor, name: str) -> Organisation:
    """The organisation of this name; raises `NotFound` if there is none."""
    row = cursor.execute(
        "SELECT org, uuid, name FROM organisations WHERE name = ?", (name,)
    ).fetchone()
    if row is None:
        raise NotFound(f'there is no organisation "{name}"')
    return Organisation(*row)


def ensure_organisation(cursor: Cursor, name: str, now_ns: int) -> Organisation:
    """The organisation of this name, created if needed."""
    cursor.execute(
        "INSERT INTO organisations (uuid, name, created_at_ns) VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO NOTHING",
        (str(uuid.uuid4()), name, now_ns),
    )
    return known_organisation(cursor, name)
