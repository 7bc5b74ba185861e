"""A PostgreSQL database that is copied, or copied into. See `storage/copy/copy.py`."""

import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from typing import LiteralString

import psycopg

from theodora.storage.copy.tables import CopiedTable
from theodora.storage.engine.cursor import Cursor, Row, only_value
from theodora.storage.engine.migrate import apply_missing
from theodora.storage.engine.postgresql.connection import connect, driver_errors
from theodora.storage.engine.postgresql.cursor import PostgresqlCursor, without_null
from theodora.storage.engine.postgresql.schema import PostgresqlSchema

_UNHURRIED = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
"""A snapshot lasts as long as the copy does."""


class PostgresqlOriginal:
    """See `storage.copying.Original`."""

    def __init__(
        self, connection: psycopg.Connection[Row], beside: psycopg.Connection[Row]
    ) -> None:
        """A connection whose transaction is a snapshot; what is committed is seen `beside`."""
        self.schema = PostgresqlSchema(connection)
        self.cursor: Cursor = PostgresqlCursor(connection)
        self._beside: Cursor = PostgresqlCursor(beside)

    def has_changed(self) -> bool:
        return _commits(self._beside) != _commits(self.cursor)

    def last_number(self, table: CopiedTable) -> int:
        return only_value(
            self.cursor.execute(
                "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence(?, ?)), 0)",
                (table.name, table.key[0]),
            )
        )


class PostgresqlCopy:
    """See `storage.copying.Copy`."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self.schema = PostgresqlSchema(connection)
        self.cursor: Cursor = PostgresqlCursor(connection)
        self._connection = connection

    def add(self, table: CopiedTable, rows: Sequence[Row]) -> None:
        try:
            self._add(table, rows)
        except psycopg.DataError:
            self._add(table, self.as_kept(rows))

    def as_kept(self, rows: Sequence[Row]) -> list[Row]:
        return [tuple(map(without_null, row)) for row in rows]

    def give_numbers_after(self, table: CopiedTable, last: int) -> None:
        number = table.key[0]
        found = self.cursor.execute("SELECT pg_get_serial_sequence(?, ?)", (table.name, number))
        sequence = only_value(found)
        if sequence is None:
            return
        greatest = self.cursor.execute(f"SELECT max({number}) FROM {table.name}")
        last = max(last, only_value(greatest) or 0)
        if last:
            self.cursor.execute("SELECT setval(CAST(? AS text), ?)", (sequence, last))

    def settle(self, tables: Sequence[CopiedTable]) -> None:
        """Marks pages as visible to all, without which an index does not suffice to a reader."""
        names: LiteralString = ", ".join([table.name for table in tables])
        self._connection.execute(f"VACUUM (ANALYZE) {names}")

    def _add(self, table: CopiedTable, rows: Sequence[Row]) -> None:
        """In a savepoint: a row that cannot be sent takes the statement with it."""
        statement: LiteralString = f"COPY {table.name} ({', '.join(table.columns)}) FROM STDIN"
        with (
            self._connection.transaction(),
            self._connection.cursor() as cursor,
            cursor.copy(statement) as copy,
        ):
            for row in rows:
                copy.write_row(row)


@contextmanager
def original_on_server(url: str) -> Generator[PostgresqlOriginal]:
    """The store in this database."""
    with (
        closing(connect(url, **_UNHURRIED)) as connection,
        closing(connect(url, **_UNHURRIED)) as beside,
        driver_errors(),
    ):
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection.transaction():
            yield PostgresqlOriginal(connection, beside)


@contextmanager
def copy_on_server(url: str) -> Generator[PostgresqlCopy]:
    """A database to copy into, brought to the newest schema."""
    with closing(connect(url, **_UNHURRIED)) as connection, driver_errors():
        copy = PostgresqlCopy(connection)
        apply_missing(copy.schema, time.time_ns())
        yield copy


def _commits(cursor: Cursor) -> list[Row]:
    """How many each organisation has had, and the store."""
    statement = "SELECT org, value FROM counters WHERE name = 'commits' ORDER BY org"
    return cursor.execute(statement).fetchall()
