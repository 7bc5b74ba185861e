"""Commits groups of writes to PostgreSQL.

Writes of an organisation come one after another, whatever process they are of: each transaction
begins by raising the organisation's counter of commits, and the lock on that row is held until its
end. So its keys and numbers lie in the order of commits, which the index's watermark and the log of
changes depend on; a write sees all that was committed for it before; and none fails because another
came in between. A transaction that waits for a lock for long ends, and its writes are left for
later: whoever has the lock may itself be waiting for what this one has locked.
"""

from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg

from theodora.errors import OrganisationBusy, Unavailable
from theodora.storage.engine.batched import run_in_order
from theodora.storage.engine.cursor import Row
from theodora.storage.engine.organisations import NO_ORGANISATION
from theodora.storage.engine.postgresql.connection import (
    busy_errors,
    connect,
    driver_errors,
    is_lost,
)
from theodora.storage.engine.postgresql.cursor import PostgresqlCursor
from theodora.storage.engine.writer import Outcome, Write

_RAISE: LiteralString = "UPDATE counters SET value = value + 1 WHERE org = ? AND name = 'commits'"
_CONFIGURE: LiteralString = (
    # Commits wait for the disk even where the server's default is not to.
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off' "
    # Longer than most transactions take: whoever gives up loses its place among those that wait.
    "UNION ALL SELECT set_config('lock_timeout', '250ms', false)"
)


class _LostInCommit(Unavailable):
    """The server was lost during a commit: whether it committed is not known."""


class PostgresqlCommitter:
    """See `storage.writer.Committer`.

    Writes are run in a pipeline first, with the commit at its end, which waits for nothing that
    is not asked for. If one fails, the server commits none of it, and all are run again, each in
    a savepoint of its own.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Row] | None = None
        self._warnings: list[str] = []

    def commit(self, writes: Sequence[Write]) -> list[Outcome]:
        with driver_errors():
            try:
                return self._commit(writes)
            except psycopg.OperationalError as error:
                if not is_lost(error):
                    raise
            # Nothing had been sent to be committed: the server may be back already.
            return self._commit(writes)

    def tidy(self) -> None:
        """PostgreSQL looks after its own log."""

    def close(self) -> None:
        self._forget()

    def _commit(self, writes: Sequence[Write]) -> list[Outcome]:
        try:
            connection = self._connected()
            outcomes = self._run(connection, writes)
            if self._warnings:
                # A wait for a synchronous replica that was given up is no error there, only this.
                raise Unavailable(f"PostgreSQL may lose what it has committed: {self._warnings[0]}")
        except OrganisationBusy:
            raise
        except BaseException:
            # What the transaction has come to is not known; the server ends it with the session.
            self._forget()
            raise
        return outcomes

    def _run(self, connection: psycopg.Connection[Row], writes: Sequence[Write]) -> list[Outcome]:
        try:
            self._warnings.clear()
            with busy_errors():
                return _run_together(connection, writes)
        except Exception as error:
            if connection.broken or is_lost(error) or isinstance(error, _LostInCommit):
                raise
            connection.rollback()
            if isinstance(error, OrganisationBusy):
                raise
        self._warnings.clear()
        try:
            # Slower, but it finds the write that failed and keeps the others.
            with busy_errors():
                return _run_apart(connection, writes)
        except OrganisationBusy:
            connection.rollback()
            raise

    def _connected(self) -> psycopg.Connection[Row]:
        if self._connection is None:
            # A limit of the server or the role would end a write, and the others of its group with
            # it.
            connection = connect(self._url, statement_timeout="0")
            connection.add_notice_handler(self._note)
            with driver_errors():
                connection.execute(_CONFIGURE)
            self._connection = connection
        return self._connection

    def _note(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            self._warnings.append(diagnostic.message_primary or "")

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _run_together(connection: psycopg.Connection[Row], writes: Sequence[Write]) -> list[Outcome]:
    is_decided = False
    try:
        with connection.pipeline():
            # On its way with the first statements.
            _begin(connection, writes[0])
            cursor = PostgresqlCursor(connection)
            results = run_in_order(cursor, [write.run for write in writes])
            is_decided = True
            # Where a statement before it has gone wrong unseen, the server passes over this one.
            committed = connection.execute("COMMIT")
    except psycopg.Error as error:
        if is_decided and is_lost(error):
            raise _LostInCommit(f"PostgreSQL was lost while committing: {error}") from error
        raise
    _insist_on_commit(committed)
    return [Outcome(result) for result in results]


def _run_apart(connection: psycopg.Connection[Row], writes: Sequence[Write]) -> list[Outcome]:
    _begin(connection, writes[0])
    outcomes = [_outcome(connection, write) for write in writes]
    try:
        committed = connection.execute("COMMIT")
    except psycopg.Error as error:
        raise _LostInCommit(f"PostgreSQL was lost while committing: {error}") from error
    _insist_on_commit(committed)
    return outcomes


def _begin(connection: psycopg.Connection[Row], write: Write) -> None:
    """Begins a transaction for writes that are about the same as this one."""
    connection.execute("BEGIN")
    if not write.is_upkeep or write.org != NO_ORGANISATION:
        PostgresqlCursor(connection).execute(_RAISE, (write.org,))


def _insist_on_commit(committed: psycopg.Cursor[Row]) -> None:
    if committed.statusmessage != "COMMIT":
        raise _LostInCommit("PostgreSQL has rolled the writes back")


def _outcome(connection: psycopg.Connection[Row], write: Write) -> Outcome:
    connection.execute("SAVEPOINT write")
    try:
        with driver_errors():
            result: Any = write.run(PostgresqlCursor(connection))
    except OrganisationBusy:
        raise
    except Exception as error:
        if connection.broken:
            raise
        connection.execute("ROLLBACK TO write")
        return Outcome(error=error)
    connection.execute("RELEASE write")
    return Outcome(result)
