"""Migrations in a PostgreSQL database."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, LiteralString, cast

import psycopg

from theodora.storage.engine.cursor import Row
from theodora.storage.engine.migrate import Kind
from theodora.storage.engine.postgresql.translation import statements, translated, translated_schema

LOCK = 0x7468656F646F7261
"""`theodora` in ASCII: the advisory lock held while migrating or distributing."""


class PostgresqlSchema:
    """See `storage.migrate.Schema`."""

    kind: Kind = "postgresql"

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

    @contextmanager
    def transaction(self) -> Generator[None]:
        with self._connection.transaction():
            # Taken before looking: of two processes that start together, one applies.
            self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            yield

    def run(self, script: str) -> None:
        for statement in statements(translated_schema(script)):
            self._connection.execute(cast("LiteralString", statement))

    def execute(self, statement: LiteralString, values: tuple[Any, ...] = ()) -> None:
        psycopg.RawCursor(self._connection).execute(translated(statement), values or None)

    def value(self, statement: LiteralString, values: tuple[Any, ...] = ()) -> Any:
        cursor = psycopg.RawCursor(self._connection)
        row = cursor.execute(translated(statement), values or None).fetchone()
        return row and row[0]

    def has_table(self, name: str) -> bool:
        row = self._connection.execute("SELECT to_regclass(%s) IS NOT NULL", (name,)).fetchone()
        return row is not None and row[0]
