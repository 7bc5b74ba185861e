"""A SQLite file that is copied, or copied into. See `storage/copy/copy.py`."""

import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import LiteralString

import apsw

from theodora.storage.copy.tables import CopiedTable
from theodora.storage.engine.cursor import Row, only_value
from theodora.storage.engine.migrate import apply_missing
from theodora.storage.engine.sqlite.connection import (
    connect_reader,
    connect_writer,
    cursor_of,
    driver_errors,
)
from theodora.storage.engine.sqlite.schema import SqliteSchema


class SqliteOriginal:
    """See `storage.copying.Original`."""

    def __init__(self, connection: apsw.Connection, beside: apsw.Connection) -> None:
        """A connection whose snapshot has just begun; what is committed is seen from `beside`."""
        self.schema = SqliteSchema(connection)
        self.cursor = cursor_of(connection)
        self._beside = beside
        self._version = beside.pragma("data_version")

    def has_changed(self) -> bool:
        return self._beside.pragma("data_version") != self._version

    def last_number(self, table: CopiedTable) -> int:
        return only_value(
            self.cursor.execute(
                "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?", (table.name,)
            )
        )


class SqliteCopy:
    """See `storage.copying.Copy`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.schema = SqliteSchema(connection)
        self.cursor = cursor_of(connection)

    def add(self, table: CopiedTable, rows: Sequence[Row]) -> None:
        self.cursor.executemany(_insert(table), rows)

    def as_kept(self, rows: Sequence[Row]) -> list[Row]:
        return list(rows)

    def give_numbers_after(self, table: CopiedTable, last: int) -> None:
        """Sets the AUTOINCREMENT sequence to at least `last`."""
        self.cursor.execute(
            "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1", (table.name, last)
        )
        self.cursor.execute(
            "INSERT INTO sqlite_sequence (name, seq) SELECT name, ?2 FROM sqlite_schema "
            "WHERE name = ?1 AND sql LIKE '%AUTOINCREMENT%' "
            "AND NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
            (table.name, last),
        )

    def settle(self, tables: Sequence[CopiedTable]) -> None:
        """Nothing to do: the planner needs no statistics, see `storage/search/planner.py`."""


@contextmanager
def original_file(path: Path) -> Generator[SqliteOriginal]:
    """The store in this file, which has to be there."""
    with (
        closing(connect_reader(path)) as connection,
        closing(connect_reader(path)) as beside,
        driver_errors(path),
    ):
        # The version is asked for first: what is committed in between is taken for a change.
        original = SqliteOriginal(connection, beside)
        connection.execute("BEGIN")
        yield original


@contextmanager
def copy_in_file(path: Path) -> Generator[SqliteCopy]:
    """A file to copy into, created with the newest schema if needed."""
    with closing(connect_writer(path)) as connection, driver_errors(path):
        copy = SqliteCopy(connection)
        apply_missing(copy.schema, time.time_ns())
        yield copy


@cache
def _insert(table: CopiedTable) -> LiteralString:
    return (
        f"INSERT INTO {table.name} ({', '.join(table.columns)}) "
        f"VALUES ({', '.join(['?' for _ in table.columns])})"
    )
