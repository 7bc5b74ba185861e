"""A circuit breaker for one server."""

import threading
import time

import structlog

log = structlog.get_logger()

_REST_SECONDS = 1.0
_ATTEMPT_SECONDS = 10.0
"""Longer than it takes to find out that a server does not answer."""


class Standing:
    """The breaker's state; every method may be called from any thread.

    One that has failed rests for a while. Then a single caller asks it again, and the others
    go on without it until that has gone well: waiting for a dead server takes seconds.
    """

    def __init__(self, server: str) -> None:
        """`server` is what it is called in the log."""
        self._server = server
        self._lock = threading.Lock()
        self._rests_until_sec = 0.0
        self.problem = ""
        """Why it is not asked; empty while it is."""

    def may_be_asked(self) -> bool:
        if not self.problem:
            return True
        with self._lock:
            now_sec = time.monotonic()
            if now_sec < self._rests_until_sec:
                return False
            self._rests_until_sec = now_sec + _ATTEMPT_SECONDS
            return True

    def note_failed(self, problem: str) -> None:
        if not self.problem:
            log.warning(
                "a server is skipped until it answers again", server=self._server, problem=problem
            )
        with self._lock:
            self.problem = problem
            self._rests_until_sec = time.monotonic() + _REST_SECONDS

    def note_well(self) -> None:
        if self.problem:
            self.problem = ""
            log.warning("a server is used again", server=self._server)
