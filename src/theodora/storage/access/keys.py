"""API keys and application keys: stored hashed, shown once, revoked for good."""

import hashlib
import threading
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, LiteralString, NamedTuple

from theodora.errors import Invalid, KeyUnusable, NotFound, Problem
from theodora.events import format_second
from theodora.events.values import SECOND_NS
from theodora.storage.access.key_addresses import KeyAddress, note_address, read_addresses
from theodora.storage.access.key_limits import (
    NO_LIMITS,
    KeyLimits,
    check_limits,
    decode_limits,
    encode_limits,
)
from theodora.storage.access.key_secrets import KeyKind, beginning_of
from theodora.storage.access.permissions import INGEST, PERMISSIONS
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import (
    AuditValues,
    Recorder,
    audited_by_name,
    ensure_recorded,
)
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import (
    Organisation,
    change_state,
    known_organisation,
)

PERMISSIONS_OF: dict[KeyKind, tuple[str, ...]] = {
    "api": (INGEST,),
    "application": tuple(row.name for row in PERMISSIONS if row.name != INGEST),
}
"""The possible permissions of each kind of key."""

_NOTED_EVERY_NS = 60 * SECOND_NS
_MOST_NOTED = 10_000
"""Uses that are remembered as noted; beyond, some are noted again."""
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


class Keys:
    """Organisations and their keys."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found = threading.local()
        self._noted_at_ns: dict[tuple[str, str], int] = {}

    def find(self, kind: KeyKind, secret: str) -> Key | None:
        """The key with this secret, unless it is revoked; see `Key.require_usable`."""
        return self.now().find(kind, secret)

    def now(self) -> "KeysNow":
        """The keys for one request, which may have several."""
        return KeysNow(self._database, self._known_here())

    def _known_here(self) -> dict[tuple[KeyKind, str], Key]:
        """Keys that this thread has looked up since any may have changed."""
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
        limits: KeyLimits = NO_LIMITS,
        expires_at_ns: int | None = None,
        now_ns: int,
        actor: Actor,
    ) -> Future[Key]:
        """Stores a key, and its organisation if there is none of that name.

        A secret that is stored already stays as it is, revoked or not. Raises `Invalid` for a
        permission or a limit that a key of this kind cannot have.
        """
        new = _NewKey(kind, secret, name, permissions, limits, expires_at_ns)
        _check(new)

        def write(cursor: Cursor, recorder: Recorder) -> Key:
            org = ensure_recorded(cursor, recorder, organisation, now_ns)
            is_known = _has_secret(cursor, secret)
            key = _add_key(cursor, org, new, now_ns)
            if not is_known:
                recorder.record(key.organisation, "key.created", key.id, after=_values(key))
            return key

        return audited_by_name(self._database, organisation, write, actor)

    def rotate(
        self,
        organisation: str,
        id_: str,
        secret: str,
        overlap_ns: int,
        now_ns: int,
        *,
        actor: Actor,
    ) -> Future[Key]:
        """Stores a key that may do the same as this one, which ends after the overlap.

        If the old one was made to expire, the new one lasts as long as that. Raises `NotFound` for
        a key that is unknown or no longer valid, and `Invalid` for one with a valid successor.
        """

        def write(cursor: Cursor, recorder: Recorder) -> Key:
            org = known_organisation(cursor, organisation)
            old = key_by_id(cursor, org.key, id_)
            if old is None or old.has_expired(now_ns):
                raise _no_such_key(id_, org)
            successors = _successors(cursor, old)
            _require_no_valid(successors, old, now_ns)
            # A rotation has changed when the old one expires, but not the last of its successors.
            lifetime_ns = successors[-1].lifetime_ns if successors else old.lifetime_ns
            key = _replace_key(cursor, old, secret, lifetime_ns, now_ns + overlap_ns, now_ns)
            after = {"id": key.id, **_values(key)}
            recorder.record(org, "key.rotated", id_, before=_values(old), after=after)
            change_state(cursor)
            return key

        return audited_by_name(self._database, organisation, write, actor)

    def note_used(self, key: Key, now_ns: int, *, address: str = "", actor: Actor) -> None:
        """Writes down that the key is used now and from where, at most once a minute."""
        use = key.id, address
        noted_at_ns = self._noted_at_ns.get(use, 0)
        if now_ns - noted_at_ns >= _NOTED_EVERY_NS:
            if len(self._noted_at_ns) >= _MOST_NOTED:
                self._noted_at_ns.clear()
            # Two threads may both come here, which costs a write and does no harm.
            self._noted_at_ns[use] = now_ns
            self._database.write(
                lambda cursor: _note_used(cursor, key, address, now_ns),
                actor,
                org=key.organisation.key,
            )

    def addresses(self, org: Organisation) -> Mapping[str, Sequence[KeyAddress]]:
        """The addresses that each key was used from, by its id, the last one first."""
        return self._database.read(lambda cursor: read_addresses(cursor, org))

    def all_of(self, organisation: str) -> list[Key]:
        """Every key of the organisation, oldest first, revoked ones too."""
        return self._database.read(
            lambda cursor: _list_keys(cursor, known_organisation(cursor, organisation))
        )

    def revoke(self, organisation: str, id_: str, now_ns: int, *, actor: Actor) -> Future[None]:
        """Ends a key; ending it again changes nothing. Raises `NotFound` for an unknown id."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            org = known_organisation(cursor, organisation)
            is_valid = key_by_id(cursor, org.key, id_) is not None
            key = _revoke_key(cursor, org, id_, now_ns)
            if is_valid:
                recorder.record(org, "key.revoked", id_, before=_values(key))
            change_state(cursor)

        return audited_by_name(self._database, organisation, write, actor)

    def ensure_organisation(self, name: str, now_ns: int, *, actor: Actor) -> Future[Organisation]:
        """The organisation of this name, created if needed."""

        def write(cursor: Cursor, recorder: Recorder) -> Organisation:
            return ensure_recorded(cursor, recorder, name, now_ns)

        return audited_by_name(self._database, name, write, actor)

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


