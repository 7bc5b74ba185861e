"""The audit log: who changed what, written in the transaction of the change.

The entries of an organisation form a chain: the hash of each covers its content and the hash
before it, so an entry that is changed, inserted or removed breaks the chain. The writes of an
organisation come one after another, so that its chain needs no lock of its own.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Literal, LiteralString, NamedTuple, TypeVar

import msgspec

from theodora.errors import OrganisationBusy, Unavailable
from theodora.events import format_rfc3339
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit_actions import ActionName
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import (
    NO_ORGANISATION,
    Organisation,
    ensure_organisation,
    find_organisation,
    lock_if_free,
)

T = TypeVar("T")

AuditOutcome = Literal["done", "refused"]
AuditValues = Mapping[str, Any]
"""Values by name, as JSON has them; never a secret."""

SERVER = NO_ORGANISATION
"""The key under which the server keeps what concerns no single organisation."""
MAX_AUDIT_VALUES = 16_384
"""Characters of the values before or after a change; longer ones are replaced by their hash."""
_MAX_TEXT = 1_000


class AuditEntry(NamedTuple):
    """An entry of the audit log."""

    org: int
    number: int
    at_ns: int
    actor: Actor
    action: ActionName
    target: str
    before: str
    """A JSON object; empty where there was nothing."""
    after: str
    outcome: AuditOutcome
    reason: str
    hash: str

    @property
    def at(self) -> str:
        """When it was written, in RFC 3339 and UTC."""
        return format_rfc3339(self.at_ns)

    @property
    def content(self) -> tuple[str | int, ...]:
        """All of it but the hash, in the order of the columns."""
        org, number, at_ns, actor, *others, _ = self
        who = (actor.kind, actor.name, actor.id, actor.address)
        return (org, number, at_ns, *who, *others)


class AuditChain(NamedTuple):
    """The ends of an organisation's chain."""

    last_number: int = 0
    last_hash: str = ""
    removed_number: int = 0
    """The newest entry that was removed for its age; 0 without any."""
    removed_hash: str = ""


class Recorder:
    """Adds the entries of one write, in its transaction."""

    def __init__(self, cursor: Cursor, actor: Actor) -> None:
        self._cursor = cursor
        self._actor = actor

    def record(
        self,
        org: Organisation | int | None,
        action: ActionName,
        target: str = "",
        *,
        before: AuditValues | None = None,
        after: AuditValues | None = None,
        outcome: AuditOutcome = "done",
        reason: str = "",
    ) -> None:
        """Adds an entry to the chain of an organisation, named by itself or by its key.

        Without an organisation it goes to the chain of the server.
        """
        key = SERVER if org is None else org if isinstance(org, int) else org.key
        chain = chain_of(self._cursor, key)
        entry = AuditEntry(
            key,
            chain.last_number + 1,
            time.time_ns(),
            self._actor,
            action,
            target[:_MAX_TEXT],
            _as_json(before),
            _as_json(after),
            outcome,
            reason[:_MAX_TEXT],
            "",
        )
        entry = entry._replace(hash=hash_of_entry(chain.last_hash, entry))
        self._cursor.execute(_INSERT, (*entry.content, entry.hash))
        put_chain(self._cursor, key, chain._replace(last_number=entry.number, last_hash=entry.hash))


AUDIT_COLUMNS: LiteralString = (
    "org, number, at_ns, actor_kind, actor_name, actor_id, address, action, target, old_values, "
    "new_values, outcome, reason, hash"
)
_INSERT: LiteralString = (
    f"INSERT INTO audit_entries ({AUDIT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
SELECT_AUDIT_ENTRIES: LiteralString = f"SELECT {AUDIT_COLUMNS} FROM audit_entries"


def audited(
    database: Database,
    write: Callable[[Cursor, Recorder], T],
    actor: Actor,
    *,
    org: int,
    if_free: bool = False,
) -> Future[T]:
    """Queues a write that records what it changes; `org` and `if_free` are as in `Database.write`.

    One of an organisation that records for the server too calls `change_state` before.
    """

    def recording(cursor: Cursor) -> T:
        return write(cursor, Recorder(cursor, actor))

    return database.write(recording, actor, org=org, if_free=if_free)


def audited_by_name(
    database: Database, name: str, write: Callable[[Cursor, Recorder], T], actor: Actor
) -> Future[T]:
    """Queues a write about the organisation of this name, which it may add."""
    known = database.read(lambda cursor: find_organisation(cursor, name))

    def checked(cursor: Cursor, recorder: Recorder) -> T:
        found = find_organisation(cursor, name)
        if known is not None and found != known:
            raise Unavailable(f'organisation "{name}" has just been deleted')
        if known is None and found is not None and not lock_if_free(cursor, found):
            raise OrganisationBusy(f'organisation "{name}" has just been added')
        return write(cursor, recorder)

    return audited(database, checked, actor, org=known.key if known else NO_ORGANISATION)


def ensure_recorded(cursor: Cursor, recorder: Recorder, name: str, now_ns: int) -> Organisation:
    """The organisation of this name, created and recorded if needed; raises `BeingDeleted`."""
    is_new = find_organisation(cursor, name) is None
    org = ensure_organisation(cursor, name, now_ns)
    if is_new:
        recorder.record(org, "organisation.created", name)
    return org


def changed(before: AuditValues, after: AuditValues) -> tuple[AuditValues, AuditValues]:
    """What differs between the two, on either side."""
    names = [name for name in (*before, *after) if before.get(name) != after.get(name)]
    return (
        {name: before[name] for name in names if name in before},
        {name: after[name] for name in names if name in after},
    )


def hash_of_entry(hash_before: str, entry: AuditEntry) -> str:
    """SHA-256 of a JSON array: the hash before it, then all columns of the entry but its hash."""
    return hashlib.sha256(msgspec.json.encode((hash_before, *entry.content))).hexdigest()


def shortened_to(number: int) -> str:
    """The target of `audit.shortened`: the newest entry that was removed."""
    return f"to {number}"


def chain_of(cursor: Cursor, org: int) -> AuditChain:
    row = cursor.execute(
        "SELECT last_number, last_hash, removed_number, removed_hash FROM audit_chains "
        "WHERE org = ?",
        (org,),
    ).fetchone()
    return AuditChain(*row) if row else AuditChain()


def put_chain(cursor: Cursor, org: int, chain: AuditChain) -> None:
    cursor.execute(
        "INSERT INTO audit_chains (org, last_number, last_hash, removed_number, removed_hash) "
        "VALUES (?, ?, ?, ?, ?) ON CONFLICT (org) DO UPDATE SET "
        "last_number = excluded.last_number, last_hash = excluded.last_hash, "
        "removed_number = excluded.removed_number, removed_hash = excluded.removed_hash",
        (org, *chain),
    )


def audit_entry(row: tuple[Any, ...]) -> AuditEntry:
    """The entry of a row of `SELECT_AUDIT_ENTRIES`."""
    org, number, at_ns, kind, name, id_, address, *others = row
    return AuditEntry(org, number, at_ns, Actor(kind, name, id_, address), *others)


def _as_json(values: AuditValues | None) -> str:
    text = msgspec.json.encode(values).decode() if values else ""
    if len(text) <= MAX_AUDIT_VALUES:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return msgspec.json.encode({"characters": len(text), "sha256": digest}).decode()
