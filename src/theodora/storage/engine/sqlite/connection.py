"""Connections to the SQLite file, and the one door where the driver's errors become ours.

All of Theodora opens SQLite through apsw and never through another library: two SQLite
libraries in one process unlink each other's live write-ahead log, and acknowledged commits
with it.
"""

import os
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import cast

import apsw

from theodora.errors import Unavailable, UnusableStore
from theodora.storage.engine.cursor import Cursor, Pace, Row
from theodora.storage.engine.sqlite.dialect import SQLITE
from theodora.storage.engine.sqlite.functions import register_functions

BUSY_TIMEOUT_MS = 30_000
_LOOK_AGAIN_MS = 1
_PAGE_BYTES = 8_192
LONG_LOG_PAGES = 4_000
"""A log of so many pages is copied into the file after a commit."""
_LOG_BYTES = 64 * 2**20
"""What a log that has grown beyond it is cut back to, once it can be used from its beginning."""
_WRITER_CACHE_KIB = 32_768
_WRITER_STATEMENTS = 512
"""Prepared statements that are kept, as many as apsw does. Each row of `executemany` takes the next
place of all in turn, so that with a hundred most statements are prepared again in each commit."""
_READER_CACHE_KIB = 2_048
"""For each thread that reads; the system caches the file once for all of them."""


class _SqliteCursor:
    """See `storage.engine.cursor.Cursor`.

    It has one of apsw's cursors and is none. The garbage collector may free a cursor on any thread,
    and an instance of a subclass of apsw's then corrupts the memory of the process (apsw 3.54.1).
    """

    __slots__ = ("_connection", "_cursor", "execute", "executemany", "fetchall", "fetchone", "pace")

    dialect = SQLITE

    def __init__(self, connection: apsw.Connection, pace: Pace) -> None:
        self._connection = connection
        self.pace = pace
        self._cursor = connection.cursor()
        # As they are, since methods that call them would cost each statement another call.
        self.execute = self._cursor.execute
        self.executemany = self._cursor.executemany
        self.fetchall = self._cursor.fetchall
        self.fetchone = self._cursor.fetchone

    def __iter__(self) -> Iterator[Row]:
        return iter(self._cursor)

    def beside(self) -> Cursor:
        return cursor_of(self._connection, self.pace)


def cursor_of(connection: apsw.Connection, pace: Pace = nullcontext) -> Cursor:
    """A new cursor of a connection."""
    return cast("Cursor", _SqliteCursor(connection, pace))


def connect_writer(path: Path) -> apsw.Connection:
    """The connection that writes; makes the file, and the folder it lies in, if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    make_private(path)
    with driver_errors(path):
        connection = apsw.Connection(str(path), statementcachesize=_WRITER_STATEMENTS)
        wait_for_turn(connection)
        # Takes effect while a database is made: rows of a kilobyte waste less of a larger page.
        connection.pragma("page_size", _PAGE_BYTES)
        connection.pragma("journal_mode", "wal")
        # FULL: the log is on the disk before a commit returns, so that a 200 survives.
        connection.pragma("synchronous", "full")
        connection.pragma("foreign_keys", "on")
        connection.pragma("cache_size", -_WRITER_CACHE_KIB)
        # 32 MiB of pages: fewer, larger checkpoints write a page that changed often only once.
        connection.pragma("wal_autocheckpoint", LONG_LOG_PAGES)
        connection.pragma("journal_size_limit", _LOG_BYTES)
        # Removed secrets, such as keys of other servers, are overwritten: none stays in the file.
        connection.pragma("secure_delete", "on")
        return _prepared(connection, nullcontext)


def wait_for_turn(connection: apsw.Connection) -> None:
    """Has the connection wait while another process writes, for at most `BUSY_TIMEOUT_MS`.

    SQLite's own wait looks again after up to 100 ms: beside a process that writes one transaction
    after another, such as an import, it would hardly ever look between two of them.
    """
    connection.set_busy_handler(_look_again)


def _look_again(times: int) -> bool:
    time.sleep(_LOOK_AGAIN_MS / 1_000)
    return times * _LOOK_AGAIN_MS < BUSY_TIMEOUT_MS


def make_private(path: Path) -> None:
    """Makes a file that only its owner can read; SQLite gives the log beside it the same mode.

    SQLite reports everything else that is wrong with the path.
    """
    with suppress(OSError):
        # Before SQLite makes the file itself, which would follow the umask.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def connect_reader(path: Path, pace: Pace = nullcontext) -> apsw.Connection:
    """A connection that reads beside the writer and cannot write; for `pace` see there."""
    with driver_errors(path):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.pragma("cache_size", -_READER_CACHE_KIB)
        return _prepared(connection, pace)


def connect_memory() -> apsw.Connection:
    """A new database in memory, which is gone when the connection is closed."""
    return _prepared(apsw.Connection(":memory:"), nullcontext)


def _prepared(connection: apsw.Connection, pace: Pace) -> apsw.Connection:
    # Without this SQLite prepares a statement again for each set of bound values.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    register_functions(connection, pace)
    return connection


class driver_errors:  # noqa: N801 - reads as the function that it is used as
    """A context that turns what the driver raises into what callers can act on.

    A class, as a generator would cost each read of the store some microseconds.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None:
            _raise_as_ours(error, self._path)


def _raise_as_ours(error: BaseException, path: Path) -> None:
    match error:
        case apsw.NotADBError() | apsw.CorruptError():
            raise UnusableStore(f"{path} is not a sound SQLite database: {error}") from error
        case apsw.CantOpenError():
            raise UnusableStore(f"{path} cannot be opened: {error}") from error
        case apsw.BusyError() | apsw.LockedError():
            raise Unavailable(f"{path} is locked by another process: {error}") from error
        case (
            apsw.FullError() | apsw.IOError() | apsw.ReadOnlyError() | apsw.NoMemError() | OSError()
        ):
            raise Unavailable(f"{path} cannot be read or written now: {error}") from error
        case _:
            pass
