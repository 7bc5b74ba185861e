"""Repositories with their commits, as they are now: from memory unless they have changed."""

from theodora.dora import Repository
from theodora.storage.commits import load, repository_generation
from theodora.storage.cursor import Cursor
from theodora.storage.memory import Memory
from theodora.storage.organisations import Organisation


class Repositories:
    """Remembers those that were asked for last, up to a number of commits."""

    def __init__(self, most_commits: int) -> None:
        self._known: Memory[tuple[int, str], tuple[int, Repository]] = Memory(most_commits)
        """By organisation and id; with the repository's generation."""

    def get(self, cursor: Cursor, org: Organisation, id_: str) -> Repository:
        """The same value as before where nothing of it has changed."""
        name = org.key, id_
        current = repository_generation(cursor, org, id_)
        known = self._known.get(name)
        if known is None or known[0] != current:
            known = current, load(cursor, org, id_)
            self._known.put(name, known, size=len(known[1].commits))
        return known[1]
