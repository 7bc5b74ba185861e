"""A cache of repositories with their commits."""

import threading

from theodora.dora import Repository
from theodora.events import MatchKeys
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.lru import LruCache
from theodora.storage.engine.organisations import Organisation
from theodora.storage.facts.commits import load, repository_generation


class RepositoryCache:
    """Keeps those that were asked for last, for any thread."""

    def __init__(self, limit: int) -> None:
        """`limit` is the number of commits and pull requests of all that are kept."""
        self._lock = threading.Lock()
        self._known: LruCache[tuple[int, str], tuple[object, Repository]] = LruCache(limit)
        """By organisation and match key; with the repository's generation."""

    def get(self, cursor: Cursor, org: Organisation, keys: MatchKeys, key: str) -> Repository:
        """The same value as before where nothing of it has changed."""
        name = org.key, key
        current = repository_generation(cursor, org, keys, key)
        with self._lock:
            known = self._known.get(name)
        if known is not None and known[0] == current:
            return known[1]
        # Two threads may read the same one, but none waits for another's read.
        found = load(cursor, org, keys, key)
        size = 1 + len(found.commits) + len(found.pull_requests)
        with self._lock:
            self._known.put(name, (current, found), size)
        return found
