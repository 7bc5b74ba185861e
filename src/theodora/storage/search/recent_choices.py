"""How recent lists were found: one that is asked for again takes a single statement."""

import threading
import time

from theodora.storage.engine.lru import LruCache
from theodora.storage.engine.organisations import Organisation
from theodora.storage.search.planner import Choice, Search, Selection

_MOST_LISTS = 1_000
_SECONDS = 2.0
"""A choice is made by counting, and an import may change the counts. This bounds how long a list
may be slow for it; lists that are asked for less often can be planned each time."""


class RecentChoices:
    """Choices of the last seconds, by organisation and list; for any thread.

    A choice affects speed alone: whoever follows it reads all events that no index knows yet as
    well, whatever there was when it was made. So nothing has to be asked to use it again.
    """

    def __init__(self) -> None:
        self._known: LruCache[tuple[int, Selection], tuple[float, Choice]] = LruCache(_MOST_LISTS)
        self._lock = threading.Lock()

    def recall(self, org: Organisation, selection: Selection) -> Choice | None:
        """How to find the list; None if that has to be found out."""
        with self._lock:
            known = self._known.get((org.key, selection))
        if known is None or time.monotonic() - known[0] > _SECONDS:
            return None
        return known[1]

    def note(self, org: Organisation, selection: Selection, search: Search, choice: Choice) -> None:
        """Keeps a choice that holds whatever is written, and takes one statement to follow."""
        lasting = choice._replace(tailed=True)
        if search.looks_nothing_up and search.is_one_statement(lasting):
            with self._lock:
                self._known.put((org.key, selection), (time.monotonic(), lasting), 1)

    def forget(self, org: Organisation, selection: Selection) -> None:
        """Has the list planned the next time."""
        with self._lock:
            self._known.forget((org.key, selection))
