"""Commits groups of writes to PostgreSQL.

Writes of an organisation come one after another, whatever process they are of: each transaction
begins by raising the organisation's counter of commits, and the lock on that row is held until its
end. So its keys and numbers lie in the order of commits, which the index's watermark and the log of
changes depend on; a write sees all that was committed for it before; and none fails because another
came in between. A write that names no organisation locks the table of all counters.
"""

import time
from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg
from psycopg.errors import LockNotAvailable

from theodora.errors import Unavailable
from theodora.storage.engine.batched import run_in_order
from theodora.storage.engine.cursor import Row
from theodora.storage.engine.postgresql.connection import connect, driver_errors, is_lost
from theodora.storage.engine.postgresql.cursor import PostgresqlCursor
from theodora.storage.engine.writer import Outcome, Write

_RAISE: LiteralString = "UPDATE counters SET value = value + 1 WHERE org = ? AND name = 'commits'"
_BEGIN_UPKEEP = "BEGIN; LOCK TABLE counters IN ROW EXCLUSIVE MODE"
"""As a write does that raises a counter: while the table is locked it waits."""
_BE_PATIENT: LiteralString = "SELECT set_config('lock_timeout', ?, true)"
_LOCK_ALL = (
    "LOCK TABLE counters IN SHARE ROW EXCLUSIVE MODE; SET LOCAL lock_timeout TO DEFAULT; "
    "UPDATE counters SET value = value + 1 WHERE org = 0 AND name = 'commits'"
)
_FIRST_PATIENCE_SECONDS = 0.02
"""How long a write that names no organisation waits until no write of one is under way. Others that
come meanwhile have to wait too, so it gives up soon where one takes long."""
_LONGEST_PATIENCE_SECONDS = 0.32
"""It doubles with each try: while several import, there is not a moment without long writes."""
_PAUSES = 3
"""For how many times as long it lets others write before it tries again."""


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
            try:
                self._warnings.clear()
                outcomes = _run_together(connection, writes)
            except Exception as error:
                if connection.broken or is_lost(error) or isinstance(error, _LostInCommit):
                    raise
                connection.execute("ROLLBACK")
                self._warnings.clear()
                # Slower, but it finds the write that failed and keeps the others.
                outcomes = _run_apart(connection, writes)
            if self._warnings:
                # A wait for a synchronous replica that was given up is no error there, only this.
                raise Unavailable(f"PostgreSQL may lose what it has committed: {self._warnings[0]}")
        except BaseException:
            # What the transaction has come to is not known; the server ends it with the session.
            self._forget()
            raise
        return outcomes

    def _connected(self) -> psycopg.Connection[Row]:
        if self._connection is None:
            # A limit of the server or the role would end a write, and the others of its group with
            # it.
            connection = connect(self._url, statement_timeout="0")
            connection.add_notice_handler(self._note)
            with driver_errors():
                _insist_on_durability(connection)
            self._connection = connection
        return self._connection

    def _note(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            self._warnings.append(diagnostic.message_primary or "")

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _insist_on_durability(connection: psycopg.Connection[Row]) -> None:
    """Has commits wait for the disk even where the server's default is not to."""
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'"
    )


def _run_together(connection: psycopg.Connection[Row], writes: Sequence[Write]) -> list[Outcome]:
    is_decided = False
    if not writes[0].org:
        _begin(connection, writes[0])
    try:
        with connection.pipeline():
            if writes[0].org:
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
    if write.org is None and write.is_upkeep:
        connection.execute(_BEGIN_UPKEEP)
    elif write.org is None:
        _begin_alone(connection)
    else:
        connection.execute("BEGIN")
        PostgresqlCursor(connection).execute(_RAISE, (write.org,))


def _begin_alone(connection: psycopg.Connection[Row]) -> None:
    patience_sec = _FIRST_PATIENCE_SECONDS
    while True:
        connection.execute("BEGIN")
        PostgresqlCursor(connection).execute(_BE_PATIENT, (f"{patience_sec * 1_000:.0f}ms",))
        try:
            connection.execute(_LOCK_ALL)
        except LockNotAvailable:
            connection.execute("ROLLBACK")
            time.sleep(_PAUSES * patience_sec)
            patience_sec = min(2 * patience_sec, _LONGEST_PATIENCE_SECONDS)
        else:
            return


def _insist_on_commit(committed: psycopg.Cursor[Row]) -> None:
    if committed.statusmessage != "COMMIT":
        raise _LostInCommit("PostgreSQL has rolled the writes back")


def _outcome(connection: psycopg.Connection[Row], write: Write) -> Outcome:
    connection.execute("SAVEPOINT write")
    try:
        with driver_errors():
            result: Any = write.run(PostgresqlCursor(connection))
    except Exception as error:
        if connection.broken:
            raise
        connection.execute("ROLLBACK TO write")
        return Outcome(error=error)
    connection.execute("RELEASE write")
    return Outcome(result)
