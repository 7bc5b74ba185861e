"""What upkeep has to look at, and when."""

import math
import time
from collections.abc import Collection, Container, Iterator, Set
from itertools import islice

from theodora.storage.engine.organisations import NO_ORGANISATION

_AFTER_EVENTS = 256
"""Events after which upkeep is due even though more are waiting. Writes wait for it, so there is
little to do at a time."""
_IDLE_SECONDS = 0.05
"""How long no write has to come before there is time for upkeep."""
_AT_ONCE = 16
"""Organisations that upkeep looks at in one transaction."""
_LOOK_SECONDS = 60.0
"""How often upkeep looks at all organisations: those that other processes wrote for too."""
_RETRY_SECONDS = 1.0
"""When it looks again after it has failed."""


class UpkeepAgenda:
    """The organisations that upkeep has yet to look at, and when it is due.

    It has no lock of its own: that of the writer guards it.
    """

    def __init__(self, held: Set[int] = frozenset()) -> None:
        """`held` has, at any time, the organisations that cannot be looked at then."""
        self._held = held
        self._orgs: dict[int, None] = {}
        """The one that has waited longest first."""
        self._looks_at_sec = -math.inf
        """When upkeep looks at all of them."""
        self._events = 0
        """How many have been written since upkeep began last."""
        self._is_running = False
        self._quiet_sec = time.monotonic()
        """Since when nothing has been written."""

    @property
    def is_empty(self) -> bool:
        """Whether there is none that can be looked at."""
        return self._orgs.keys() <= self._held

    @property
    def is_overdue(self) -> bool:
        """Under steady load there is always a write, and searches read every unindexed event."""
        return self._events >= _AFTER_EVENTS and not self._is_running

    def rest_sec(self) -> float | None:
        """How long it is until upkeep is due; None while some is being done."""
        if self._is_running:
            return None
        quiet_sec = self._quiet_sec + _IDLE_SECONDS
        due_sec = max(quiet_sec, self._looks_at_sec) if self.is_empty else quiet_sec
        return due_sec - time.monotonic()

    def begin(self) -> None:
        self._is_running = True
        self._events = 0

    def end(self) -> None:
        self._is_running = False
        self.note_quiet()

    def note_quiet(self) -> None:
        """Notes that a commit has ended just now."""
        self._quiet_sec = time.monotonic()

    def note_written(self, org: int, events: int) -> None:
        """Notes a write for `org`, which may be none."""
        self._events += events
        if org != NO_ORGANISATION:
            self._orgs[org] = None

    def note_left(self, orgs: Collection[int]) -> None:
        """Notes for which organisations more is left to do."""
        self._orgs |= dict.fromkeys(orgs)

    def note_failed(self) -> None:
        self._looks_at_sec = min(self._looks_at_sec, time.monotonic() + _RETRY_SECONDS)

    def take(self) -> Collection[int] | None:
        """Removes the organisations whose turn it is; None for a look at all of them."""
        now_sec = time.monotonic()
        if now_sec >= self._looks_at_sec:
            self._looks_at_sec = now_sec + _LOOK_SECONDS
            return None
        return self._removed([*islice(self._free(), _AT_ONCE)])

    def take_those_in(self, *groups: Container[int]) -> Collection[int]:
        """Removes the organisations that are in one of `groups`."""
        return self._removed([org for org in self._free() if any(org in group for group in groups)])

    def _free(self) -> Iterator[int]:
        return (org for org in self._orgs if org not in self._held)

    def _removed(self, orgs: Collection[int]) -> Collection[int]:
        for org in orgs:
            del self._orgs[org]
        return orgs
