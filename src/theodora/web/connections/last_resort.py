"""The end of a process whose time to stop is up, whatever still runs in it."""

import os
import sys
import threading
import time

import structlog

log = structlog.get_logger()

_LEAVE_SECONDS = 1.0
"""After everything is closed: for threads that wait for others, such as a sign-in provider."""


class LastResort:
    """Ends the process at a given time, or soon after everything is closed.

    Python waits for the threads of a pool before it ends, however long they take. What was
    acknowledged is on the disk by then.
    """

    def __init__(self, at_sec: float) -> None:
        """`at_sec` is a time of `time.monotonic`."""
        self._at_sec = at_sec
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="last resort", daemon=True).start()

    def note_closed(self) -> None:
        self._closed.set()

    def _run(self) -> None:
        is_closed = self._closed.wait(max(0.0, self._at_sec - time.monotonic()))
        if is_closed:
            time.sleep(min(_LEAVE_SECONDS, max(0.0, self._at_sec - time.monotonic())))
        else:
            log.warning("the time to stop is up; what still runs is ended", threads=_running())
        sys.stdout.flush()
        os._exit(0 if is_closed else 1)


def _running() -> list[str]:
    return sorted(each.name for each in threading.enumerate() if not each.daemon)
