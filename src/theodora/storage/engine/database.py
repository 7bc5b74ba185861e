"""The interface of both databases: reads, writes and the number of changes."""

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, LiteralString, NamedTuple, Protocol, TypeVar

from theodora.storage.engine.actor import Actor
from theodora.storage.engine.cursor import Cursor, Row
from theodora.storage.engine.dialect import Dialect

T = TypeVar("T")


class TakesLong(Exception):
    """A read on a thread that answers briefly has taken too long there, or would."""


class Claim(Protocol):
    """Work taken up, which no other process takes up meanwhile."""

    def finish(self, finish: Callable[[Cursor], None], actor: Actor) -> None:
        """Does what ends the work; from then on others may take up what is marked later."""
        ...


class ReplicaUse(NamedTuple):
    """How a replica has shared in answering reads."""

    answered: int
    """Reads that it has answered."""
    left_to_primary: int
    """Reads that the primary has answered in its place."""
    problems: tuple[str, ...]
    """A sentence for each of the two servers that is not used now, and why."""


class Database(Protocol):
    """Open from construction to `close`; every method may be called from any thread."""

    @property
    def primary(self) -> "Database":
        """The same database, read from nowhere but where it is written."""
        ...

    @property
    def replica(self) -> ReplicaUse | None:
        """None where there is no replica."""
        ...

    def read(self, read: Callable[[Cursor], T]) -> T:
        """Runs `read` on this thread, in one snapshot of all that is committed.

        A read inside another of the same thread joins it: both see one snapshot. Raises
        `TakesLong` on a thread that answers briefly, `Unavailable` where the database cannot be
        reached. `read` may be run again from its beginning.
        """
        ...

    def read_statement(self, read: Callable[[Cursor], T]) -> T:
        """The same of a `read` that is a single statement, and so sees one snapshot by itself."""
        ...

    def write(
        self,
        write: Callable[[Cursor], T],
        actor: Actor,
        events: int = 1,
        *,
        org: int,
        if_free: bool = False,
    ) -> Future[T]:
        """Queues `write`, which `actor` asks for; the future has its result once it is durable.

        `events` is how many it writes: many make a commit of their own, and upkeep due. `org` is
        the key of the only organisation that it is about, `NO_ORGANISATION` of a write about none.

        The writes of an organisation, of every process, come one after another, and each sees all
        those before it. It waits for no other organisation's. One `if_free` has the error
        `OrganisationBusy` where it would have to wait for another process for long. `write` may be
        run again from its beginning.
        """
        ...

    def is_held(self, org: int) -> bool:
        """Whether another process keeps the organisation from being written.

        A write `if_free` then fails at once.
        """
        ...

    def claim(
        self, lock: Callable[[Cursor], bool], *, org: int
    ) -> AbstractContextManager[Claim | None]:
        """Holds the lock that `lock` takes until the end of the `with`; None if it is taken.

        `org` is the key of the organisation whose work it is.
        """
        ...

    def answer_briefly(self) -> None:
        """From now on reads on this thread give up rather than take more than milliseconds."""
        ...

    def state(self) -> int:
        """A number that on this thread changes whenever a write was committed that is about no
        organisation, or that has called `change_state`. It may change after others.

        Inside a read it is that of the snapshot.
        """
        ...

    @property
    def dialect(self) -> Dialect: ...

    @property
    def can_ask_soon(self) -> bool:
        """Whether this is the thread of an event loop that `ask_soon` is for."""
        ...

    def ask_soon(
        self, statement: LiteralString, values: Sequence[Any] = ()
    ) -> Awaitable[list[Row]] | None:
        """The rows of one statement, for an event loop that goes on meanwhile.

        None where no connection is free. Awaiting it may raise `TakesLong`; then the same has to be
        read on another thread.
        """
        ...

    def state_soon(self) -> Awaitable[int] | None:
        """The same of `state`."""
        ...

    def check_writing(self) -> None:
        """Raises `Unavailable` if nothing can be written now; tries it with a write of no effect.

        With a replica, `replica` reports that instead: reads continue.
        """
        ...

    @property
    def waiting_writes(self) -> int: ...

    def close(self) -> None:
        """Commits what waits, then closes every connection."""
        ...
