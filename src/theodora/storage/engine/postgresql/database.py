"""A PostgreSQL database: a pool that reads, lanes that write, a connection that holds claims."""

import threading
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, LiteralString, TypeVar

import psycopg

from theodora.errors import Unavailable
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.cursor import Cursor, Row, only_value
from theodora.storage.engine.database import TakesLong
from theodora.storage.engine.dialect import Dialect
from theodora.storage.engine.migrate import Migration, migrate
from theodora.storage.engine.open_read import OpenRead
from theodora.storage.engine.postgresql.committer import PostgresqlCommitter
from theodora.storage.engine.postgresql.connection import connect, driver_errors
from theodora.storage.engine.postgresql.cursor import PostgresqlCursor
from theodora.storage.engine.postgresql.dialect import POSTGRESQL
from theodora.storage.engine.postgresql.dump import dump_database
from theodora.storage.engine.postgresql.loop_reader import LoopReader
from theodora.storage.engine.postgresql.readers import Readers
from theodora.storage.engine.postgresql.schema import PostgresqlSchema
from theodora.storage.engine.postgresql.statistics import Statistics
from theodora.storage.engine.writer import Upkeep, Writer

T = TypeVar("T")

_NO_DUMP = (
    "nothing was migrated, because there would be nothing to go back to: --dump FILE makes a dump "
    "first; --no-copy migrates without one, if you have a backup"
)
_COUNT_COMMITS: LiteralString = (
    "SELECT coalesce(max(value), 0) FROM counters WHERE org = 0 AND name = 'commits'"
)
_LANES = 8
"""Connections that write. Half of them may be waiting for other processes."""
_WAIT_SECONDS = 3.0
"""How long a read waits for a connection: the server may just be starting again."""
_FIRST_WAIT_SECONDS = 30.0
"""Likewise at the start, where nobody waits for an answer and giving up would end the program."""


class PostgresqlDatabase:
    """See `storage.database.Database`."""

    def __init__(self, url: str, upkeep: Upkeep, on_commit: Callable[[int], None]) -> None:
        migrate_server(url)
        self._url = url
        self._brief = threading.local()
        self._loop_reader: LoopReader | None = None
        self._open_read = OpenRead()
        self._readers = Readers(url, "readers", _WAIT_SECONDS)
        self._readers.wait_for_connection(_FIRST_WAIT_SECONDS)
        self._claims = _Claims(url)
        self._writer = Writer(
            partial(PostgresqlCommitter, url),
            partial(Statistics().keep_up, upkeep),
            on_commit,
            lanes=_LANES,
        )

    @property
    def primary(self) -> "PostgresqlDatabase":
        return self

    @property
    def replica(self) -> None:
        return None

    def read(self, read: Callable[[Cursor], T]) -> T:
        self.refuse_to_be_brief()
        joined = self._open_read.join()
        if joined is not None:
            return read(joined)
        return self._readers.read(partial(self._open_read.begin, read))

    def answer_briefly(self) -> None:
        self._brief.is_asked_for = True
        # Without an event loop on this thread there is nothing that could go on meanwhile.
        with suppress(RuntimeError):
            self._loop_reader = LoopReader(self._url)

    def refuse_to_be_brief(self) -> None:
        """Raises `TakesLong` on a thread that answers briefly."""
        if getattr(self._brief, "is_asked_for", False):
            raise TakesLong

    def read_statement(self, read: Callable[[Cursor], T]) -> T:
        self.refuse_to_be_brief()
        joined = self._open_read.join()
        return self._readers.read_statement(read) if joined is None else read(joined)

    def state(self) -> int:
        return self.read_statement(count_commits)

    @property
    def dialect(self) -> Dialect:
        return POSTGRESQL

    @property
    def can_ask_soon(self) -> bool:
        return self._loop_reader is not None and getattr(self._brief, "is_asked_for", False)

    def ask_soon(
        self, statement: LiteralString, values: Sequence[Any] = ()
    ) -> Awaitable[list[Row]] | None:
        return self._loop_reader.ask(statement, values) if self._loop_reader else None

    def state_soon(self) -> Awaitable[int] | None:
        asked = self.ask_soon(_COUNT_COMMITS) if self.can_ask_soon else None
        return None if asked is None else _first_value(asked)

    def position(self) -> int:
        """Up to where the server's log is on the disk, or replayed: all reads see is before it."""
        return self._readers.read_statement(log_position)

    def check_writing(self) -> None:
        self._writer.check(lambda _: None)

    def write(
        self,
        write: Callable[[Cursor], T],
        actor: Actor,
        events: int = 1,
        *,
        org: int,
        if_free: bool = False,
    ) -> Future[T]:
        return self._writer.submit(write, actor, events, org=org, if_free=if_free)

    def is_held(self, org: int) -> bool:
        return self._writer.is_held(org)

    @contextmanager
    def claim(self, lock: Callable[[Cursor], bool], *, org: int) -> Generator["_Held | None"]:
        # Finished without the organisation's lock: a claim is of rows that nobody else writes.
        with driver_errors(), self._claims.transaction() as cursor:
            yield _Held(cursor) if lock(cursor) else None

    @property
    def waiting_writes(self) -> int:
        return self._writer.waiting

    def close(self) -> None:
        if self._loop_reader is not None:
            self._loop_reader.close()
        self._writer.close()
        self._claims.close()
        self._readers.close()


class _Held:
    """A claim: rows locked until the end of the transaction that this is in."""

    def __init__(self, cursor: PostgresqlCursor) -> None:
        self._cursor = cursor

    def finish(self, finish: Callable[[Cursor], None], actor: Actor) -> None:
        with driver_errors():
            finish(self._cursor)


class _Claims:
    """The connection that holds claims; one at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Row] | None = None

    @contextmanager
    def transaction(self) -> Generator[PostgresqlCursor]:
        with self._lock:
            connection = self._connected()
            try:
                with connection.transaction():
                    yield PostgresqlCursor(connection)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> psycopg.Connection[Row]:
        if self._connection is None or self._connection.closed:
            # A claim that the server loses is derived once more, which does no harm.
            self._connection = connect(
                self._url, synchronous_commit="off", idle_in_transaction_session_timeout="0"
            )
        return self._connection


def count_commits(cursor: Cursor) -> int:
    """The number of writes that were about no organisation, of those that this server knows of."""
    return only_value(cursor.execute(_COUNT_COMMITS))


async def _first_value(asked: Awaitable[list[Row]]) -> Any:
    return (await asked)[0][0]


def log_position(cursor: Cursor) -> int:
    """Up to where the log of this server is durable or, on a replica, replayed; in bytes."""
    return only_value(
        cursor.execute(
            "SELECT CAST(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() "
            "ELSE pg_current_wal_flush_lsn() END - '0/0' AS BIGINT)"
        )
    )


def holds_tables(url: str) -> bool:
    """Whether the database has been migrated at all."""
    with closing(connect(url)) as connection, driver_errors():
        return PostgresqlSchema(connection).has_table("migrations")


def migrate_server(
    url: str, dump_to: Path | None = None, *, keeps_copy: bool = False
) -> tuple[Migration, ...]:
    """Brings the database's schema up to this version; returns what was applied.

    A store that is there is dumped into the file `dump_to` first. Raises `Unavailable` if no file
    is named although a copy is to be kept.
    """

    def keep(_: int) -> None:
        if dump_to is not None:
            dump_database(url, dump_to)
        elif keeps_copy:
            raise Unavailable(_NO_DUMP)

    with closing(connect(url)) as connection, driver_errors():
        return migrate(PostgresqlSchema(connection), time.time_ns(), keep)
