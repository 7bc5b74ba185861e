"""Migrations in a SQLite file."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, LiteralString

import apsw

from theodora.storage.engine.migrate import Kind


class SqliteSchema:
    """See `storage.migrate.Schema`."""

    kind: Kind = "sqlite"

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    @contextmanager
    def transaction(self) -> Generator[None]:
        # The lock is taken before looking: of two processes that start together, one applies.
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise

    def run(self, script: str) -> None:
        self._connection.execute(script)

    def execute(self, statement: LiteralString, values: tuple[Any, ...] = ()) -> None:
        self._connection.execute(statement, values)

    def value(self, statement: LiteralString, values: tuple[Any, ...] = ()) -> Any:
        return self._connection.execute(statement, values).get

    def has_table(self, name: str) -> bool:
        found = self._connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (name,))
        return found.get is not None
