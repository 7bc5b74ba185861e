"""The writer, whose threads commit waiting writes together.

A commit costs a wait for the disk. While one is under way further writes gather, and the next
commit takes them all. If one fails, the others are not affected. Its caller gets the result only
after the commit that holds it is on the disk.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import structlog

from theodora.errors import OrganisationBusy, TheodoraError, Unavailable
from theodora.storage.engine.actor import UPKEEP, Actor
from theodora.storage.engine.commit_health import CommitHealth
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import NO_ORGANISATION
from theodora.storage.engine.upkeep_agenda import UpkeepAgenda

log = structlog.get_logger()

T = TypeVar("T")

Upkeep = Callable[[Cursor, Collection[int] | None], Collection[int]]
"""Does some of what may be done later for organisations, given by their keys; returns those for
which there is more. Given None it does nothing, and returns all for which there is something."""


def no_upkeep(_cursor: Cursor, _orgs: Collection[int] | None) -> Collection[int]:
    """For whoever leaves it to the store's server."""
    return ()


_GROUP_LIMIT = 256
"""Events in one commit after which no other write joins it: the first of a flood does not wait
long."""
_LAST_UPKEEP_SECONDS = 30.0
_CHECK_PATIENCE_SECONDS = 5.0
_IS_HELD = "another process keeps the organisation from being written"


def _probe(_: Cursor) -> None:
    """A write that finds out whether a held organisation is free, if no other does."""


class Write(NamedTuple):
    """A write that waits to be committed."""

    run: Callable[[Cursor], Any]
    actor: Actor
    org: int
    """The key of the only organisation that it is about, or `NO_ORGANISATION`."""
    events: int = 1
    """How many it writes."""
    if_free: bool = False
    """Fails where it would have to wait for another process for long."""
    is_upkeep: bool = False
    """If it names no organisation, it locks what it writes itself."""


class Outcome(NamedTuple):
    """The outcome of a write: its result or its error."""

    result: Any = None
    error: Exception | None = None


