"""A cache of repositories with their commits."""

from theodora.dora import Repository
from theodora.events import MatchKeys
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.lru import LruCache
from theodora.storage.engine.organisations import Organisation
from theodora.storage.facts.commits import load, repository_generation


class RepositoryCache:
    """Remembers those that were asked for last, up to a number of commits."""

    def __init__(self, most_commits: int) -> None:
        self._known: LruCache[tuple[int, str], tuple[object, Repository]] = LruCache(most_commits)
        """By organisation and match key; with the repository's generation."""

    def get(self, cursor: Cursor, org: Organisation, keys: MatchKeys, key: str) -> Repository:
        """The same value as before where nothing of it has changed."""
        name = org.key, key
        current = repository_generation(cursor, org, keys, key)
        known = self._known.get(name)
        if known is None or known[0] != current:
            known = current, load(cursor, org, keys, key)
            self._known.put(name, known, size=len(known[1].commits))
        return known[1]
