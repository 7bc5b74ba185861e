"""The store as other layers see it."""

from collections.abc import Callable
from types import TracebackType

from theodora.storage.activity import Activity
from theodora.storage.commits import Commits
from theodora.storage.connection import sqlite_path
from theodora.storage.cursor import Cursor
from theodora.storage.database import Database
from theodora.storage.deployments import Deployments
from theodora.storage.derivation import Derivations
from theodora.storage.failures import Failures
from theodora.storage.indexing import index_some
from theodora.storage.keys import Keys
from theodora.storage.mirrors import Mirrors
from theodora.storage.rows import Render, Rows
from theodora.storage.settings import Settings
from theodora.storage.tables import DEPLOYMENTS, FAILURES


class Store:
    """Open from construction until `close`, or for the length of a `with`."""

    def __init__(
        self, url: str, render: Render, *, on_commit: Callable[[int], None] = lambda _: None
    ) -> None:
        """Opens the database at `url`, made and migrated if need be.

        `render` writes an event's attributes for `documents`; `on_commit` is told how many
        writes each commit held. Raises `UnusableStore` for a
        database that is not ours, not sound, or from a newer version.
        """
        self._database = Database(sqlite_path(url), _keep_up, on_commit)
        self.deployments = Deployments(self._database, render)
        self.failures = Failures(self._database, render)
        self.derivations = Derivations(self._database, Rows(DEPLOYMENTS, render))
        self.settings = Settings(self._database)
        self.activity = Activity(self._database)
        self.commits = Commits(self._database)
        self.mirrors = Mirrors(self._database)
        self.keys = Keys(self._database)

    @property
    def waiting_writes(self) -> int:
        """Writes accepted that no commit has taken up yet."""
        return self._database.waiting_writes

    def answer_briefly(self) -> None:
        """From now on reads on this thread raise `TakesLong` rather than take milliseconds."""
        self._database.answer_briefly()

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


def _keep_up(cursor: Cursor) -> bool:
    """Indexes some events; whether there are more."""
    more = index_some(cursor, DEPLOYMENTS)
    return index_some(cursor, FAILURES) or more
