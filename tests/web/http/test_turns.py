"""Threads that callers share in turns."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from theodora.app import (
    COMPUTING_RESERVE,
    COMPUTING_THREADS,
    DOWNLOAD_RESERVE,
    DOWNLOAD_THREADS,
    RESERVE,
    THREADS,
)
from theodora.storage.engine.postgresql.readers import MOST_CONNECTIONS
from theodora.web.http.turns import FairThreads

_PATIENCE_SECONDS = 20


@contextmanager
def sharing(threads: int, *, keeps_some_free: bool = True, reserve: int = 0) -> Iterator["Work"]:
    shared = FairThreads(threads, "test", keeps_some_free=keeps_some_free, reserve=reserve)
    work = Work(shared)
    yield work
    work.gate.set()
    shared.shutdown()


class Work:
    """Pieces of work that run until the gate opens, and note their callers in order."""

    def __init__(self, threads: FairThreads) -> None:
        self.threads = threads
        self.gate = threading.Event()
        self.order: list[str] = []

    def begin(self, caller: str, pieces: int = 1) -> list[Future[None]]:
        return [self.threads.of(caller).submit(self._run, caller) for _ in range(pieces)]

    def running(self) -> str:
        """The callers of what runs, in order of their names."""
        return "".join(sorted(self.order))

    def _run(self, caller: str) -> None:
        self.order.append(caller)
        assert self.gate.wait(_PATIENCE_SECONDS)


def settled(work: Work, running: str) -> bool:
    """Whether this is what runs in the end."""
    pause = threading.Event()
    for _ in range(200):
        if work.running() == running:
            # Nothing else begins a moment later.
            pause.wait(0.02)
            return work.running() == running
        pause.wait(0.01)
    return False


def test_one_caller_gets_half_of_the_threads() -> None:
    with sharing(8) as work:
        begun = work.begin("a", 20)
        assert settled(work, "aaaa")
        assert work.threads.has_waiting("a")
        assert not work.threads.has_waiting("b")
        work.gate.set()
        for each in begun:
            each.result(_PATIENCE_SECONDS)
        assert not work.threads.has_waiting("a")


def test_each_further_caller_gets_half_of_the_rest_at_once() -> None:
    with sharing(8) as work:
        for caller in "abcde":
            work.begin(caller, 20)
        assert settled(work, "aaaabbcd")


def test_callers_without_a_thread_get_one_of_the_reserve_at_once() -> None:
    with sharing(8, reserve=3) as work:
        for caller in "abcdefgh":
            work.begin(caller, 20)
        assert settled(work, "aaaabbcdefg")
        assert work.threads.has_waiting("h")


def test_the_reserve_is_for_those_without_a_thread_only() -> None:
    with sharing(2, keeps_some_free=False, reserve=2) as work:
        work.begin("a", 20)
        assert settled(work, "aa")


def test_each_thread_that_answers_finds_a_connection_to_postgresql() -> None:
    downloads = DOWNLOAD_THREADS + DOWNLOAD_RESERVE
    computing = COMPUTING_THREADS + COMPUTING_RESERVE
    assert THREADS + RESERVE + downloads + computing < MOST_CONNECTIONS


def test_downloads_of_one_organisation_take_turns_on_one_thread() -> None:
    with sharing(DOWNLOAD_THREADS, reserve=DOWNLOAD_RESERVE) as work:
        work.begin("a", 20)
        work.begin("b", 20)
        assert settled(work, "ab")


def test_callers_that_wait_take_turns() -> None:
    with sharing(1, keeps_some_free=False) as work:
        begun = work.begin("a", 4) + work.begin("b", 2) + work.begin("c", 1)
        work.gate.set()
        for each in begun:
            each.result(_PATIENCE_SECONDS)
        assert "".join(work.order) == "aabcaba"


def test_all_threads_are_used_where_none_is_kept_free() -> None:
    with sharing(3, keeps_some_free=False) as work:
        work.begin("a", 5)
        assert settled(work, "aaa")


def test_what_fails_raises_and_frees_its_thread() -> None:
    with sharing(2) as work:
        failed = work.threads.of("a").submit(int, "no number")
        with pytest.raises(ValueError, match="no number"):
            failed.result(_PATIENCE_SECONDS)
        work.begin("a")
        assert settled(work, "a")


def test_what_was_cancelled_while_it_waited_is_not_run() -> None:
    with sharing(2) as work:
        first, second, third = work.begin("a", 3)
        assert settled(work, "a")
        assert second.cancel()
        work.gate.set()
        first.result(_PATIENCE_SECONDS)
        third.result(_PATIENCE_SECONDS)
        assert work.order == ["a", "a"]


def test_the_end_cancels_what_waits() -> None:
    with sharing(2) as work:
        first, second = work.begin("a", 2)
        assert settled(work, "a")
        ending = threading.Thread(target=work.threads.shutdown)
        ending.start()
        work.gate.set()
        ending.join(_PATIENCE_SECONDS)
        first.result(_PATIENCE_SECONDS)
        assert second.cancelled() or second.done()
