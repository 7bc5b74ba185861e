"""The rows of keys: what is stored of a key, and the statements that find and change it."""

import uuid
from collections.abc import Sequence
from typing import Any, LiteralString, NamedTuple

from theodora.errors import KeyUnusable, NotFound
from theodora.events import format_second
from theodora.storage.access.key_addresses import note_address
from theodora.storage.access.key_limits import (
    KeyLimits,
    decode_limits,
    encode_limits,
)
from theodora.storage.access.key_secrets import KeyKind, beginning_of, hash_of
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.organisations import (
    Organisation,
)

KEY_COLUMNS: tuple[LiteralString, ...] = (
    *("k.id", "k.kind", "k.name", "k.permissions", "k.beginning", "k.limits", "k.expires_at_ns"),
    *("k.created_at_ns", "k.revoked_at_ns", "k.last_used_at_ns", "d.begins_at_ns"),
    *("k.successor_id", "o.org", "o.uuid", "o.name"),
)
"""Of `keys k`, `organisations o` and `organisation_deletions d`, for `key_of_row`."""
_SELECT: LiteralString = (
    f"SELECT {', '.join(KEY_COLUMNS)} FROM keys k JOIN organisations o USING (org) "
    "LEFT JOIN organisation_deletions d USING (org)"
)


class Key(NamedTuple):
    """A key as it is stored: everything but the secret."""

    id: str
    kind: KeyKind
    name: str
    permissions: frozenset[str]
    beginning: str
    """Its first characters; empty for one that an older version has stored."""
    limits: KeyLimits
    expires_at_ns: int | None
    """From when it is refused; None for one that does not expire."""
    created_at_ns: int
    revoked_at_ns: int | None
    last_used_at_ns: int | None
    """Up to a minute old; None for a key that nobody has used."""
    deletion_at_ns: int | None
    """When its organisation is to be deleted, if it is; until then the key opens nothing."""
    successor_id: str | None
    """The key that was made when this one was rotated."""
    organisation: Organisation

    @property
    def actor(self) -> Actor:
        """Who writes with this key."""
        return Actor("key", self.name or self.id, self.id)

    def has_expired(self, now_ns: int) -> bool:
        return self.expires_at_ns is not None and self.expires_at_ns <= now_ns

    def is_usable(self, address: str, now_ns: int) -> bool:
        """Whether it has not expired and may be used from this address."""
        return not self.has_expired(now_ns) and self.limits.admits(address)

    @property
    def lifetime_ns(self) -> int | None:
        """How long it lasts in all; None for one that does not expire."""
        return None if self.expires_at_ns is None else self.expires_at_ns - self.created_at_ns

    def require_usable(self, address: str, now_ns: int) -> None:
        """Raises `KeyUnusable` if it has expired, or may not be used from this address."""
        if self.expires_at_ns is not None and self.has_expired(now_ns):
            raise KeyUnusable(f"the key expired on {format_second(self.expires_at_ns)}")
        if not self.limits.admits(address):
            # Whoever has found the key does not learn from where it would be good.
            raise KeyUnusable(f"the key cannot be used from the address {address}")


class NewKey(NamedTuple):
    """A key to store."""

    kind: KeyKind
    secret: str
    name: str
    permissions: frozenset[str]
    limits: KeyLimits
    expires_at_ns: int | None


def add_key(cursor: Cursor, organisation: Organisation, new: NewKey, now_ns: int) -> Key:
    hash_ = hash_of(new.secret)
    cursor.execute(
        "INSERT INTO keys (id, org, kind, name, hash, permissions, beginning, limits, "
        "expires_at_ns, created_at_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (hash) DO NOTHING",
        (
            *(str(uuid.uuid4()), organisation.key, new.kind, new.name, hash_),
            *(" ".join(sorted(new.permissions)), beginning_of(new.secret)),
            *(encode_limits(new.limits), new.expires_at_ns, now_ns),
        ),
    )
    row = cursor.execute(f"{_SELECT} WHERE k.hash = ?", (hash_,)).fetchone()
    assert row is not None
    return key_of_row(row)


def has_secret(cursor: Cursor, secret: str) -> bool:
    row = cursor.execute("SELECT 1 FROM keys WHERE hash = ?", (hash_of(secret),)).fetchone()
    return row is not None


