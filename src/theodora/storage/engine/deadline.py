"""Deadlines: when the reads of a thread must end, and how another thread ends them."""

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

from theodora.errors import TooSlow

T = TypeVar("T")

_of_thread = threading.local()


class Deadline:
    """When a piece of work must end; `stop` ends it earlier, from any thread."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends_sec = time.monotonic() + seconds
        self._is_patient = False
        self._is_stopped = False
        self._interrupt: Callable[[], None] | None = None
        self._costly: Callable[[], Sequence[str]] = tuple
        self._lock = threading.Lock()

    @property
    def is_over(self) -> bool:
        is_late = not self._is_patient and time.monotonic() >= self._ends_sec
        return self._is_stopped or is_late

    def check(self) -> None:
        """Raises `TooSlow` if the deadline is over."""
        if self.is_over:
            raise TooSlow(self._seconds, self._costly())

    def stop(self) -> None:
        """Ends the work now: its caller has stopped waiting."""
        self._is_stopped = True
        self.interrupt()

    def interrupt(self) -> None:
        """Interrupts what runs, if the deadline is over and it can be interrupted."""
        with self._lock:
            if self._interrupt is not None and self.is_over:
                self._interrupt()

    @contextmanager
    def interrupting(self, interrupt: Callable[[], None]) -> Generator[None]:
        """Calls `interrupt`, from another thread, if the deadline ends during the `with`."""
        self.check()
        with self._lock:
            outer, self._interrupt = self._interrupt, interrupt
        try:
            yield
        finally:
            # Not while it is being called: what it interrupts may belong to others afterwards.
            with self._lock:
                self._interrupt = outer

    @contextmanager
    def costing(self, parts: Callable[[], Sequence[str]]) -> Generator[None]:
        """Names the parts of a query that are to blame if the deadline ends during the `with`."""
        self._costly = parts
        yield
        self._costly = tuple

    @contextmanager
    def patiently(self) -> Generator[None]:
        """Lets work that later questions need take its time; `stop` still ends it."""
        self._is_patient = True
        try:
            yield
        finally:
            self._is_patient = False


def current_deadline() -> Deadline | None:
    """The deadline of what this thread does now."""
    return getattr(_of_thread, "deadline", None)


def run_under(deadline: Deadline, work: Callable[..., T], *arguments: Any) -> T:
    """Runs `work` on this thread; its reads raise `TooSlow` once the deadline is over."""
    _of_thread.deadline = deadline
    try:
        return work(*arguments)
    finally:
        _of_thread.deadline = None


def check_deadline() -> None:
    """Raises `TooSlow` if this thread's work must have ended by now."""
    deadline = current_deadline()
    if deadline is not None:
        deadline.check()


def costing(parts: Callable[[], Sequence[str]]) -> AbstractContextManager[None]:
    """Names the parts of a query that are to blame if this thread's work is too slow."""
    deadline = current_deadline()
    return nullcontext() if deadline is None else deadline.costing(parts)


def patiently() -> AbstractContextManager[None]:
    """Lets this thread's work take longer than its deadline allows; `stop` still ends it."""
    deadline = current_deadline()
    return nullcontext() if deadline is None else deadline.patiently()
