"""Background threads of a server."""

import threading
from abc import ABC, abstractmethod
from typing import Any

import structlog

from theodora.errors import Unavailable, UnusableStore

log = structlog.get_logger()


class Worker(ABC):
    """A thread that works from `start` to `stop`; one that was never started may be stopped."""

    def __init__(self, name: str, wake: threading.Event | None = None) -> None:
        """`wake` is set by others where there is work to do, and when the worker is stopped."""
        self._stopping = threading.Event()
        self._wake = wake or threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_seconds: float | None = None) -> None:
        """Returns when the work under way has ended, at the latest after so many seconds."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def _log_failure(self, event: str, error: Exception, **details: Any) -> None:
        """Logs a store that cannot be used in one line, and other errors with their trace."""
        if isinstance(error, Unavailable | UnusableStore):
            log.warning(event, error=str(error), **details)
        else:
            log.error(event, exc_info=error, **details)

    @abstractmethod
    def _run(self) -> None:
        """Works until `_stopping` is set."""
