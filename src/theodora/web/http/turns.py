"""A thread pool that callers share in turns."""

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Task:
    run: Callable[[], Any]
    future: Future[Any]


class FairThreads:
    """Runs the work of many callers; of those that wait, each gets a thread in its turn.

    With `keeps_some_free`, a caller gets another thread only while it has fewer than are free (a
    dynamic threshold, as switches share their buffers). So one caller alone uses half of the
    threads, and the next one finds half of the rest free, however long the first one's work takes.
    """

    def __init__(self, threads: int, name: str, *, keeps_some_free: bool, reserve: int = 0) -> None:
        """`reserve` is how many more there are for callers that have none while none is free."""
        self._pool = ThreadPoolExecutor(threads + reserve, thread_name_prefix=name)
        self._free = threads
        """Less than none while the reserve is used."""
        self._keeps_some_free = keeps_some_free
        self._reserve = reserve
        self._running: Counter[Hashable] = Counter()
        self._waiting: OrderedDict[Hashable, deque[_Task]] = OrderedDict()
        """By caller, the one whose turn is next first."""
        self._lock = threading.Lock()

    def of(self, caller: Hashable) -> Executor:
        """The threads as this caller uses them."""
        return _Share(self, caller)

    def has_waiting(self, caller: Hashable) -> bool:
        """Whether the caller uses its share and wants more."""
        return caller in self._waiting

    def add(self, caller: Hashable, run: Callable[[], T]) -> Future[T]:
        """Queues `run`; the future has its result."""
        future: Future[T] = Future()
        with self._lock:
            self._waiting.setdefault(caller, deque()).append(_Task(run, future))
            self._start_due()
        return future

    def shutdown(self, *, wait: bool = True) -> None:
        """Cancels what waits; with `wait`, returns when the rest has ended."""
        with self._lock:
            for tasks in self._waiting.values():
                for task in tasks:
                    task.future.cancel()
            self._waiting.clear()
        self._pool.shutdown(wait=wait)

    def _start_due(self) -> None:
        while (caller := self._next()) is not None:
            tasks = self._waiting[caller]
            task = tasks.popleft()
            self._waiting.move_to_end(caller)
            if not tasks:
                del self._waiting[caller]
            self._free -= 1
            self._running[caller] += 1
            self._pool.submit(self._run, caller, task)

    def _next(self) -> Hashable | None:
        """The caller whose turn it is; None if none may have another thread now."""
        return next((caller for caller in self._waiting if self._may_have_more(caller)), None)

    def _may_have_more(self, caller: Hashable) -> bool:
        if not self._running[caller]:
            return self._free + self._reserve > 0
        return self._free > (self._running[caller] if self._keeps_some_free else 0)

    def _run(self, caller: Hashable, task: _Task) -> None:
        try:
            _fulfil(task)
        finally:
            with self._lock:
                self._free += 1
                self._running[caller] -= 1
                if not self._running[caller]:
                    del self._running[caller]
                self._start_due()


class _Share(Executor):
    """See `FairThreads.of`."""

    def __init__(self, threads: FairThreads, caller: Hashable) -> None:
        self._threads = threads
        self._caller = caller

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._threads.add(self._caller, partial(fn, *args, **kwargs))


def _fulfil(task: _Task) -> None:
    if not task.future.set_running_or_notify_cancel():
        return
    try:
        result = task.run()
    except BaseException as error:
        task.future.set_exception(error)
    else:
        task.future.set_result(result)
