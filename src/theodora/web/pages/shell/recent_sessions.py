"""The organisations of sessions that asked lately."""

import threading

from theodora.storage.engine.lru import LruCache

_REMEMBERED = 4_096


class RecentSessions:
    """Finds the organisation of a session in memory, before its page has a thread.

    Only turns on the threads depend on it: the page itself asks the store. Of secrets it keeps
    hashes, which differ in each process.
    """

    def __init__(self) -> None:
        self._organisations = LruCache[int, int](_REMEMBERED)
        self._lock = threading.Lock()

    def organisation(self, secret: str) -> int | None:
        """The key of its organisation; None for a session that has not asked lately."""
        with self._lock:
            return self._organisations.get(hash(secret))

    def note(self, secret: str, organisation: int) -> None:
        """Remembers the organisation; the session that asked longest ago may be forgotten."""
        with self._lock:
            self._organisations.put(hash(secret), organisation, size=1)
