"""A supervisor of several processes that serve one socket."""

import multiprocessing
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, TypeVar

import structlog

from theodora.errors import UnusableSetting

log = structlog.get_logger()

T = TypeVar("T")

_PAUSE_SECONDS = 1.0
"""A worker that dies is replaced, but not more often than this."""

_KILL_SHARE = 0.95
"""Of the grace: before that, each worker ends itself as soon as it notices the signal."""

Work = Callable[[T, socket.socket, Connection], None]
"""Serves the socket; sends anything once it is ready. A module's function, as it is spawned."""


class Workers(Generic[T]):
    """Runs processes until this one is asked to stop."""

    def __init__(
        self, work: Work[T], what: T, listener: socket.socket, count: int, grace_seconds: float
    ) -> None:
        """`grace_seconds` is how long stopping may take: then workers are killed."""
        self._work = work
        self._grace_seconds = grace_seconds
        self._what = what
        self._listener = listener
        self._count = count
        # Spawned, not forked: a child shares no connection, thread or lock with this process.
        self._context = multiprocessing.get_context("spawn")
        self._processes: dict[SpawnProcess, Any] = {}
        """With the pipe on which each reports that it is ready."""

    def run(self, announce: Callable[[], None]) -> None:
        """Announces once all are ready, and replaces those that die.

        Raises `UnusableSetting` where one cannot even start.
        """
        try:
            self._start_all()
            announce()
            while True:
                wait([process.sentinel for process in self._processes])
                self._replace_dead()
        finally:
            self._stop_all()

    def _start_all(self) -> None:
        for _ in range(self._count):
            self._start()
        for process, ready in self._processes.items():
            wait([ready, process.sentinel])
            if not ready.poll():
                raise UnusableSetting("a worker ended before it was ready; see its log")

    def _start(self) -> None:
        ready, says_so = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=self._work, args=(self._what, self._listener, says_so)
        )
        process.start()
        says_so.close()
        self._processes[process] = ready

    def _replace_dead(self) -> None:
        for process in [each for each in self._processes if not each.is_alive()]:
            log.error("a worker ended and is being replaced", status=process.exitcode)
            self._processes.pop(process).close()
            time.sleep(_PAUSE_SECONDS)
            self._start()

    def _stop_all(self) -> None:
        """Asks each to finish what it accepted, and waits for that until the grace is up."""
        until_sec = time.monotonic() + _KILL_SHARE * self._grace_seconds
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(max(0.0, until_sec - time.monotonic()))
            if process.is_alive():
                # What it acknowledged is on the disk.
                log.warning("a worker did not end in time and is killed", pid=process.pid)
                process.kill()
                process.join()
