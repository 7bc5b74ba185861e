"""API keys and application keys: stored hashed, shown once, revoked for good."""

import hashlib
import secrets
import threading
import uuid
from concurrent.futures import Future
from typing import Any, Literal, NamedTuple, get_args

from theodora.errors import Invalid, NotFound, Problem
from theodora.events.values import SECOND_NS
from theodora.storage.access.permissions import INGEST, PERMISSIONS
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import AuditValues, Recorder, audited, ensure_recorded
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import (
    Organisation,
    known_organisation,
)

KeyKind = Literal["api", "application"]
KEY_KINDS: tuple[KeyKind, ...] = get_args(KeyKind)

PERMISSIONS_OF: dict[KeyKind, tuple[str, ...]] = {
    "api": (INGEST,),
    "application": tuple(row.name for row in PERMISSIONS if row.name != INGEST),
}
"""The possible permissions of each kind of key."""

_NOTED_EVERY_NS = 60 * SECOND_NS
_SECRET_BYTES: dict[KeyKind, int] = {"api": 16, "application": 20}
_SELECT = (
    "SELECT k.id, k.kind, k.name, k.permissions, k.created_at_ns, k.revoked_at_ns, "
    "k.last_used_at_ns, d.begins_at_ns, o.org, o.uuid, o.name FROM keys k "
    "JOIN organisations o USING (org) LEFT JOIN organisation_deletions d USING (org)"
)


class Key(NamedTuple):
    """A key as it is stored: everything but the secret."""

    id: str
    kind: KeyKind
    name: str
    permissions: frozenset[str]
    created_at_ns: int
    revoked_at_ns: int | None
    last_used_at_ns: int | None
    """Up to a minute old; None for a key that nobody has used."""
    deletion_at_ns: int | None
    """When its organisation is to be deleted, if it is; until then the key opens nothing."""
    organisation: Organisation

    @property
    def actor(self) -> Actor:
        """Who writes with this key."""
        return Actor("key", self.name or self.id, self.id)


class Keys:
    """Organisations and their keys."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found = threading.local()
        self._noted_at_ns: dict[str, int] = {}

    def find(self, kind: KeyKind, secret: str) -> Key | None:
        """The key with this secret, unless it is revoked."""
        return self.now().find(kind, secret)

    def now(self) -> "KeysNow":
        """The keys for one request, which may have several."""
        return KeysNow(self._database, self._known_here())

    def _known_here(self) -> dict[tuple[KeyKind, str], Key]:
        """Keys that this thread has looked up since the last commit by anyone."""
        state = self._database.state()
        if getattr(self._found, "state", None) != state:
            self._found.state = state
            self._found.keys = {}
        return self._found.keys

    def add(
        self,
        organisation: str,
        kind: KeyKind,
        secret: str,
        *,
        name: str,
        permissions: frozenset[str],
        now_ns: int,
        actor: Actor,
    ) -> Future[Key]:
        """Stores a key, and its organisation if there is none of that name.

        A secret that is stored already stays as it is, revoked or not. Raises `Invalid` for a
        permission that a key of this kind cannot have.
        """
        unknown = sorted(permissions - set(PERMISSIONS_OF[kind]))
        if unknown:
            raise Invalid(
                Problem(
                    f'permission "{unknown[0]}" must be one of "{" ".join(PERMISSIONS_OF[kind])}" '
                    f"for a key of kind {kind}"
                )
            )

        def write(cursor: Cursor, recorder: Recorder) -> Key:
            org = ensure_recorded(cursor, recorder, organisation, now_ns)
            is_known = _has_secret(cursor, secret)
            key = _add_key(cursor, org, kind, secret, name, permissions, now_ns)
            if not is_known:
                recorder.record(key.organisation, "key.created", key.id, after=_values(key))
            return key

        return audited(self._database, write, actor)

    def note_used(self, key: Key, now_ns: int, *, actor: Actor) -> None:
        """Writes down that the key is used now, unless that was done within the last minute."""
        noted_at_ns = self._noted_at_ns.get(key.id, 0)
        if now_ns - noted_at_ns >= _NOTED_EVERY_NS:
            # Two threads may both come here, which costs a write and does no harm.
            self._noted_at_ns[key.id] = now_ns
            self._database.write(lambda cursor: _note_used(cursor, key, now_ns), actor)

    def all_of(self, organisation: str) -> list[Key]:
        """Every key of the organisation, oldest first, revoked ones too."""
        return self._database.read(
            lambda cursor: _list_keys(cursor, known_organisation(cursor, organisation))
        )

    def revoke(self, organisation: str, id_: str, now_ns: int, *, actor: Actor) -> Future[None]:
        """Ends a key; ending it again changes nothing. Raises `NotFound` for an unknown id."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            org = known_organisation(cursor, organisation)
            is_valid = key_by_id(cursor, id_) is not None
            key = _revoke_key(cursor, org, id_, now_ns)
            if is_valid:
                recorder.record(org, "key.revoked", id_, before=_values(key))

        return audited(self._database, write, actor)

    def ensure_organisation(self, name: str, now_ns: int, *, actor: Actor) -> Future[Organisation]:
        """The organisation of this name, created if needed."""

        def write(cursor: Cursor, recorder: Recorder) -> Organisation:
            return ensure_recorded(cursor, recorder, name, now_ns)

        return audited(self._database, write, actor)

    def organisation(self, name: str) -> Organisation:
        """Raises `NotFound` if there is none of that name."""
        return self._database.read(lambda cursor: known_organisation(cursor, name))

    def exist(self) -> bool:
        """Whether there is any key, revoked or not."""
        return self._database.read(_exist)


