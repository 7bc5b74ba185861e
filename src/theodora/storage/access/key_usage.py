"""Usage counts by key, of accepted and refused requests, written once a second.

A request costs an addition, and a flood of bad ones no more writes than a single one. A process
that is killed loses the counts of its last second or so, and no event.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import count
from typing import Literal, LiteralString, NamedTuple, TypeVar

from theodora.storage.access.key_rows import Key
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation, organisation_by_key
from theodora.storage.engine.worker import Worker

Received = Literal["deployment", "failure", "commits", "verdict", "user_activity"]
"""The kinds of data that keys send; packs are `commits`."""

KEPT_REFUSALS = 200
"""Most rows of refused requests for an organisation; the oldest are deleted."""
KEPT_IGNORED = 200
"""Most rows of ignored members for an organisation; the rarest are deleted."""
KEPT_IGNORED_OF_KEY = 50
"""The same for one key, so that its random names cannot displace what others send."""
_FORGOTTEN_AFTER_NS = 90 * 86_400 * 10**9
"""Members that have not been sent for longer need no more attention."""
MOST_MESSAGE = 300
"""Characters of the message to the last refused request."""
_MOST_PLACE = 200
_MOST_GATHERED = 1_000
"""Refusals counted separately between two writes; for more, the place is omitted."""
_WRITE_SECONDS = 1.0
_PATIENCE_SECONDS = 1.0
"""How long the counts of one organisation keep those of the others waiting."""

K = TypeVar("K")
V = TypeVar("V")


class KeyActivity(NamedTuple):
    """The accepted requests of one key and kind."""

    key_id: str
    key_name: str
    """Empty for a key without a name."""
    is_revoked: bool
    kind: Received
    requests: int
    first_at_ns: int
    last_at_ns: int


class Refusal(NamedTuple):
    """Requests of a key that were refused for the same reason."""

    key_id: str
    key_name: str
    is_revoked: bool
    kind: Received
    status: int
    """Of HTTP."""
    place: str
    """Where in the document the first problem was, a JSON pointer; empty for all of it."""
    requests: int
    first_at_ns: int
    last_at_ns: int
    message: str
    """The message to the last one, cut to `MOST_MESSAGE` characters."""


class IgnoredMember(NamedTuple):
    """An unknown member in accepted documents of a key."""

    key_id: str
    key_name: str
    is_revoked: bool
    kind: Received
    place: str
    """A JSON pointer; empty for members beyond the bound."""
    requests: int
    first_at_ns: int
    last_at_ns: int


class Refused(NamedTuple):
    """Why a request was refused."""

    status: int
    place: str
    message: str


class _Sender(NamedTuple):
    """The key and kind of a request."""

    org: int
    key_id: str
    kind: Received


class _Reason(NamedTuple):
    """The key, kind and reason of a refusal."""

    sender: _Sender
    status: int
    place: str


class _Count:
    """Counts that are not written yet."""

    __slots__ = ("first_at_ns", "last_at_ns", "message", "requests")

    def __init__(self, now_ns: int) -> None:
        self.requests = 0
        self.first_at_ns = now_ns
        self.last_at_ns = now_ns
        self.message = ""

    def add(self, now_ns: int) -> None:
        self.requests += 1
        self.first_at_ns = min(self.first_at_ns, now_ns)
        self.last_at_ns = now_ns


_Accepted = dict[_Sender, _Count]
_Refused = dict[_Reason, _Count]
_Ignored = dict[_Sender, dict[str, _Count]]
"""By the member's place."""


