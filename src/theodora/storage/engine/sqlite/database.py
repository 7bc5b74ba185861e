"""A SQLite database: one writer, readers beside it, and the newest schema."""

import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, LiteralString, TypeVar, cast

import apsw

from theodora.storage.engine.actor import Actor
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.database import TakesLong
from theodora.storage.engine.deadline import Deadline, current_deadline
from theodora.storage.engine.dialect import Dialect
from theodora.storage.engine.migrate import Migration, migrate, nothing_kept
from theodora.storage.engine.open_read import OpenRead
from theodora.storage.engine.sqlite.committer import SqliteCommitter
from theodora.storage.engine.sqlite.connection import (
    connect_reader,
    connect_writer,
    cursor_of,
    driver_errors,
)
from theodora.storage.engine.sqlite.dialect import SQLITE
from theodora.storage.engine.sqlite.functions import TURNS
from theodora.storage.engine.sqlite.kept_copy import keep_copy
from theodora.storage.engine.sqlite.schema import SqliteSchema
from theodora.storage.engine.writer import Upkeep, Writer

T = TypeVar("T")


_BRIEF_SECONDS = 0.004
_BRIEF_CACHE_KIB = 8_192
"""Of pages, for the thread that answers most reads."""
_STEPS_BETWEEN_LOOKS = 10_000
"""Steps of SQLite's machine, some tens of nanoseconds each, between two looks at the clock."""
_NUMBERS = 2**31


class SqliteDatabase:
    """See `storage.database.Database`."""

    def __init__(self, path: Path, upkeep: Upkeep, on_commit: Callable[[int], None]) -> None:
        """Makes the file if needed and applies missing migrations; for the rest see `Writer`."""
        self._path = path
        migrate_file(path)
        self._readers = threading.local()
        self._open_read = OpenRead()
        self._opened: list[apsw.Connection] = []
        self._opened_lock = threading.Lock()
        committer = SqliteCommitter(path)
        self._file = committer.file
        self._writer = Writer(lambda: committer, upkeep, on_commit)

    @property
    def primary(self) -> "SqliteDatabase":
        return self

    @property
    def replica(self) -> None:
        return None

    def read(self, read: Callable[[Cursor], T]) -> T:
        joined = self._open_read.join()
        return self._read(read) if joined is None else read(joined)

    def read_statement(self, read: Callable[[Cursor], T]) -> T:
        # To begin and to end a snapshot takes no way to a server here.
        return self.read(read)

    def _read(self, read: Callable[[Cursor], T]) -> T:
        self._file.refuse_if_replaced()
        self._reader()
        cursor: Cursor = self._readers.cursor
        deadline = current_deadline()
        if deadline is not None:
            deadline.check()
        with driver_errors(self._path):
            # One snapshot for all statements of the read, whatever is committed in between.
            cursor.execute("BEGIN")
            self._readers.must_end = self._end_of_read(deadline)
            try:
                return self._open_read.begin(read, cursor)
            except apsw.InterruptError:
                if deadline is not None:
                    deadline.check()
                raise TakesLong from None
            finally:
                # The clock is looked at in this too; given up, it would leave the read open.
                self._readers.must_end = _never
                cursor.execute("COMMIT")

    def _end_of_read(self, deadline: Deadline | None) -> Callable[[], bool]:
        """Checks, while a read runs on this thread, whether it must end now."""
        if self._readers.is_brief:
            until_sec = time.perf_counter() + _BRIEF_SECONDS
            return lambda: time.perf_counter() > until_sec
        if deadline is None:
            return _never
        return lambda: deadline.is_over

    def answer_briefly(self) -> None:
        self._reader().pragma("cache_size", -_BRIEF_CACHE_KIB)
        self._readers.is_brief = True

    def state(self) -> int:
        with driver_errors(self._path):
            self._reader()
            # Differs once another connection, of this or another process, has committed. Read by a
            # cursor of its own, as a read may be under way, and to the end: a statement that is not
            # would keep its snapshot for the reads to come.
            rows: Any = self._readers.state.execute("PRAGMA data_version").fetchall()
        return rows[0][0]

    @property
    def dialect(self) -> Dialect:
        return SQLITE

    @property
    def can_ask_soon(self) -> bool:
        """False: to read here takes less than to go on meanwhile."""
        return False

    def ask_soon(self, statement: LiteralString, values: Sequence[Any] = ()) -> None:
        """None, for the same reason."""

    def state_soon(self) -> None:
        """None, likewise."""

    def check_writing(self) -> None:
        self._writer.check(_touch, is_suspect=not self._file.is_in_place())

    def write(
        self,
        write: Callable[[Cursor], T],
        actor: Actor,
        events: int = 1,
        *,
        org: int,
        if_free: bool = False,
    ) -> Future[T]:
        return self._writer.submit(write, actor, events, org=org, if_free=if_free)

    def is_held(self, org: int) -> bool:
        return self._writer.is_held(org)

    @contextmanager
    def claim(self, lock: Callable[[Cursor], bool], *, org: int) -> Generator["_Unshared | None"]:
        """Nothing is held: one process serves the file, and commands beside it are seldom."""
        yield _Unshared(self, org) if self.read(lock) else None

    @property
    def waiting_writes(self) -> int:
        return self._writer.waiting

    def close(self) -> None:
        """Commits what waits, then closes every connection.

        The writer's is the last, as only that can fold the log back into the file: then the
        file alone is the database, and may be copied.
        """
        with self._opened_lock:
            while self._opened:
                self._opened.pop().close()
        self._writer.close()

    def _reader(self) -> apsw.Connection:
        connection: apsw.Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            local = self._readers

            def must_end() -> bool:
                # Each read of this thread has an end of its own.
                return local.must_end()

            def pace() -> AbstractContextManager[object]:
                if must_end():
                    raise apsw.InterruptError("the read has to end")
                return nullcontext() if local.is_brief else TURNS

            connection = connect_reader(self._path, pace)
            local.connection = connection
            local.cursor, local.state = cursor_of(connection, pace), connection.cursor()
            local.is_brief = False
            local.must_end = _never
            connection.set_progress_handler(must_end, _STEPS_BETWEEN_LOOKS)
            with self._opened_lock:
                self._opened.append(connection)
        return connection


def _never() -> bool:
    return False


def _touch(cursor: Cursor) -> None:
    """Changes the number in the file's header that SQLite leaves to programs, and nothing else."""
    number = only_value(cursor.execute("PRAGMA user_version"))
    statement = f"PRAGMA user_version = {(number + 1) % _NUMBERS}"
    cursor.execute(cast("LiteralString", statement))


class _Unshared:
    """A claim on work in a file."""

    def __init__(self, database: SqliteDatabase, org: int) -> None:
        self._database = database
        self._org = org

    def finish(self, finish: Callable[[Cursor], None], actor: Actor) -> None:
        self._database.write(finish, actor, org=self._org).result()


def migrate_file(path: Path, *, keeps_copy: bool = True) -> tuple[Migration, ...]:
    """Brings the file's schema up to this version; returns what was applied.

    A copy of what was there before is kept beside the file, see `keep_copy`.
    """
    keep = partial(keep_copy, path) if keeps_copy else nothing_kept
    with closing(connect_writer(path)) as connection, driver_errors(path):
        return migrate(SqliteSchema(connection), time.time_ns(), keep)
