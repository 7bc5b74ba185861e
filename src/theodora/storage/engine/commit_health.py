"""What recent commits show: whether the database can be written."""

import math
import time

import structlog

log = structlog.get_logger()

_COMMITTED_SECONDS = 1.0
"""A write that went well so recently shows that the next one can: checks do not load the disk."""
_FAILED_SECONDS = 3.0
"""A failure so recent counts, although a smaller write might find room."""


class CommitHealth:
    """Notes how commits end, and logs when that changes. Threads may share it."""

    def __init__(self) -> None:
        self._is_failing = False
        """Whether the last commit failed."""
        self._problem = ""
        """Why the last commit failed that did."""
        self._committed_sec = -math.inf
        self._failed_sec = -math.inf

    @property
    def recent_problem(self) -> str:
        """Why a commit failed just now; empty if none did."""
        is_recent = time.monotonic() - self._failed_sec < _FAILED_SECONDS
        return self._problem if is_recent else ""

    @property
    def has_just_committed(self) -> bool:
        is_recent = time.monotonic() - self._committed_sec < _COMMITTED_SECONDS
        return is_recent and not self._is_failing

    def note_failed(self, error: BaseException) -> None:
        if not self._is_failing:
            log.error("the database cannot be written; events are refused", error=str(error))
        self._is_failing = True
        self._problem = str(error) or type(error).__name__
        self._failed_sec = time.monotonic()

    def note_committed(self) -> None:
        if self._is_failing:
            log.warning("the database can be written again")
        self._is_failing = False
        self._committed_sec = time.monotonic()
