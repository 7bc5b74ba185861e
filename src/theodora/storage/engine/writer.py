"""The writer thread, which commits waiting writes together.

A commit costs a wait for the disk. While one is under way further writes gather, and the next
commit takes them all. If one fails, the others are not affected. Its caller gets the result only
after the commit that holds it is on the disk.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol, TypeVar

import structlog

from theodora.errors import TheodoraError, Unavailable
from theodora.storage.engine.actor import UPKEEP, Actor
from theodora.storage.engine.cursor import Cursor

log = structlog.get_logger()

T = TypeVar("T")

_GROUP_LIMIT = 256
"""Events in one commit after which no other write joins it: the first of a flood does not wait
long."""
_UPKEEP_AFTER = 512
"""Events after which upkeep is due even though more are waiting."""
_IDLE_SECONDS = 0.05
"""How long no write has to come before there is time for upkeep."""
_LAST_UPKEEP_SECONDS = 30.0
_CHECKED_SECONDS = 1.0
"""A write that went well so recently shows that the next one can: checks do not load the disk."""
_FAILED_SECONDS = 3.0
"""A failure so recent counts, although a smaller write might find room."""
_CHECK_PATIENCE_SECONDS = 5.0


class Write(NamedTuple):
    """A write that waits to be committed."""

    run: Callable[[Cursor], Any]
    actor: Actor
    events: int = 1
    """How many it writes."""


class Outcome(NamedTuple):
    """The outcome of a write: its result or its error."""

    result: Any = None
    error: Exception | None = None


class Committer(Protocol):
    """Runs writes in a transaction of their own; used by one thread."""

    def commit(self, writes: Sequence[Write]) -> list[Outcome]:
        """Runs all of them and returns when they are durable.

        One that raises has changed nothing; the others are kept. Raises where none of them
        could be made durable, or where that is not known.
        """
        ...

    def tidy(self) -> None:
        """Called when nothing is left to write for now."""
        ...

    def close(self) -> None: ...


class _Signal(Enum):
    """Signals in the queue other than writes."""

    NOTHING = auto()
    STOP = auto()


@dataclass(frozen=True, slots=True)
class _Waiting:
    write: Write
    future: Future[Any]


class Writer:
    """Runs writes one after another on a thread of its own; `submit` may be called from any."""

    def __init__(
        self,
        committer: Committer,
        upkeep: Callable[[Cursor], bool],
        on_commit: Callable[[int], None],
    ) -> None:
        """`upkeep` does some of what may be done later and returns whether there is more; it runs
        in a transaction of its own when no writes come, or when many have come since.
        `on_commit` receives the number of writes of each commit.
        """
        self._committer = committer
        self._upkeep = upkeep
        self._on_commit = on_commit
        self._since_upkeep = 0
        self._queue: SimpleQueue[_Waiting | _Signal] = SimpleQueue()
        self._open = True
        self._is_failing = False
        """Whether the last commit failed."""
        self._problem = ""
        """Why the last commit failed that did."""
        self._committed_sec = -math.inf
        self._failed_sec = -math.inf
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Writes that no commit has taken up yet."""
        return self._queue.qsize()

    def submit(self, run: Callable[[Cursor], T], actor: Actor, events: int = 1) -> Future[T]:
        """Queues `run`; the future has its result once that is durable, or its error."""
        future: Future[T] = Future()
        # A caller that stops waiting takes nothing back: what was accepted is written.
        future.set_running_or_notify_cancel()
        with self._lock:
            if not self._open:
                raise Unavailable("the store is closing")
            self._queue.put(_Waiting(Write(run, actor, events), future))
        return future

    def check(self, run: Callable[[Cursor], None], *, is_suspect: bool = False) -> None:
        """Raises `Unavailable` if `run`, which should change nothing, cannot be made durable.

        Unless `is_suspect`, it is not tried where another write has just gone well.
        """
        now_sec = time.monotonic()
        if now_sec - self._failed_sec < _FAILED_SECONDS:
            raise Unavailable(self._problem)
        is_well = not self._is_failing and not is_suspect
        # Readiness probes come often, and each would cost a wait for the disk.
        if is_well and now_sec - self._committed_sec < _CHECKED_SECONDS:
            return
        try:
            self.submit(run, UPKEEP).result(_CHECK_PATIENCE_SECONDS)
        except TimeoutError:
            raise Unavailable("the database takes too long to write") from None

    def close(self) -> None:
        """Commits waiting writes and closes the connection; later writes are refused."""
        with self._lock:
            self._open = False
            # Under the lock, so that no write can be queued behind the signal and wait for ever.
            self._queue.put(_Signal.STOP)
        self._thread.join()
        self._committer.close()

    def _run(self) -> None:
        more = True
        while True:
            following = self._next(wait_for_ever=not more)
            if isinstance(following, _Waiting):
                self._commit(self._group(following))
                more = True
            elif following is _Signal.STOP:
                self._keep_up_before_the_end()
                return
            else:
                more = self._keep_up()
            # Under steady load the queue is never idle, and searches read every unindexed event.
            if self._since_upkeep >= _UPKEEP_AFTER:
                more = self._keep_up()

    def _keep_up_before_the_end(self) -> None:
        """What is not indexed would make the first searches after the next start slow.

        After an upgrade it may take minutes: that can go on then.
        """
        until_sec = time.monotonic() + _LAST_UPKEEP_SECONDS
        while self._keep_up() and time.monotonic() < until_sec:
            pass

    def _next(self, *, wait_for_ever: bool) -> "_Waiting | _Signal":
        try:
            return self._queue.get(timeout=None if wait_for_ever else _IDLE_SECONDS)
        except Empty:
            return _Signal.NOTHING

    def _group(self, first: _Waiting) -> list[_Waiting]:
        """`first` and what waits behind it."""
        group = [first]
        events = first.write.events
        while events < _GROUP_LIMIT:
            try:
                following = self._queue.get_nowait()
            except Empty:
                break
            if isinstance(following, _Signal):
                # The stop signal is taken again once this group is committed; nothing can be behind
                # it.
                self._queue.put(following)
                break
            group.append(following)
            events += following.write.events
        return group

    def _keep_up(self) -> bool:
        """Does a piece of upkeep; returns whether more is left. A failure is retried later."""
        self._since_upkeep = 0
        try:
            [outcome] = self._committer.commit([Write(self._upkeep, UPKEEP)])
            # Tidying may take long on SQLite: no waiting write should pay for it.
            if not outcome.result and self._queue.empty():
                self._committer.tidy()
        except TheodoraError:
            return False
        except Exception:
            # Upkeep can wait, writes cannot: the thread lives on.
            log.exception("maintenance failed")
            return False
        if outcome.error is not None and not isinstance(outcome.error, TheodoraError):
            log.error("maintenance failed", exc_info=outcome.error)
        return outcome.error is None and outcome.result

    def _commit(self, group: Sequence[_Waiting]) -> None:
        try:
            outcomes = self._committer.commit([waiting.write for waiting in group])
        except BaseException as error:
            # Each caller gets the error, and the thread goes on.
            self._note_failed(error)
            for waiting in group:
                waiting.future.set_exception(error)
            return
        self._note_committed()
        self._since_upkeep += sum(waiting.write.events for waiting in group)
        self._on_commit(len(group))
        for waiting, (result, error) in zip(group, outcomes, strict=True):
            if error is None:
                waiting.future.set_result(result)
            else:
                waiting.future.set_exception(error)

    def _note_failed(self, error: BaseException) -> None:
        if not self._is_failing:
            log.error("the database cannot be written; events are refused", error=str(error))
        self._is_failing = True
        self._problem = str(error) or type(error).__name__
        self._failed_sec = time.monotonic()

    def _note_committed(self) -> None:
        if self._is_failing:
            log.warning("the database can be written again")
        self._is_failing = False
        self._committed_sec = time.monotonic()
