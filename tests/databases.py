"""Databases for tests: each kind that the store runs on, new and empty, and gone afterwards."""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

import pytest

from postgresql import PostgresqlServer
from theodora.storage import Store
from theodora.storage.open import distribute_database, migrate_database

Kind = Literal["sqlite", "postgresql"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgresql")

ON_SQLITE = pytest.mark.databases("sqlite")
"""For tests that never get as far as the events in the store: one kind of database is enough."""
ON_POSTGRESQL = pytest.mark.databases("postgresql")
"""For a test that asks less of PostgreSQL than its neighbour asks of SQLite."""
ON_EACH = pytest.mark.databases(*KINDS)
"""For a test that reads or writes events in a module of others that do not."""

Fill = Callable[[str], None]
"""Writes into the database of this URL, and leaves it."""

_numbers = itertools.count(1)


def prepare(url: str) -> None:
    """Writes what the first store that is opened in a new database writes there."""
    with Store(url):
        pass


class Databases:
    """Makes databases of one kind."""

    def __init__(
        self, server: PostgresqlServer | None, prefix: str = "test", *, on_citus: bool = False
    ) -> None:
        """Without a server, SQLite files; on Citus, schemas of one database, distributed."""
        self._server = server
        self._prefix = prefix
        self._on_citus = on_citus
        self._filled: dict[Fill, str] = {}
        if server and not on_citus:
            server.execute(f"CREATE DATABASE {self._template}")
            prepare(server.url(self._template))

    @property
    def kind(self) -> Kind:
        return "postgresql" if self._server else "sqlite"

    @contextmanager
    def new(self, folder: Path, fill: Fill = prepare) -> Iterator[str]:
        """The URL of a database with the newest schema, for the length of a `with`.

        It holds what `fill` writes. That is done once: the others that ask for the same get copies,
        on Citus alone each is filled. A SQLite file is made in `folder`, unless it is there.
        """
        if self._server is None:
            file = folder / "theodora.db"
            if not file.exists():
                file.write_bytes(_content(fill))
            yield f"sqlite:///{file}"
            return
        name = f"{self._prefix}_{next(_numbers)}"
        if self._on_citus:
            yield self._new_schema(name, fill)
            return
        self._copy(self._filled_by(fill), name)
        try:
            yield self._server.url(name)
        finally:
            self._server.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _filled_by(self, fill: Fill) -> str:
        """The name of the database that `fill` has written into."""
        assert self._server
        if fill is prepare:
            return self._template
        if fill not in self._filled:
            name = f"{self._prefix}_filled_{next(_numbers)}"
            self._copy(self._template, name)
            fill(self._server.url(name))
            self._filled[fill] = name
        return self._filled[fill]

    def _copy(self, original: str, name: str) -> None:
        assert self._server
        # Copying the files takes half as long as logging their content.
        self._server.execute(f"CREATE DATABASE {name} TEMPLATE {original} STRATEGY file_copy")

    def _new_schema(self, name: str, fill: Fill) -> str:
        assert self._server
        self._server.execute(f"CREATE SCHEMA {name}")
        url = self._server.url(options=f"-csearch_path%3D{name}")
        migrate_database(url)
        distribute_database(url)
        fill(url)
        return url

    @property
    def _template(self) -> str:
        return f"{self._prefix}_template"


@cache
def _content(fill: Fill) -> bytes:
    """A SQLite file with what `fill` writes: copying it takes a tenth of migrating it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "theodora.db")
        url = f"sqlite:///{file}"
        prepare(url)
        fill(url)
        assert not Path(f"{file}-wal").exists(), "it is still open"
        return file.read_bytes()
