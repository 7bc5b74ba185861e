"""Databases for tests: each kind that the store runs on, new and empty, and gone afterwards."""

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

import pytest

from postgresql import PostgresqlServer
from theodora.storage.open import distribute_database, migrate_database

Kind = Literal["sqlite", "postgresql"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgresql")

ON_SQLITE = pytest.mark.databases("sqlite")
"""For tests that never get as far as the events in the store: one kind of database is enough."""
ON_EACH = pytest.mark.databases(*KINDS)
"""For a test that reads or writes events in a module of others that do not."""

_numbers = itertools.count(1)


class Databases:
    """Makes databases of one kind."""

    def __init__(
        self, server: PostgresqlServer | None, prefix: str = "test", *, on_citus: bool = False
    ) -> None:
        """Without a server, SQLite files; on Citus, schemas of one database, distributed."""
        self._server = server
        self._prefix = prefix
        self._on_citus = on_citus
        if server and not on_citus:
            server.execute(f"CREATE DATABASE {self._template}")
            migrate_database(server.url(self._template))

    @property
    def kind(self) -> Kind:
        return "postgresql" if self._server else "sqlite"

    @contextmanager
    def new(self, folder: Path) -> Iterator[str]:
        """The URL of a database with the newest schema, for the length of a `with`.

        A SQLite file is made in `folder`, unless it is there.
        """
        if self._server is None:
            file = folder / "theodora.db"
            if not file.exists():
                file.write_bytes(_empty_file())
            yield f"sqlite:///{file}"
            return
        name = f"{self._prefix}_{next(_numbers)}"
        if self._on_citus:
            yield self._new_schema(name)
            return
        # Copying the files takes half as long as logging their content.
        self._server.execute(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY file_copy")
        try:
            yield self._server.url(name)
        finally:
            self._server.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _new_schema(self, name: str) -> str:
        assert self._server
        self._server.execute(f"CREATE SCHEMA {name}")
        url = self._server.url(options=f"-csearch_path%3D{name}")
        migrate_database(url)
        distribute_database(url)
        return url

    @property
    def _template(self) -> str:
        return f"{self._prefix}_template"


@cache
def _empty_file() -> bytes:
    """A SQLite file with the newest schema: copying it takes a tenth of migrating to it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "theodora.db")
        migrate_database(f"sqlite:///{file}")
        return file.read_bytes()
