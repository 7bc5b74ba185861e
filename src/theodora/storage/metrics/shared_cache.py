"""A cache of one entry for each organisation, in which none evicts others that take their share."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")

RECENT_SECONDS = 60.0
"""How long an entry counts as in use after it was used."""


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    value: V
    size: int
    used_sec: float


class SharedCache(Generic[V]):
    """Bounded by total size; evicts the entries used longest ago.

    An entry in use that takes no more than its share, the limit divided by the number of entries,
    is not evicted. With the least recently used alone, a large organisation that is asked about
    all the time would evict all others again and again, and each of their questions would load
    their events again. So the large ones compete for what the small ones leave.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._size = 0
        self._entries: OrderedDict[int, _Entry[V]] = OrderedDict()
        """By organisation, the one used longest ago first."""

    @property
    def size(self) -> int:
        """The total size of all entries."""
        return self._size

    def get(self, org: int) -> V | None:
        entry = self._entries.get(org)
        return None if entry is None else entry.value

    def put(self, org: int, value: V, size: int) -> bool:
        """Keeps `value` as just used; False if it does not fit beside what may not be evicted."""
        self.forget(org)
        evicted = self._evicted_for(size)
        if evicted is None:
            return False
        for each in evicted:
            self.forget(each)
        self._entries[org] = _Entry(value, size, self._clock())
        self._size += size
        return True

    def forget(self, org: int) -> None:
        entry = self._entries.pop(org, None)
        if entry is not None:
            self._size -= entry.size

    def _evicted_for(self, size: int) -> list[int] | None:
        """The entries to evict for one of this size; None if they are not enough."""
        excess = self._size + size - self._limit
        share = self._limit / (len(self._entries) + 1)
        recent_sec = self._clock() - RECENT_SECONDS
        evicted: list[int] = []
        for org, entry in self._entries.items():
            if excess <= 0:
                break
            if entry.size > share or entry.used_sec <= recent_sec:
                evicted.append(org)
                excess -= entry.size
        return evicted if excess <= 0 else None