class _NewKey(NamedTuple):
    """A key to store."""

    kind: KeyKind
    secret: str
    name: str
    permissions: frozenset[str]
    limits: KeyLimits
    expires_at_ns: int | None


def _check(new: _NewKey) -> None:
    unknown = sorted(new.permissions - set(PERMISSIONS_OF[new.kind]))
    if unknown:
        raise Invalid(
            Problem(
                f'permission "{unknown[0]}" must be one of "{" ".join(PERMISSIONS_OF[new.kind])}" '
                f"for a key of kind {new.kind}"
            )
        )
    if new.kind == "application" and (new.limits.operations or new.limits.is_about_events):
        raise Invalid(Problem("only API keys can be limited in what they send"))
    check_limits(new.limits)


def _add_key(cursor: Cursor, organisation: Organisation, new: _NewKey, now_ns: int) -> Key:
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


def _has_secret(cursor: Cursor, secret: str) -> bool:
    row = cursor.execute("SELECT 1 FROM keys WHERE hash = ?", (hash_of(secret),)).fetchone()
    return row is not None


def _values(key: Key) -> AuditValues:
    """What the audit log has of a key."""
    values: AuditValues = {
        "kind": key.kind,
        "name": key.name,
        "permissions": sorted(key.permissions),
        "limits": encode_limits(key.limits),
    }
    if key.expires_at_ns is not None:
        return {**values, "expires_at": format_second(key.expires_at_ns)}
    return values


def _replace_key(
    cursor: Cursor, old: Key, secret: str, lifetime_ns: int | None, ends_at_ns: int, now_ns: int
) -> Key:
    if old.expires_at_ns is not None:
        ends_at_ns = min(ends_at_ns, old.expires_at_ns)
    expires_at_ns = None if lifetime_ns is None else now_ns + lifetime_ns
    new = _NewKey(old.kind, secret, old.name, old.permissions, old.limits, expires_at_ns)
    key = _add_key(cursor, old.organisation, new, now_ns)
    cursor.execute(
        "UPDATE keys SET expires_at_ns = ?, successor_id = ? WHERE org = ? AND id = ?",
        (ends_at_ns, key.id, old.organisation.key, old.id),
    )
    return key


def _successors(cursor: Cursor, key: Key) -> list[Key]:
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


def _require_no_valid(successors: Sequence[Key], old: Key, now_ns: int) -> None:
    """Two valid successors would leave a key that nobody knows to be needed."""
    for successor in successors:
        if successor.revoked_at_ns is not None or successor.has_expired(now_ns):
            continue
        raise Invalid(
            Problem(
                f'key "{old.id}" was rotated already: its successor is "{successor.id}", which '
                f"begins with {successor.beginning}. Rotate or revoke that one"
            )
        )


def _find_key(cursor: Cursor, kind: KeyKind, secret: str) -> Key | None:
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


def _list_keys(cursor: Cursor, organisation: Organisation) -> list[Key]:
    rows = cursor.execute(
        f"{_SELECT} WHERE k.org = ? ORDER BY k.created_at_ns, k.id", (organisation.key,)
    )
    return [key_of_row(row) for row in rows]


def _revoke_key(cursor: Cursor, organisation: Organisation, id_: str, now_ns: int) -> Key:
    revoked = cursor.execute(
        # The first time stays: it is when the key really ended.
        "UPDATE keys SET revoked_at_ns = coalesce(revoked_at_ns, ?) WHERE org = ? AND id = ? "
        "RETURNING id",
        (now_ns, organisation.key, id_),
    )
    if revoked.fetchone() is None:
        raise _no_such_key(id_, organisation)
    row = cursor.execute(
        f"{_SELECT} WHERE k.org = ? AND k.id = ?", (organisation.key, id_)
    ).fetchone()
    assert row is not None
    return key_of_row(row)


def _no_such_key(id_: str, organisation: Organisation) -> NotFound:
    return NotFound(f'no key "{id_}" in organisation "{organisation.name}"')


def _note_used(cursor: Cursor, key: Key, address: str, now_ns: int) -> None:
    if address:
        note_address(cursor, key.organisation, key.id, address, now_ns)
    cursor.execute(
        # Another process may have noted a later use.
        "UPDATE keys SET last_used_at_ns = ? WHERE org = ? AND id = ? "
        "AND coalesce(last_used_at_ns, 0) < ?",
        (now_ns, key.organisation.key, key.id, now_ns),
    )


def _exist(cursor: Cursor) -> bool:
    return only_value(cursor.execute("SELECT EXISTS (SELECT 1 FROM keys)")) == 1


def hash_of(secret: str) -> str:
    """The hash that is stored of a secret, which is long and random: no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


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