class Committer(Protocol):
    """Runs writes in a transaction of their own; used by one thread."""

    def commit(self, writes: Sequence[Write]) -> list[Outcome]:
        """Runs all of them and returns when they are durable.

        One that raises has changed nothing; the others are kept. Raises where none of them
        could be made durable, or where that is not known: `OrganisationBusy` where another process
        is writing for the organisation, or has locked something else, and nothing has changed.
        """
        ...

    def tidy(self) -> None:
        """Called when nothing is left to write for now."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    write: Write
    future: Future[Any]


class Writer:
    """Commits the writes of each organisation one after another, in the order of `submit`.

    That may be called from any thread. The writer has one lane or several: threads with a committer
    each. Several have each commit be of one organisation, which no other lane has meanwhile. An
    organisation that another process keeps is held: at most half of the lanes try to write for held
    ones, in turns, so that none keeps others waiting, however many they are. A single lane commits
    together what waits, whatever it is about.
    """

    def __init__(
        self,
        committer: Callable[[], Committer],
        upkeep: Upkeep,
        on_commit: Callable[[int], None],
        lanes: int = 1,
    ) -> None:
        """`committer` makes that of a lane; `lanes` are the most there are, each added when the
        others have work.

        `upkeep` does some of what may be done later; it runs in a transaction of its own, one at a
        time, when no writes come, or when many have come since. `on_commit` receives the number of
        writes of each commit.
        """
        self._committer = committer
        self._upkeep = upkeep
        self._on_commit = on_commit
        self._most_lanes = lanes
        self._health = CommitHealth()
        self._changed = threading.Condition()
        """Guards everything below."""
        self._queues: dict[int, deque[_Waiting]] = {}
        """What waits, by organisation, the one that has waited longest first. A single lane has one
        queue for all."""
        self._waiting = 0
        self._busy: set[int] = set()
        """Those of the queues that a lane is committing from."""
        self._held: set[int] = set()
        """Those of the queues whose last commit was prevented by another process. Each has at least
        a write that finds out when it no longer is."""
        self._trying: set[int] = set()
        """Those of the held ones that a lane is trying to commit from."""
        self._lanes: list[threading.Thread] = []
        self._running = 0
        """Lanes that have not ended."""
        self._working = 0
        """Those of them that are committing or doing upkeep; the others look for work."""
        self._open = True
        self._agenda = UpkeepAgenda(self._held)
        with self._changed:
            self._add_lane()

    @property
    def waiting(self) -> int:
        """Writes that no commit has taken up yet."""
        return self._waiting

    def submit(
        self,
        run: Callable[[Cursor], T],
        actor: Actor,
        events: int = 1,
        *,
        org: int,
        if_free: bool = False,
    ) -> Future[T]:
        """Queues `run`; the future has its result once that is durable, or its error.

        `org` and `if_free` are as in `Write`. Writes of one organisation are committed in this
        order.
        """
        future: Future[T] = Future()
        # A caller that stops waiting takes nothing back: what was accepted is written.
        future.set_running_or_notify_cancel()
        waiting = _Waiting(Write(run, actor, org, events, if_free), future)
        queue = self._queue_of(org)
        with self._changed:
            if not self._open:
                raise Unavailable("the store is closing")
            if if_free and queue in self._held:
                future.set_exception(OrganisationBusy(_IS_HELD))
                return future
            self._waiting += 1
            if queue in self._queues:
                self._queues[queue].append(waiting)
            else:
                self._queues[queue] = deque([waiting])
                if queue not in self._busy:
                    self._wake()
        return future

    def check(self, run: Callable[[Cursor], None], *, is_suspect: bool = False) -> None:
        """Raises `Unavailable` if `run`, which should change nothing, cannot be made durable.

        Unless `is_suspect`, it is not tried where another write has just gone well.
        """
        if problem := self._health.recent_problem:
            raise Unavailable(problem)
        # Readiness probes come often, and each would cost a wait for the disk.
        if self._health.has_just_committed and not is_suspect:
            return
        try:
            self.submit(run, UPKEEP, org=NO_ORGANISATION).result(_CHECK_PATIENCE_SECONDS)
        except TimeoutError:
            raise Unavailable("the database takes too long to write") from None

    def is_held(self, org: int) -> bool:
        """Whether another process keeps the organisation, so that writes `if_free` fail."""
        return self._queue_of(org) in self._held

    def close(self) -> None:
        """Commits waiting writes and closes the connections; later writes are refused."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
            lanes = [*self._lanes]
        for lane in lanes:
            lane.join()

    def _queue_of(self, org: int) -> int:
        return org if self._most_lanes > 1 else NO_ORGANISATION

    def _wake(self) -> None:
        """Has a lane look that is not working, or adds one."""
        if self._working < self._running:
            self._changed.notify()
        elif self._open and len(self._lanes) < self._most_lanes:
            self._add_lane()

    def _wake_for_writes(self) -> None:
        """Has another lane take what this one leaves."""
        if self._free_queue() is not None:
            self._wake()

    def _free_queue(self) -> int | None:
        """The queue that has waited longest of those that one more lane may take."""
        may_try = len(self._trying) < max(1, self._most_lanes // 2)
        for queue in self._queues:
            if queue not in self._busy and (may_try or queue not in self._held):
                return queue
        return None

    def _add_lane(self) -> None:
        name = f"writer {len(self._lanes) + 1}"
        lane = threading.Thread(target=self._run, name=name, daemon=True)
        self._lanes.append(lane)
        self._running += 1
        lane.start()

    def _run(self) -> None:
        """Works in a lane until the writer is closed and nothing waits."""
        with closing(self._committer()) as committer:
            while (group := self._next()) is not None:
                if group:
                    self._commit(committer, group)
                else:
                    self._keep_up(committer)
                    with self._changed:
                        self._working -= 1
            with self._changed:
                self._running -= 1
                is_last = self._running == 0
            if is_last:
                self._keep_up_before_the_end(committer)

    def _keep_up_before_the_end(self, committer: Committer) -> None:
        """What is not indexed would make the first searches after the next start slow.

        After an upgrade it may take minutes: that can go on then.
        """
        until_sec = time.monotonic() + _LAST_UPKEEP_SECONDS
        while self._keep_up(committer) and time.monotonic() < until_sec:
            pass

    def _next(self) -> list[_Waiting] | None:
        """The next group of writes; an empty one for upkeep, None for the end."""
        with self._changed:
            while True:
                if self._agenda.is_overdue:
                    return self._begin_upkeep()
                queue = self._free_queue()
                if queue is not None:
                    return self._group(queue)
                if not self._open:
                    return None
                rest_sec = self._agenda.rest_sec()
                if rest_sec is not None and rest_sec <= 0:
                    return self._begin_upkeep()
                self._changed.wait(rest_sec)

    def _group(self, queue: int) -> list[_Waiting]:
        """What waits there, at most as much as a commit takes."""
        waiting = self._queues.pop(queue)
        group: list[_Waiting] = []
        events = 0
        while waiting and events < _GROUP_LIMIT:
            group.append(waiting.popleft())
            events += group[-1].write.events
        if waiting:
            # Behind the others.
            self._queues[queue] = waiting
        self._waiting -= len(group)
        self._busy.add(queue)
        if queue in self._held:
            self._trying.add(queue)
        self._working += 1
        self._wake_for_writes()
        return group

    def _begin_upkeep(self) -> list[_Waiting]:
        self._agenda.begin()
        self._working += 1
        for org in self._agenda.take_those_in(self._queues, self._busy):
            self._queue_upkeep(org)
        self._wake_for_writes()
        return []

    def _queue_upkeep(self, org: int) -> None:
        """Has upkeep of the organisation take the next turn among its writes.

        They follow one another without a pause, so that it would hardly find the organisation free.
        """
        future: Future[Collection[int]] = Future()
        future.add_done_callback(self._note_left)

        def run(cursor: Cursor) -> Collection[int]:
            return self._upkeep(cursor, (org,))

        # So many events that it is in a transaction of its own.
        write = Write(run, UPKEEP, org, events=_GROUP_LIMIT, is_upkeep=True)
        self._queues.setdefault(org, deque()).appendleft(_Waiting(write, future))
        self._waiting += 1

    def _note_left(self, done: Future[Collection[int]]) -> None:
        with self._changed:
            if done.exception() is None:
                self._agenda.note_left(done.result())
            else:
                self._agenda.note_failed()

    def _keep_up(self, committer: Committer) -> bool:
        """Does a piece of upkeep; returns whether more is left. A failure is retried later."""
        with self._changed:
            orgs = self._agenda.take()
        left = self._kept_up(committer, orgs)
        with self._changed:
            if left is None:
                self._agenda.note_failed()
            else:
                self._agenda.note_left(left)
            self._agenda.end()
            has_more = not self._agenda.is_empty and left is not None
            has_time = self._agenda.is_empty and not self._waiting
        if has_time and left is not None:
            self._tidy(committer)
        return has_more

    def _kept_up(
        self, committer: Committer, orgs: Collection[int] | None
    ) -> Collection[int] | None:
        """The organisations for which more is left; None for a failure."""

        def run(cursor: Cursor) -> Collection[int]:
            return self._upkeep(cursor, orgs)

        try:
            [outcome] = committer.commit([Write(run, UPKEEP, NO_ORGANISATION, is_upkeep=True)])
        except TheodoraError:
            return None
        except Exception:
            # Upkeep can wait, writes cannot: the thread lives on.
            log.exception("maintenance failed")
            return None
        if outcome.error is not None and not isinstance(outcome.error, TheodoraError):
            log.error("maintenance failed", exc_info=outcome.error)
        return outcome.result if outcome.error is None else None

    def _tidy(self, committer: Committer) -> None:
        """Tidying may take long on SQLite: no waiting write should pay for it."""
        try:
            committer.tidy()
        except TheodoraError as error:
            log.info("maintenance is put off", error=str(error))
        except Exception:
            log.exception("maintenance failed")

    def _commit(self, committer: Committer, group: Sequence[_Waiting]) -> None:
        try:
            outcomes = committer.commit([waiting.write for waiting in group])
        except OrganisationBusy as error:
            self._put_back(group, error)
            return
        except BaseException as error:
            # Each caller gets the error, and the thread goes on.
            self._health.note_failed(error)
            for waiting in group:
                waiting.future.set_exception(error)
        else:
            self._health.note_committed()
            self._on_commit(len(group))
            for waiting, (result, error) in zip(group, outcomes, strict=True):
                if error is None:
                    waiting.future.set_result(result)
                else:
                    waiting.future.set_exception(error)
        # Last: what callers send once they have their results waits for this lane, not for one
        # more, and goes into one group.
        self._leave(group)

    def _leave(self, group: Sequence[_Waiting]) -> None:
        """Lets other lanes write for the organisation, and notes that there may be upkeep."""
        with self._changed:
            self._free(self._queue_of(group[0].write.org))
            self._agenda.note_quiet()
            for write in (waiting.write for waiting in group if not waiting.write.is_upkeep):
                self._agenda.note_written(write.org, write.events)

    def _put_back(self, group: Sequence[_Waiting], error: OrganisationBusy) -> None:
        """Leaves the writes of a held organisation for later, but for those that do not wait."""
        org = group[0].write.org
        queue = self._queue_of(org)
        with self._changed:
            self._free(queue)
            later = self._queues.pop(queue, ())
            every = [*group, *later]
            kept = [each for each in every if not each.write.if_free and each.write.run != _probe]
            if self._open and not kept:
                kept = [_Waiting(Write(_probe, UPKEEP, org), Future())]
            self._waiting += len(kept) - len(later)
            if kept:
                self._held.add(queue)
                # Behind the others.
                self._queues[queue] = deque(kept)
        for each in every:
            if each.write.if_free:
                each.future.set_exception(error)

    def _free(self, queue: int) -> None:
        """Lets other lanes take what waits there."""
        self._working -= 1
        self._busy.discard(queue)
        self._trying.discard(queue)
        self._held.discard(queue)
