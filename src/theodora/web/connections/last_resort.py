"""The end of a process whose time to stop is up, whatever still runs in it."""

import os
import sys
import threading
import time
from queue import SimpleQueue

import structlog

log = structlog.get_logger()

_LEAVE_SECONDS = 1.0
"""After everything is closed: for threads that wait for others, such as a sign-in provider."""


class LastResort:
    """Ends the process at a given time, or soon after everything is closed.

    Python waits for the threads of a pool before it ends, however long they take, and an event loop
    that computes does not see that it has been told to stop. What was acknowledged is on the disk
    by then.
    """

    def __init__(self) -> None:
        self._ends_sec: SimpleQueue[float | None] = SimpleQueue()
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="last resort", daemon=True).start()

    def end_at(self, at_sec: float) -> None:
        """Ends the process at this time of `time.monotonic`. For handlers of signals too.

        A handler interrupts the main thread anywhere, so it must take no lock and start no thread.
        """
        self._ends_sec.put(at_sec)

    def note_closed(self) -> None:
        self._closed.set()

    def dismiss(self) -> None:
        """The process has another end than the server's."""
        self._ends_sec.put(None)

    def _run(self) -> None:
        at_sec = self._ends_sec.get()
        if at_sec is None:
            return
        is_closed = self._closed.wait(max(0.0, at_sec - time.monotonic()))
        if is_closed:
            time.sleep(min(_LEAVE_SECONDS, max(0.0, at_sec - time.monotonic())))
        else:
            log.warning("the time to stop is up; what still runs is ended", threads=_running())
        sys.stdout.flush()
        os._exit(0 if is_closed else 1)


def _running() -> list[str]:
    return sorted(each.name for each in threading.enumerate() if not each.daemon)
