"""The one writer: a thread that commits what waits together.

A commit costs a wait for the disk. While one is under way further writes gather, and the next
commit takes them all. Each write runs in a savepoint, so that one that fails takes nothing
else with it, and its caller is told only after the commit that holds it is on the disk.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

import structlog

from theodora.errors import TheodoraError, Unavailable
from theodora.storage.connection import connect_writer, driver_errors
from theodora.storage.cursor import Cursor

log = structlog.get_logger()

T = TypeVar("T")

_GROUP_LIMIT = 256
"""Writes in one commit at the most, so that the first of a flood is not kept waiting."""
_UPKEEP_AFTER = 512
"""Writes after which upkeep is due even though more are waiting."""
_IDLE_SECONDS = 0.05
"""How long no write has to come before there is time for upkeep."""


class _Signal(Enum):
    """What the queue may give besides a write."""

    NOTHING = auto()
    STOP = auto()


@dataclass(frozen=True, slots=True)
class _Waiting:
    write: Callable[[Cursor], Any]
    future: Future[Any]


class Writer:
    """Runs writes one after another on a thread of its own; `submit` may be called from any."""

    def __init__(
        self, path: Path, upkeep: Callable[[Cursor], bool], on_commit: Callable[[int], None]
    ) -> None:
        """`upkeep` does some of what may be done later and says whether there is more; it runs
        in a transaction of its own when no writes come, or when many have come since.
        `on_commit` is told how many writes each commit held.
        """
        self._path = path
        self._upkeep = upkeep
        self._on_commit = on_commit
        self._since_upkeep = 0
        self._queue: SimpleQueue[_Waiting | _Signal] = SimpleQueue()
        self._open = True
        self._lock = threading.Lock()
        self._connection = connect_writer(path)
        self._cursor = cast("Cursor", self._connection.cursor())
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Writes that no commit has taken up yet."""
        return self._queue.qsize()

    def submit(self, write: Callable[[Cursor], T]) -> Future[T]:
        """Queues `write`; the future has its result once that is durable, or its error."""
        future: Future[T] = Future()
        # A caller that stops waiting takes nothing back: what was accepted is written.
        future.set_running_or_notify_cancel()
        with self._lock:
            if not self._open:
                raise Unavailable("the store is closing")
            self._queue.put(_Waiting(write, future))
        return future

    def close(self) -> None:
        """Commits what waits and closes the connection; later writes are refused."""
        with self._lock:
            self._open = False
            self._queue.put(_Signal.STOP)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        more = True
        while True:
            following = self._next(wait_for_ever=not more)
            if isinstance(following, _Waiting):
                self._commit(self._group(following))
                more = True
            elif following is _Signal.STOP:
                while self._keep_up():
                    pass
                return
            else:
                more = self._keep_up()
            if self._since_upkeep >= _UPKEEP_AFTER:
                more = self._keep_up()

    def _next(self, *, wait_for_ever: bool) -> "_Waiting | _Signal":
        try:
            return self._queue.get(timeout=None if wait_for_ever else _IDLE_SECONDS)
        except Empty:
            return _Signal.NOTHING

    def _group(self, first: _Waiting) -> list[_Waiting]:
        """`first` and what waits behind it."""
        group = [first]
        while len(group) < _GROUP_LIMIT:
            try:
                following = self._queue.get_nowait()
            except Empty:
                break
            if isinstance(following, _Signal):
                self._queue.put(following)
                break
            group.append(following)
        return group

    def _keep_up(self) -> bool:
        """Does a piece of upkeep; whether more is left. What fails now is tried again later."""
        self._since_upkeep = 0
        try:
            with driver_errors(self._path):
                self._cursor.execute("BEGIN IMMEDIATE")
                more = self._upkeep(self._cursor)
                self._cursor.execute("COMMIT")
        except TheodoraError:
            self._roll_back()
            return False
        except Exception:
            # Upkeep can wait, writes cannot: the thread lives on.
            self._roll_back()
            log.exception("upkeep failed")
            return False
        return more

    def _commit(self, group: Sequence[_Waiting]) -> None:
        try:
            with driver_errors(self._path):
                self._cursor.execute("BEGIN IMMEDIATE")
                outcomes = [self._outcome(waiting) for waiting in group]
                self._cursor.execute("COMMIT")
        except BaseException as error:
            # Each caller is told, and the thread lives on.
            self._roll_back()
            for waiting in group:
                waiting.future.set_exception(error)
            return
        self._since_upkeep += len(group)
        self._on_commit(len(group))
        for waiting, (result, error) in zip(group, outcomes, strict=True):
            if error is None:
                waiting.future.set_result(result)
            else:
                waiting.future.set_exception(error)

    def _outcome(self, waiting: _Waiting) -> tuple[Any, Exception | None]:
        self._cursor.execute("SAVEPOINT write")
        try:
            with driver_errors(self._path):
                result = waiting.write(self._cursor)
        except Exception as error:
            if not self._connection.in_transaction:
                raise  # The driver has rolled the whole group back.
            self._cursor.execute("ROLLBACK TO write")
            self._cursor.execute("RELEASE write")
            return None, error
        self._cursor.execute("RELEASE write")
        return result, None

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._cursor.execute("ROLLBACK")
