"""A cursor on PostgreSQL that takes the store's statements."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, LiteralString

import psycopg
from psycopg import RawCursor

from theodora.storage.engine.cursor import Pace, Row
from theodora.storage.engine.postgresql.dialect import POSTGRESQL
from theodora.storage.engine.postgresql.translation import translated, translated_for_rows

_ROWS_AT_ONCE = (128, 16, 8, 7, 6, 5, 4, 3, 2)
"""A few sizes, so that few statements are prepared; what one event has is mostly one statement."""


class PostgresqlCursor:
    """See `storage.cursor.Cursor`. In a pipeline, what is not fetched is not waited for."""

    dialect = POSTGRESQL

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection
        self.pace: Pace = nullcontext
        self._last = RawCursor(connection)

    def beside(self) -> "PostgresqlCursor":
        return PostgresqlCursor(self._connection)

    def execute(
        self, statement: LiteralString, values: Sequence[Any] = (), /
    ) -> "PostgresqlCursor":
        # A new one each time, since in a pipeline each keeps its results.
        self._last = RawCursor(self._connection)
        text = translated(statement)
        try:
            self._last.execute(text, values or None)
        except psycopg.DataError:
            if not _has_null(values):
                raise
            self._last.execute(text, [without_null(value) for value in values])
        return self

    def executemany(
        self, statement: LiteralString, rows: Iterable[Sequence[Any]], /
    ) -> "PostgresqlCursor":
        # Looked at beforehand: when a row is found that cannot be sent, others have been.
        every = [tuple(map(without_null, row)) if _has_null(row) else row for row in rows]
        at = 0
        for size in _ROWS_AT_ONCE:
            together = translated_for_rows(statement, size)
            while together and len(every) - at >= size:
                part = every[at : at + size]
                RawCursor(self._connection).execute(
                    together, [value for row in part for value in row]
                )
                at += size
        if at < len(every):
            RawCursor(self._connection).executemany(translated(statement), every[at:])
        return self

    def fetchone(self) -> Row | None:
        return self._last.fetchone()

    def fetchall(self) -> list[Row]:
        return self._last.fetchall()

    def __iter__(self) -> Iterator[Row]:
        return iter(self._last)


def _has_null(values: Sequence[Any]) -> bool:
    return any(isinstance(value, str) and "\0" in value for value in values)


def without_null(value: Any) -> Any:
    """PostgreSQL has no text with a NUL, and no event has one: a query that names one may as
    well name the next character, which no event has either and nothing lies between."""
    return value.replace("\0", "\1") if isinstance(value, str) else value
