"""Databases for tests: each kind that the store runs on, new and empty, and gone afterwards."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from postgresql import PostgresqlServer
from theodora.storage.opening import migrate_database

Kind = Literal["sqlite", "postgresql"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgresql")

_numbers = itertools.count(1)


class Databases:
    """Makes databases of one kind."""

    def __init__(self, server: PostgresqlServer | None, prefix: str = "test") -> None:
        """Without a server, SQLite files."""
        self._server = server
        self._prefix = prefix
        if server:
            server.execute(f"CREATE DATABASE {self._template}")
            migrate_database(server.url(self._template))

    @property
    def kind(self) -> Kind:
        return "postgresql" if self._server else "sqlite"

    @contextmanager
    def new(self, folder: Path) -> Iterator[str]:
        """The URL of a database with the newest schema, for the length of a `with`.

        A SQLite file is made in `folder`, by whoever opens it first.
        """
        if self._server is None:
            yield f"sqlite:///{folder / 'theodora.db'}"
            return
        name = f"{self._prefix}_{next(_numbers)}"
        # Copying the files takes half as long as logging their content.
        self._server.execute(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY file_copy")
        try:
            yield self._server.url(name)
        finally:
            self._server.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @property
    def _template(self) -> str:
        return f"{self._prefix}_template"
