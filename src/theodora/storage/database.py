"""A SQLite database: one writer, readers beside it, and the newest schema."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import TypeVar, cast

import apsw

from theodora.storage.connection import connect_reader, connect_writer, driver_errors
from theodora.storage.cursor import Cursor
from theodora.storage.migrate import Migration, migrate
from theodora.storage.writer import Writer

T = TypeVar("T")


class Database:
    """Open from construction to `close`; every method may be called from any thread."""

    def __init__(self, path: Path, on_commit: Callable[[int], None]) -> None:
        """Makes the file if need be and applies missing migrations."""
        self._path = path
        migrate_file(path)
        self._readers = threading.local()
        self._opened: list[apsw.Connection] = []
        self._opened_lock = threading.Lock()
        self._writer = Writer(path, on_commit)

    def read(self, read: Callable[[Cursor], T]) -> T:
        """Runs `read` on this thread; each of its statements sees all that is committed."""
        connection = self._reader()
        with driver_errors(self._path):
            return read(cast("Cursor", connection.cursor()))

    def write(self, write: Callable[[Cursor], T]) -> Future[T]:
        """Queues `write`; the future has its result once it is durable."""
        return self._writer.submit(write)

    @property
    def waiting_writes(self) -> int:
        return self._writer.waiting

    def close(self) -> None:
        """Commits what waits, then closes every connection."""
        self._writer.close()
        with self._opened_lock:
            while self._opened:
                self._opened.pop().close()

    def _reader(self) -> apsw.Connection:
        connection: apsw.Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            connection = connect_reader(self._path)
            self._readers.connection = connection
            with self._opened_lock:
                self._opened.append(connection)
        return connection


def migrate_file(path: Path) -> tuple[Migration, ...]:
    """Brings the file's schema up to this version; returns what was applied."""
    with closing(connect_writer(path)) as connection, driver_errors(path):
        return migrate(connection, time.time_ns())