def replace_key(
    cursor: Cursor, old: Key, secret: str, lifetime_ns: int | None, ends_at_ns: int, now_ns: int
) -> Key:
    if old.expires_at_ns is not None:
        ends_at_ns = min(ends_at_ns, old.expires_at_ns)
    expires_at_ns = None if lifetime_ns is None else now_ns + lifetime_ns
    new = NewKey(old.kind, secret, old.name, old.permissions, old.limits, expires_at_ns)
    key = add_key(cursor, old.organisation, new, now_ns)
    cursor.execute(
        "UPDATE keys SET expires_at_ns = ?, successor_id = ? WHERE org = ? AND id = ?",
        (ends_at_ns, key.id, old.organisation.key, old.id),
    )
    return key


def successors_of(cursor: Cursor, key: Key) -> list[Key]:
    """Its successor, that one's and so on, revoked or not."""
    found: list[Key] = []
    next_id = key.successor_id
    while next_id is not None:
        row = cursor.execute(
            f"{_SELECT} WHERE k.org = ? AND k.id = ?", (key.organisation.key, next_id)
        ).fetchone()
        assert row is not None, "keys stay when they are revoked"
        found.append(key_of_row(row))
        next_id = found[-1].successor_id
    return found


def find_key(cursor: Cursor, kind: KeyKind, secret: str) -> Key | None:
    row = cursor.execute(
        f"{_SELECT} WHERE k.hash = ? AND k.kind = ? AND k.revoked_at_ns IS NULL",
        (hash_of(secret), kind),
    ).fetchone()
    return key_of_row(row) if row else None


def key_by_id(cursor: Cursor, org: int, id_: str) -> Key | None:
    """The key of the organisation with this id, unless it is revoked."""
    row = cursor.execute(
        f"{_SELECT} WHERE k.org = ? AND k.id = ? AND k.revoked_at_ns IS NULL", (org, id_)
    ).fetchone()
    return key_of_row(row) if row else None


def list_keys(cursor: Cursor, organisation: Organisation) -> list[Key]:
    rows = cursor.execute(
        f"{_SELECT} WHERE k.org = ? ORDER BY k.created_at_ns, k.id", (organisation.key,)
    )
    return [key_of_row(row) for row in rows]


def revoke_key(cursor: Cursor, organisation: Organisation, id_: str, now_ns: int) -> Key:
    revoked = cursor.execute(
        # The first time stays: it is when the key really ended.
        "UPDATE keys SET revoked_at_ns = coalesce(revoked_at_ns, ?) WHERE org = ? AND id = ? "
        "RETURNING id",
        (now_ns, organisation.key, id_),
    )
    if revoked.fetchone() is None:
        raise no_such_key(id_, organisation)
    row = cursor.execute(
        f"{_SELECT} WHERE k.org = ? AND k.id = ?", (organisation.key, id_)
    ).fetchone()
    assert row is not None
    return key_of_row(row)


def no_such_key(id_: str, organisation: Organisation) -> NotFound:
    return NotFound(f'no key "{id_}" in organisation "{organisation.name}"')


def note_key_used(cursor: Cursor, key: Key, address: str, now_ns: int) -> None:
    if address:
        note_address(cursor, key.organisation, key.id, address, now_ns)
    cursor.execute(
        # Another process may have noted a later use.
        "UPDATE keys SET last_used_at_ns = ? WHERE org = ? AND id = ? "
        "AND coalesce(last_used_at_ns, 0) < ?",
        (now_ns, key.organisation.key, key.id, now_ns),
    )


def any_key_exists(cursor: Cursor) -> bool:
    return only_value(cursor.execute("SELECT EXISTS (SELECT 1 FROM keys)")) == 1


def key_of_row(row: Sequence[Any]) -> Key:
    """The key with these `KEY_COLUMNS`."""
    id_, kind, name, permissions, beginning, limits, *rest, org, uuid_, org_name = row
    expires_at_ns, created_at_ns, revoked_at_ns, used_at_ns, deletion_at_ns, successor_id = rest
    return Key(
        id=id_,
        kind=kind,
        name=name,
        permissions=frozenset(permissions.split()),
        beginning=beginning,
        limits=decode_limits(limits),
        expires_at_ns=expires_at_ns,
        created_at_ns=created_at_ns,
        revoked_at_ns=revoked_at_ns,
        last_used_at_ns=used_at_ns,
        deletion_at_ns=deletion_at_ns,
        successor_id=successor_id,
        organisation=Organisation(org, uuid_, org_name),
    )
