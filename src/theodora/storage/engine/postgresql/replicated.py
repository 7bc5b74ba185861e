"""A PostgreSQL database that reads from a replica once that has replayed the primary's commits.

A read first asks the primary up to where its log is durable, and then the replica up to where that
is replayed: as soon as that is as far, the read is done there. So a read sees everything that was
durable before it began, written by any process, and clients need no tokens. A replica that does not
get there in a moment is passed over.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, LiteralString, TypeVar

from psycopg.errors import ReadOnlySqlTransaction

from theodora.errors import ReadOnly, Unavailable, UnusableStore
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Claim, ReplicaUse
from theodora.storage.engine.dialect import Dialect
from theodora.storage.engine.open_read import OpenRead
from theodora.storage.engine.postgresql.circuit_breaker import Standing
from theodora.storage.engine.postgresql.connection import is_lost
from theodora.storage.engine.postgresql.database import (
    PostgresqlDatabase,
    count_commits,
    log_position,
)
from theodora.storage.engine.postgresql.readers import Readers

T = TypeVar("T")

_WAIT_SECONDS = 0.25
"""How long a read waits for a connection to the replica: the primary is there to be asked."""
_PATIENCE_SECONDS = 0.05
"""How long a read waits for the replica to catch up."""
_LOOK_SECONDS = 0.002


class _Behind(Exception):
    """The replica has not replayed what the primary had committed."""


class ReplicatedDatabase:
    """See `storage.database.Database`.

    Where the primary cannot be reached, the replica answers reads with what it has.
    """

    def __init__(self, primary: PostgresqlDatabase, url: str) -> None:
        """`url` is that of the replica, or of several."""
        self._primary = primary
        self._replica = Readers(url, "replica", _WAIT_SECONDS)
        self._primary_standing = Standing("primary")
        self._replica_standing = Standing("replica")
        self._open_read = OpenRead()
        self._lock = threading.Lock()
        self._answered = 0
        self._left_to_primary = 0

    @property
    def primary(self) -> PostgresqlDatabase:
        return self._primary

    @property
    def replica(self) -> ReplicaUse:
        problems: list[str] = []
        if self._primary_standing.problem:
            problems.append(
                "the primary cannot be reached, so nothing can be written, and reads show what "
                f"the replica has: {self._primary_standing.problem}"
            )
        if self._replica_standing.problem:
            problems.append(
                "the replica is passed over, the primary answers reads: "
                f"{self._replica_standing.problem}"
            )
        return ReplicaUse(self._answered, self._left_to_primary, tuple(problems))

    def read(self, read: Callable[[Cursor], T]) -> T:
        self._primary.refuse_to_be_brief()
        joined = self._open_read.join()
        if joined is not None:
            return read(joined)
        return self._read_from_either(partial(self._open_read.begin, read))

    def read_statement(self, read: Callable[[Cursor], T]) -> T:
        # The way to the primary comes first anyway.
        return self.read(read)

    def _read_from_either(self, read: Callable[[Cursor], T]) -> T:
        due = self._ask_primary(self._primary.position)
        if due is None:
            return self._read_alone(read)
        if self._replica_standing.may_be_asked():
            try:
                return self._read_as_of(due, read)
            except (_Behind, Unavailable, UnusableStore) as error:
                self._replica_standing.note_failed(str(error))
        with self._lock:
            self._left_to_primary += 1
        return self._primary.read(read)

    def state(self) -> int:
        self._primary.refuse_to_be_brief()
        joined = self._open_read.join()
        if joined is not None:
            return count_commits(joined)
        known = self._ask_primary(self._primary.state)
        return self._read_alone(count_commits) if known is None else known

    @property
    def dialect(self) -> Dialect:
        return self._primary.dialect

    @property
    def can_ask_soon(self) -> bool:
        """False: which server answers depends on the answers of both."""
        return False

    def ask_soon(self, statement: LiteralString, values: Sequence[Any] = ()) -> None:
        """None, for the same reason."""

    def state_soon(self) -> None:
        """None, likewise."""

    def check_writing(self) -> None:
        """Nothing to do: the server is ready to answer reads, and `replica` has the problem."""

    def write(
        self,
        write: Callable[[Cursor], T],
        actor: Actor,
        events: int = 1,
        *,
        org: int,
        if_free: bool = False,
    ) -> Future[T]:
        # A future of our own: its error depends on whether the replica can still be read.
        told: Future[T] = Future()
        told.set_running_or_notify_cancel()
        written = self._primary.write(write, actor, events, org=org, if_free=if_free)
        written.add_done_callback(partial(self._tell, told))
        return told

    def is_held(self, org: int) -> bool:
        return self._primary.is_held(org)

    def claim(
        self, lock: Callable[[Cursor], bool], *, org: int
    ) -> AbstractContextManager[Claim | None]:
        return self._primary.claim(lock, org=org)

    def answer_briefly(self) -> None:
        self._primary.answer_briefly()

    @property
    def waiting_writes(self) -> int:
        return self._primary.waiting_writes

    def close(self) -> None:
        self._primary.close()
        self._replica.close()

    def _ask_primary(self, ask: Callable[[], int]) -> int | None:
        """The answer; None where the primary cannot be reached."""
        if not self._primary_standing.may_be_asked():
            return None
        try:
            answer = ask()
        except Unavailable as error:
            self._primary_standing.note_failed(str(error))
            return None
        self._primary_standing.note_well()
        return answer

    def _read_alone(self, read: Callable[[Cursor], T]) -> T:
        """Reads from the replica what it has."""
        try:
            return self._replica.read(partial(self._answer, read))
        except Unavailable as error:
            self._replica_standing.note_failed(str(error))
            raise

    def _read_as_of(self, due: int, read: Callable[[Cursor], T]) -> T:
        """Reads from the replica; raises `_Behind` if it does not get that far in a moment."""

        def check(cursor: Cursor) -> None:
            # Before the snapshot of the read: one is never older than what was replayed before it.
            behind = due - log_position(cursor)
            if behind > 0:
                raise _Behind(f"it is {behind} bytes of the log behind")

        until_sec = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return self._replica.read(partial(self._answer, read), check)
            except _Behind:
                if time.monotonic() > until_sec:
                    raise
            time.sleep(_LOOK_SECONDS)

    def _answer(self, read: Callable[[Cursor], T], cursor: Cursor) -> T:
        self._replica_standing.note_well()
        with self._lock:
            self._answered += 1
        return read(cursor)

    def _tell(self, told: Future[T], done: Future[T]) -> None:
        """Passes on what became of a write."""
        error = done.exception()
        if error is None:
            # Reads see it at once, even if the primary had just been passed over.
            self._primary_standing.note_well()
            told.set_result(done.result())
        elif _is_gone(error) and not self._replica_standing.problem:
            told.set_exception(_read_only(error))
        else:
            told.set_exception(error)


def _is_gone(error: BaseException) -> bool:
    """Whether a write has failed for want of a server that takes writes, and not otherwise."""
    cause = error.__cause__
    return isinstance(error, Unavailable) and (
        isinstance(cause, ReadOnlySqlTransaction) or (cause is not None and is_lost(cause))
    )


def _read_only(error: BaseException) -> ReadOnly:
    refused = ReadOnly(
        "nothing can be written now: the primary database cannot be reached and a replica can "
        "only be read; send the same request again in a moment, until it is answered otherwise"
    )
    refused.__cause__ = error
    return refused
