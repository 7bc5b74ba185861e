"""The one writer: a thread that commits what waits together.

A commit costs a wait for the disk. While one is under way further writes gather, and the next
commit takes them all. Each write runs in a savepoint, so that one that fails takes nothing
else with it, and its caller is told only after the commit that holds it is on the disk.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

from theodora.errors import Unavailable
from theodora.storage.connection import connect_writer, driver_errors
from theodora.storage.cursor import Cursor

T = TypeVar("T")

_GROUP_LIMIT = 256
"""Writes in one commit at the most, so that the first of a flood is not kept waiting."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    write: Callable[[Cursor], Any]
    future: Future[Any]


class Writer:
    """Runs writes one after another on a thread of its own; `submit` may be called from any."""

    def __init__(self, path: Path, on_commit: Callable[[int], None]) -> None:
        """`on_commit` is told how many writes each commit held."""
        self._path = path
        self._on_commit = on_commit
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
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
            self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while True:
            group = self._next_group()
            if group:
                self._commit(group)
            else:
                return

    def _next_group(self) -> list[_Waiting]:
        """What waits, at least one write; empty when the writer is to stop."""
        group: list[_Waiting] = []
        first = self._queue.get()
        while first is not None:
            group.append(first)
            if len(group) == _GROUP_LIMIT:
                break
            try:
                first = self._queue.get_nowait()
            except Empty:
                break
        else:
            if group:
                self._queue.put(None)
        return group

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
