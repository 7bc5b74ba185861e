"""An LRU cache bounded by total size."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """Evicts the entries used longest ago when it gets too large."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._known: OrderedDict[K, tuple[V, int]] = OrderedDict()

    @property
    def size(self) -> int:
        """The total size of all entries."""
        return self._size

    def get(self, key: K) -> V | None:
        """The value, which is then the most recently used one; None if it is not cached."""
        found = self._known.get(key)
        if found is None:
            return None
        self._known.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Keeps `value`, whose size is in the unit of the limit; alone it may be over it."""
        self.forget(key)
        self._known[key] = value, size
        self._size += size
        while self._size > self._limit and len(self._known) > 1:
            self.forget(next(iter(self._known)))

    def forget(self, key: K) -> None:
        _, size = self._known.pop(key, (None, 0))
        self._size -= size

    def clear(self) -> None:
        self._known.clear()
        self._size = 0