class KeysNow:
    """Finds keys as of now; to ask the database whether they have changed takes a while."""

    def __init__(self, database: Database, known: dict[tuple[KeyKind, str], Key]) -> None:
        self._database = database
        self._known = known

    def find(self, kind: KeyKind, secret: str) -> Key | None:
        """The key with this secret, unless it is revoked."""
        key = self._known.get((kind, secret))
        if key is None:
            key = self._database.read(lambda cursor: _find_key(cursor, kind, secret))
            if key is not None:
                self._known[kind, secret] = key
        return key


def new_secret(kind: KeyKind) -> str:
    """A fresh random key: 32 (API) or 40 (application) lower-case hexadecimal digits."""
    return secrets.token_hex(_SECRET_BYTES[kind])


def _add_key(
    cursor: Cursor,
    organisation: Organisation,
    kind: KeyKind,
    secret: str,
    name: str,
    permissions: frozenset[str],
    now_ns: int,
) -> Key:
    cursor.execute(
        "INSERT INTO keys (id, org, kind, name, hash, permissions, created_at_ns) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING",
        (
            *(str(uuid.uuid4()), organisation.key, kind, name, hash_of(secret)),
            *(" ".join(sorted(permissions)), now_ns),
        ),
    )
    row = cursor.execute(f"{_SELECT} WHERE k.hash = ?", (hash_of(secret),)).fetchone()
    assert row is not None
    return _key(row)


def _has_secret(cursor: Cursor, secret: str) -> bool:
    row = cursor.execute("SELECT 1 FROM keys WHERE hash = ?", (hash_of(secret),)).fetchone()
    return row is not None


def _values(key: Key) -> AuditValues:
    """What the audit log has of a key."""
    permissions = sorted(key.permissions)
    return {"kind": key.kind, "name": key.name, "permissions": permissions}


def _find_key(cursor: Cursor, kind: KeyKind, secret: str) -> Key | None:
    row = cursor.execute(
        f"{_SELECT} WHERE k.hash = ? AND k.kind = ? AND k.revoked_at_ns IS NULL",
        (hash_of(secret), kind),
    ).fetchone()
    return _key(row) if row else None


def key_by_id(cursor: Cursor, id_: str) -> Key | None:
    """The key with this id, unless it is revoked."""
    row = cursor.execute(f"{_SELECT} WHERE k.id = ? AND k.revoked_at_ns IS NULL", (id_,)).fetchone()
    return _key(row) if row else None


def _list_keys(cursor: Cursor, organisation: Organisation) -> list[Key]:
    rows = cursor.execute(
        f"{_SELECT} WHERE k.org = ? ORDER BY k.created_at_ns, k.id", (organisation.key,)
    )
    return [_key(row) for row in rows]


def _revoke_key(cursor: Cursor, organisation: Organisation, id_: str, now_ns: int) -> Key:
    revoked = cursor.execute(
        # The first time stays: it is when the key really ended.
        "UPDATE keys SET revoked_at_ns = coalesce(revoked_at_ns, ?) WHERE org = ? AND id = ? "
        "RETURNING id",
        (now_ns, organisation.key, id_),
    )
    if revoked.fetchone() is None:
        raise NotFound(f'no key "{id_}" in organisation "{organisation.name}"')
    row = cursor.execute(f"{_SELECT} WHERE k.id = ?", (id_,)).fetchone()
    assert row is not None
    return _key(row)


def _note_used(cursor: Cursor, key: Key, now_ns: int) -> None:
    cursor.execute(
        # Another process may have noted a later use.
        "UPDATE keys SET last_used_at_ns = ? WHERE id = ? AND coalesce(last_used_at_ns, 0) < ?",
        (now_ns, key.id, now_ns),
    )


def _exist(cursor: Cursor) -> bool:
    return only_value(cursor.execute("SELECT EXISTS (SELECT 1 FROM keys)")) == 1


def hash_of(secret: str) -> str:
    """The hash that is stored of a secret, which is long and random: no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(row: tuple[Any, ...]) -> Key:
    id_, kind, name, permissions, *instants_ns, org, uuid_, org_name = row
    created_at_ns, revoked_at_ns, used_at_ns, deletion_at_ns = instants_ns
    return Key(
        id=id_,
        kind=kind,
        name=name,
        permissions=frozenset(permissions.split()),
        created_at_ns=created_at_ns,
        revoked_at_ns=revoked_at_ns,
        last_used_at_ns=used_at_ns,
        deletion_at_ns=deletion_at_ns,
        organisation=Organisation(org, uuid_, org_name),
    )