class Reception:
    """Counts requests; every method may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._accepted: _Accepted = {}
        self._refused: _Refused = {}
        self._ignored: _Ignored = {}
        self.due = threading.Event()
        """Set when there is something to write."""

    def accept(self, key: Key, kind: Received, now_ns: int) -> None:
        """Counts a request that was accepted."""
        sender = _Sender(key.organisation.key, key.id, kind)
        with self._lock:
            count = self._accepted.get(sender)
            if count is None:
                count = self._accepted[sender] = _Count(now_ns)
                self.due.set()
            count.add(now_ns)

    def refuse(self, key: Key, kind: Received, refused: Refused, now_ns: int) -> None:
        """Counts a request that was refused."""
        sender = _Sender(key.organisation.key, key.id, kind)
        # Places come from clients: without a bound, random ones would fill the memory.
        place = "" if len(self._refused) >= _MOST_GATHERED else refused.place[:_MOST_PLACE]
        reason = _Reason(sender, refused.status, place)
        with self._lock:
            count = self._refused.get(reason)
            if count is None:
                count = self._refused[reason] = _Count(now_ns)
                self.due.set()
            count.add(now_ns)
            count.message = refused.message[:MOST_MESSAGE]

    def ignore(self, key: Key, kind: Received, places: Iterable[str], now_ns: int) -> None:
        """Counts unknown members of an accepted request."""
        sender = _Sender(key.organisation.key, key.id, kind)
        with self._lock:
            counts = self._ignored.setdefault(sender, {})
            for place in places:
                # Names come from clients: without a bound, random ones would fill the memory.
                known = place if place in counts or len(counts) < KEPT_IGNORED_OF_KEY else ""
                count = counts.get(known)
                if count is None:
                    count = counts[known] = _Count(now_ns)
                    self.due.set()
                count.add(now_ns)

    def last_refusal(self, org: Organisation) -> Refusal | None:
        """The last refusals that have been written."""
        refusals = self._database.read(lambda cursor: read_refusals(cursor, org))
        return refusals[0] if refusals else None

    @property
    def has_counted(self) -> bool:
        """Whether some counts are not written yet."""
        return bool(self._accepted or self._refused or self._ignored)

    def write(self, *, actor: Actor) -> Future[None]:
        """Writes the counts since the last time, each organisation's by itself.

        Those of one that another process keeps from being written are left for later.
        """

        def is_free(sender: _Sender) -> bool:
            return not self._database.is_held(sender.org)

        with self._lock:
            self.due.clear()
            # Swapped under the lock, so that requests never wait for the database.
            accepted, self._accepted = _parted(self._accepted, is_free)
            refused, self._refused = _parted(self._refused, lambda each: is_free(each.sender))
            ignored, self._ignored = _parted(self._ignored, is_free)
            if self.has_counted:
                self.due.set()

        senders = {*accepted, *ignored, *(reason.sender for reason in refused)}

        def write(org: int, cursor: Cursor) -> None:
            # It may have been deleted since.
            if organisation_by_key(cursor, org) is None:
                return
            _write(
                {each: count for each, count in accepted.items() if each.org == org},
                {each: count for each, count in refused.items() if each.sender.org == org},
                cursor,
            )
            _write_ignored(
                {each: counts for each, counts in ignored.items() if each.org == org}, cursor
            )

        return _all_of(
            [
                self._database.write(partial(write, org), actor, org=org)
                for org in sorted({sender.org for sender in senders})
            ]
        )


def _parted(counts: dict[K, V], is_taken: Callable[[K], bool]) -> tuple[dict[K, V], dict[K, V]]:
    """The counts that are taken, and the others."""
    taken = {each: count for each, count in counts.items() if is_taken(each)}
    return taken, {each: count for each, count in counts.items() if each not in taken}


def _all_of(written: Sequence[Future[None]]) -> Future[None]:
    """Done once all of them are; with the error of the first that has one."""
    every: Future[None] = Future()
    left = count(len(written), -1)

    def note(_: Future[None] | None) -> None:
        if next(left) > 0:
            return
        error = next(filter(None, (each.exception() for each in written)), None)
        if error is None:
            every.set_result(None)
        else:
            every.set_exception(error)

    for each in written:
        each.add_done_callback(note)
    note(None)
    return every


_WRITER = Actor("worker", "key usage")


class ReceptionWriter(Worker):
    """A thread that writes the counts, from `start` to `stop`, which writes what is left."""

    def __init__(self, reception: Reception) -> None:
        super().__init__("reception", wake=reception.due)
        self._reception = reception

    def _run(self) -> None:
        while not self._stopping.is_set():
            # An idle server sleeps; after the first count it gathers more for a while.
            self._reception.due.wait()
            self._stopping.wait(_WRITE_SECONDS)
            self._write()
        # What was counted while the last of it was being written.
        self._write()

    def _write(self) -> None:
        """Counts that cannot be written are lost; the server goes on counting."""
        if not self._reception.has_counted:
            return
        try:
            self._reception.write(actor=_WRITER).result(_PATIENCE_SECONDS)
        except TimeoutError:
            # Another process is writing for one of the organisations; those of others go on.
            pass
        except Exception as error:
            self._log_failure("request counts could not be stored", error)


def read_activity(cursor: Cursor, org: Organisation) -> list[KeyActivity]:
    """The accepted requests by key, the newest first."""
    rows = cursor.execute(
        "SELECT a.key_id, k.name, k.revoked_at_ns IS NOT NULL, a.kind, a.requests, "
        "a.first_at_ns, a.last_at_ns FROM key_activity a "
        "JOIN keys k ON k.org = a.org AND k.id = a.key_id WHERE a.org = ? "
        "ORDER BY a.last_at_ns DESC, a.key_id, a.kind",
        (org.key,),
    )
    return [
        KeyActivity(id_, name, bool(is_revoked), *columns)
        for id_, name, is_revoked, *columns in rows
    ]


def read_refusals(cursor: Cursor, org: Organisation) -> list[Refusal]:
    """The refused requests, the newest first."""
    rows = cursor.execute(
        "SELECT r.key_id, k.name, k.revoked_at_ns IS NOT NULL, r.kind, r.status, r.place, "
        "r.requests, r.first_at_ns, r.last_at_ns, r.message "
        "FROM refusals r JOIN keys k ON k.org = r.org AND k.id = r.key_id "
        "WHERE r.org = ? ORDER BY r.last_at_ns DESC, r.key_id, r.place LIMIT ?",
        (org.key, KEPT_REFUSALS),
    )
    return [
        Refusal(id_, name, bool(is_revoked), *columns) for id_, name, is_revoked, *columns in rows
    ]


def read_ignored(cursor: Cursor, org: Organisation) -> list[IgnoredMember]:
    """Unknown members, the one sent last first."""
    rows = cursor.execute(
        "SELECT i.key_id, k.name, k.revoked_at_ns IS NOT NULL, i.kind, i.place, i.requests, "
        "i.first_at_ns, i.last_at_ns FROM ignored_members i "
        "JOIN keys k ON k.org = i.org AND k.id = i.key_id WHERE i.org = ? "
        "ORDER BY i.last_at_ns DESC, i.key_id, i.kind, i.place LIMIT ?",
        (org.key, KEPT_IGNORED),
    )
    return [
        IgnoredMember(id_, name, bool(is_revoked), *columns)
        for id_, name, is_revoked, *columns in rows
    ]


def _times(table: LiteralString) -> LiteralString:
    """The assignments of an upsert into `table`: its first time is never after its last.

    Counts that another server writes later may be older, and clocks are set back.
    """
    return (
        f"first_at_ns = CASE WHEN excluded.first_at_ns < {table}.first_at_ns "
        f"THEN excluded.first_at_ns ELSE {table}.first_at_ns END, "
        "last_at_ns = excluded.last_at_ns"
    )


def _write(accepted: _Accepted, refused: _Refused, cursor: Cursor) -> None:
    cursor.executemany(
        "INSERT INTO key_activity (org, key_id, kind, first_at_ns, last_at_ns, requests) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (org, key_id, kind) DO UPDATE SET "
        f"{_times('key_activity')}, requests = key_activity.requests + excluded.requests",
        [
            (*sender, count.first_at_ns, count.last_at_ns, count.requests)
            for sender, count in sorted(accepted.items())
        ],
    )
    cursor.executemany(
        "INSERT INTO refusals (org, key_id, kind, status, place, first_at_ns, last_at_ns, "
        "requests, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (org, key_id, kind, status, place) DO UPDATE SET "
        f"{_times('refusals')}, requests = refusals.requests + excluded.requests, "
        "message = excluded.message",
        [
            (
                *(*reason.sender, reason.status, reason.place),
                *(count.first_at_ns, count.last_at_ns, count.requests, count.message),
            )
            for reason, count in sorted(refused.items())
        ],
    )
    for org in {reason.sender.org for reason in refused}:
        cursor.execute(
            "DELETE FROM refusals WHERE org = ? AND last_at_ns < (SELECT last_at_ns FROM refusals "
            "WHERE org = ? ORDER BY last_at_ns DESC LIMIT 1 OFFSET ?)",
            (org, org, KEPT_REFUSALS - 1),
        )


def _write_ignored(ignored: _Ignored, cursor: Cursor) -> None:
    cursor.executemany(
        "INSERT INTO ignored_members (org, key_id, kind, place, first_at_ns, last_at_ns, "
        "requests) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (org, key_id, kind, place) DO UPDATE "
        f"SET {_times('ignored_members')}, "
        "requests = ignored_members.requests + excluded.requests",
        [
            (*sender, place, count.first_at_ns, count.last_at_ns, count.requests)
            for sender, counts in sorted(ignored.items(), key=lambda each: each[0])
            for place, count in sorted(counts.items(), key=lambda each: each[0])
        ],
    )
    newest_ns: dict[int, int] = {}
    for sender, counts in ignored.items():
        last_ns = max(count.last_at_ns for count in counts.values())
        newest_ns[sender.org] = max(last_ns, newest_ns.get(sender.org, 0))
    for org, last_ns in newest_ns.items():
        cursor.execute(
            "DELETE FROM ignored_members WHERE org = ? AND last_at_ns < ?",
            (org, last_ns - _FORGOTTEN_AFTER_NS),
        )
    for org, key_id in {(sender.org, sender.key_id) for sender in ignored}:
        cursor.execute(
            "DELETE FROM ignored_members WHERE org = ? AND key_id = ? AND (kind, place) NOT IN "
            "(SELECT kind, place FROM ignored_members WHERE org = ? AND key_id = ? "
            "ORDER BY requests DESC, last_at_ns DESC, kind, place LIMIT ?)",
            (org, key_id, org, key_id, KEPT_IGNORED_OF_KEY),
        )
    for org in newest_ns:
        cursor.execute(
            "DELETE FROM ignored_members WHERE org = ? AND (key_id, kind, place) NOT IN "
            "(SELECT key_id, kind, place FROM ignored_members WHERE org = ? "
            "ORDER BY requests DESC, last_at_ns DESC, key_id, kind, place LIMIT ?)",
            (org, org, KEPT_IGNORED),
        )
