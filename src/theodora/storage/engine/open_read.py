"""The read that is open on a thread, which further reads on that thread join."""

import threading
from collections.abc import Callable
from typing import TypeVar

from theodora.storage.engine.cursor import Cursor

T = TypeVar("T")


class OpenRead(threading.local):
    """Each thread sees its own."""

    _cursor: Cursor | None = None

    def begin(self, read: Callable[[Cursor], T], cursor: Cursor) -> T:
        """Runs `read`; until it ends, others on this thread may join it."""
        self._cursor = cursor
        try:
            return read(cursor)
        finally:
            self._cursor = None

    def join(self) -> Cursor | None:
        """Another cursor in the transaction of the open read; None if none is open."""
        # Not the same cursor: SQLite's forgets the rows that the outer read has yet to fetch.
        return None if self._cursor is None else self._cursor.beside()
