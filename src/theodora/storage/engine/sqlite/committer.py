"""Commits groups of writes to a SQLite file."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import apsw

from theodora.storage.engine.batched import run_in_order
from theodora.storage.engine.sqlite.connection import (
    LONG_LOG_PAGES,
    connect_writer,
    cursor_of,
    driver_errors,
    wait_for_turn,
)
from theodora.storage.engine.sqlite.file_watch import FileWatch
from theodora.storage.engine.writer import Outcome, Write

_LONG_LOG_BYTES = 4 * 2**20


class SqliteCommitter:
    """See `storage.writer.Committer`.

    Writes are run without savepoints first, which would have SQLite copy each page that changes. If
    one fails, all are run again, each in a savepoint of its own.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._connection = connect_writer(path)
        self._cursor = cursor_of(self._connection)
        self.file = FileWatch(path, self._connection)
        # In the place of SQLite's own, which keeps it to itself when copying fails.
        self._connection.set_wal_hook(self._copy_long_log)

    def commit(self, writes: Sequence[Write]) -> list[Outcome]:
        self.file.check()
        try:
            with driver_errors(self._path):
                outcomes = self._commit(writes)
        except BaseException:
            if self._connection.in_transaction:
                self._cursor.execute("ROLLBACK")
            raise
        # Checked again: what went into a file that had just been removed is not acknowledged.
        self.file.check()
        return outcomes

    def tidy(self) -> None:
        """Folds a long log back into the file, and empties it unless a read still uses it.

        A read that took long keeps the log growing: without this it would keep that size.
        """
        with driver_errors(self._path):
            if self._log.stat().st_size < _LONG_LOG_BYTES:
                return
            # Others are not waited for: they would keep writes waiting too.
            self._connection.set_busy_timeout(0)
            try:
                with self.file.copying():
                    self._cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                wait_for_turn(self._connection)

    def _copy_long_log(self, connection: apsw.Connection, _: str, pages: int) -> int:
        if pages >= LONG_LOG_PAGES:
            with suppress(apsw.Error), self.file.copying():
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        return apsw.SQLITE_OK

    def close(self) -> None:
        self.file.close()
        self._connection.close()

    def _commit(self, writes: Sequence[Write]) -> list[Outcome]:
        self._begin()
        try:
            with driver_errors(self._path):
                results = run_in_order(self._cursor, [write.run for write in writes])
        except Exception as error:
            if not self._connection.in_transaction:
                raise  # The driver has rolled it back.
            self._cursor.execute("ROLLBACK")
            return [Outcome(error=error)] if len(writes) == 1 else self._commit_apart(writes)
        self._cursor.execute("COMMIT")
        return [Outcome(result) for result in results]

    def _begin(self) -> None:
        # A deferred transaction could fail halfway, when it first writes and another process does
        # too.
        self._cursor.execute("BEGIN IMMEDIATE")

    def _commit_apart(self, writes: Sequence[Write]) -> list[Outcome]:
        """Finds those that fail and keeps the others."""
        self._begin()
        outcomes = [self._outcome(write) for write in writes]
        self._cursor.execute("COMMIT")
        return outcomes

    def _outcome(self, write: Write) -> Outcome:
        self._cursor.execute("SAVEPOINT write")
        try:
            with driver_errors(self._path):
                result = write.run(self._cursor)
        except Exception as error:
            if not self._connection.in_transaction:
                raise  # The driver has rolled the group back.
            self._cursor.execute("ROLLBACK TO write")
            self._cursor.execute("RELEASE write")
            return Outcome(error=error)
        self._cursor.execute("RELEASE write")
        return Outcome(result)
