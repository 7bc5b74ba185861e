"""API keys and application keys: stored hashed, shown once, revoked for good."""

import threading
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import Future

from theodora.errors import Invalid, Problem
from theodora.events import format_second
from theodora.events.values import SECOND_NS
from theodora.storage.access.key_addresses import KeyAddress, read_addresses
from theodora.storage.access.key_limits import (
    NO_LIMITS,
    KeyLimits,
    check_limits,
    encode_limits,
)
from theodora.storage.access.key_rows import (
    Key,
    NewKey,
    add_key,
    any_key_exists,
    find_key,
    has_secret,
    key_by_id,
    list_keys,
    no_such_key,
    note_key_used,
    replace_key,
    revoke_key,
    successors_of,
)
from theodora.storage.access.key_secrets import KeyKind
from theodora.storage.access.permissions import INGEST, PERMISSIONS
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import (
    AuditValues,
    Recorder,
    audited_by_name,
    ensure_recorded,
)
from theodora.storage.engine.cursor import Cursor
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
        return KeysNow(self._database, self._known_in(self._database.state()))

    def now_soon(self) -> "Awaitable[KeysNow] | None":
        """The same for an event loop; see `Database.ask_soon`."""
        state = self._database.state_soon()
        return None if state is None else self._as_of(state)

    async def _as_of(self, state: Awaitable[int]) -> "KeysNow":
        return KeysNow(self._database, self._known_in(await state))

    def _known_in(self, state: int) -> dict[tuple[KeyKind, str], Key]:
        """Keys that this thread has looked up since any may have changed."""
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
        new = NewKey(kind, secret, name, permissions, limits, expires_at_ns)
        _check(new)

        def write(cursor: Cursor, recorder: Recorder) -> Key:
            org = ensure_recorded(cursor, recorder, organisation, now_ns)
            is_known = has_secret(cursor, secret)
            key = add_key(cursor, org, new, now_ns)
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
                raise no_such_key(id_, org)
            successors = successors_of(cursor, old)
            _require_no_valid(successors, old, now_ns)
            # A rotation has changed when the old one expires, but not the last of its successors.
            lifetime_ns = successors[-1].lifetime_ns if successors else old.lifetime_ns
            key = replace_key(cursor, old, secret, lifetime_ns, now_ns + overlap_ns, now_ns)
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
                lambda cursor: note_key_used(cursor, key, address, now_ns),
                actor,
                org=key.organisation.key,
            )

    def addresses(self, org: Organisation) -> Mapping[str, Sequence[KeyAddress]]:
        """The addresses that each key was used from, by its id, the last one first."""
        return self._database.read(lambda cursor: read_addresses(cursor, org))

    def all_of(self, organisation: str) -> list[Key]:
        """Every key of the organisation, oldest first, revoked ones too."""
        return self._database.read(
            lambda cursor: list_keys(cursor, known_organisation(cursor, organisation))
        )

    def revoke(self, organisation: str, id_: str, now_ns: int, *, actor: Actor) -> Future[None]:
        """Ends a key; ending it again changes nothing. Raises `NotFound` for an unknown id."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            org = known_organisation(cursor, organisation)
            is_valid = key_by_id(cursor, org.key, id_) is not None
            key = revoke_key(cursor, org, id_, now_ns)
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
        return self._database.read(any_key_exists)


class KeysNow:
    """Finds keys as of now; to ask the database whether they have changed takes a while."""

    def __init__(self, database: Database, known: dict[tuple[KeyKind, str], Key]) -> None:
        self._database = database
        self._known = known

    def find(self, kind: KeyKind, secret: str) -> Key | None:
        """The key with this secret, unless it is revoked."""
        key = self._known.get((kind, secret))
        if key is None:
            key = self._database.read(lambda cursor: find_key(cursor, kind, secret))
            if key is not None:
                self._known[kind, secret] = key
        return key


def _check(new: NewKey) -> None:
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
