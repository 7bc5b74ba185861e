"""The store as other layers see it."""

from collections.abc import Callable
from types import TracebackType

from theodora.storage.connection import sqlite_path
from theodora.storage.database import Database
from theodora.storage.deployments import Deployments
from theodora.storage.failures import Failures
from theodora.storage.keys import Keys


class Store:
    """Open from construction until `close`, or for the length of a `with`."""

    def __init__(self, url: str, *, on_commit: Callable[[int], None] = lambda _: None) -> None:
        """Opens the database at `url`, made and migrated if need be.

        `on_commit` is told how many writes each commit held. Raises `UnusableStore` for a
        database that is not ours, not sound, or from a newer version.
        """
        self._database = Database(sqlite_path(url), on_commit)
        self.deployments = Deployments(self._database)
        self.failures = Failures(self._database)
        self.keys = Keys(self._database)

    @property
    def waiting_writes(self) -> int:
        """Writes accepted that no commit has taken up yet."""
        return self._database.waiting_writes

    def check(self) -> None:
        """Raises `Unavailable` if the database cannot be read now."""
        self._database.read(lambda cursor: cursor.execute("SELECT 1 FROM migrations").fetchone())

    def close(self) -> None:
        """Commits what was accepted, then closes."""
        self._database.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
