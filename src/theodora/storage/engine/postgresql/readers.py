"""A pool of reading connections, which retries when a connection was lost."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg.errors import QueryCanceled
from psycopg_pool import ConnectionPool, PoolTimeout

from theodora.errors import Unavailable
from theodora.storage.engine.cursor import Cursor, Row
from theodora.storage.engine.deadline import Deadline, current_deadline
from theodora.storage.engine.postgresql.connection import adapt, driver_errors, is_lost, parameters
from theodora.storage.engine.postgresql.cursor import PostgresqlCursor

T = TypeVar("T")

MOST_CONNECTIONS = 40
"""One for each thread of a server that answers requests, and two for its workers."""
_CANCEL_SECONDS = 5.0
_RECONNECT_SECONDS = 5.0
"""How long the pool goes on trying by itself; after that the next read restarts it, and
so comes through as soon as the server is back."""


_ABANDONED_READS_END = (
    "SELECT set_config(name, CASE name WHEN 'statement_timeout' THEN '10min' ELSE '2s' END, false) "
    "FROM pg_settings WHERE name = 'statement_timeout' AND setting = '0' "
    "OR name = 'client_connection_check_interval' AND setting = '0' AND version() LIKE '%linux%'"
)
"""Has the server look whether the process that asked is still there, where it can, and end every
statement after a time that no loading of event columns needs. A limit of the administrator's stays.
"""


class Readers:
    """Reads from one server; every method may be called from any thread."""

    def __init__(self, url: str, name: str, wait_seconds: float) -> None:
        """A read waits so long for a connection: the server may just be starting again."""
        self._pool: ConnectionPool[psycopg.Connection[Row]] = ConnectionPool(
            kwargs=parameters(url),
            configure=_configure,
            min_size=1,
            max_size=MOST_CONNECTIONS,
            timeout=wait_seconds,
            reconnect_timeout=_RECONNECT_SECONDS,
            open=True,
            name=name,
        )

    def read(
        self, read: Callable[[Cursor], T], before: Callable[[Cursor], None] | None = None
    ) -> T:
        """Runs `read`, perhaps again from its beginning, in one snapshot.

        `before` is run on the same server before that begins, and may raise. Raises `Unavailable`
        where the server cannot be reached.
        """
        return self._read(read, by_itself=False, before=before)

    def read_statement(self, read: Callable[[Cursor], T]) -> T:
        """The same of a read that is a single statement: that needs no transaction around it,
        whose beginning and end take as long again each."""
        return self._read(read, by_itself=True, before=None)

    def wait_for_connection(self, seconds: float) -> None:
        """Waits for the first connection, longer than a read does.

        Raises `Unavailable` if there is none then.
        """
        until_sec = time.monotonic() + seconds
        while True:
            try:
                return self.read_statement(lambda _: None)
            except Unavailable:
                if time.monotonic() >= until_sec:
                    raise

    def close(self) -> None:
        self._pool.close()

    def _read(
        self,
        read: Callable[[Cursor], T],
        *,
        by_itself: bool,
        before: Callable[[Cursor], None] | None,
    ) -> T:
        with driver_errors():
            for _ in range(MOST_CONNECTIONS):
                # After a restart of the server each connection that lay idle is found to be lost.
                try:
                    return self._read_once(read, by_itself, before)
                except psycopg.OperationalError as error:
                    if isinstance(error, PoolTimeout) or not is_lost(error):
                        raise
            return self._read_once(read, by_itself, before)

    def _read_once(
        self,
        read: Callable[[Cursor], T],
        by_itself: bool,
        before: Callable[[Cursor], None] | None,
    ) -> T:
        with self._pool.connection() as connection:
            if before is not None:
                connection.autocommit = True
                before(PostgresqlCursor(connection))
            connection.autocommit = by_itself
            deadline = current_deadline()
            if deadline is None:
                return read(PostgresqlCursor(connection))
            return _read_until(deadline, connection, read)


def _read_until(
    deadline: Deadline, connection: psycopg.Connection[Row], read: Callable[[Cursor], T]
) -> T:
    try:
        with deadline.interrupting(partial(connection.cancel_safe, timeout=_CANCEL_SECONDS)):
            return read(PostgresqlCursor(connection))
    except QueryCanceled:
        deadline.check()
        raise
    finally:
        if deadline.is_over:
            # A cancellation that arrives late must not end another reader's statement.
            connection.close()


def _configure(connection: psycopg.Connection[Any]) -> None:
    """Each read is one snapshot, cannot write, and ends even if nobody is left to cancel it."""
    adapt(connection)
    connection.execute(_ABANDONED_READS_END)
    connection.commit()
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
