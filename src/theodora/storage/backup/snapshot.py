"""A store as of one moment in a new SQLite file, while servers read and write it."""

import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

from theodora.errors import UnusableBackup, UnusableStore
from theodora.storage.copy.copy import Copying
from theodora.storage.engine.migrate import UNFINISHED_COPY, applied_number, migrations
from theodora.storage.engine.progress import Progress
from theodora.storage.engine.sqlite.connection import connect_reader, driver_errors
from theodora.storage.engine.sqlite.schema import SqliteSchema
from theodora.storage.open import is_postgresql, open_copy, open_original, sqlite_path

_PAGES_AT_ONCE = 256
_REST_FOR_WORK = 1.0
"""Rests as long as it copied, so that a server beside it keeps most of the disk."""


def copy_store(url: str, path: Path, progress: Progress) -> None:
    """Copies the store at `url` into a new file; raises `UnusableStore` for what is no store."""
    if is_postgresql(url):
        _copy_rows(url, path, progress)
    else:
        _copy_pages(sqlite_path(url), path, progress)


def check_file(path: Path) -> tuple[int, Mapping[str, int]]:
    """The newest migration in the file and the rows of each table.

    Raises `UnusableBackup` if it is not a sound SQLite file with a complete store that this version
    knows.
    """
    try:
        with closing(connect_reader(path)) as connection, driver_errors(path):
            problems = [line for (line,) in _rows(connection, "PRAGMA integrity_check(1)")]
            if problems != ["ok"]:
                raise UnusableBackup(f"its database is damaged: {problems[0]}")
            schema = SqliteSchema(connection)
            if not schema.has_table("migrations") or schema.has_table(UNFINISHED_COPY):
                raise UnusableBackup("its database is not a complete store of Theodora")
            number, newest = applied_number(schema), migrations()[-1].number
            if number > newest:
                raise UnusableBackup(
                    f"it is at migration {number}, this version knows {newest} at most: use the "
                    "version that made it or a newer one"
                )
            return number, _count_rows(connection)
    except UnusableStore as error:
        raise UnusableBackup(f"its database is damaged: {error}") from error


def _copy_pages(original: Path, path: Path, progress: Progress) -> None:
    if not original.is_file():
        raise UnusableStore(f"there is no database at {original}")
    with (
        closing(connect_reader(original)) as source,
        closing(apsw.Connection(str(path))) as target,
        driver_errors(original),
    ):
        # Nothing needs to survive a crash before all of it is there.
        target.pragma("journal_mode", "off")
        target.pragma("synchronous", "off")
        # The transaction is the snapshot; without it each commit of a server would begin it again.
        source.execute("BEGIN")
        schema = SqliteSchema(source)
        if not schema.has_table("migrations") or schema.has_table(UNFINISHED_COPY):
            raise UnusableStore(f"{original} is not a complete store of Theodora")
        with target.backup("main", source, "main") as backup:
            while not backup.done:
                began = time.perf_counter()
                backup.step(_PAGES_AT_ONCE)
                progress("copying", backup.page_count - backup.remaining, backup.page_count)
                time.sleep(_REST_FOR_WORK * (time.perf_counter() - began))
        source.execute("COMMIT")
    with closing(apsw.Connection(str(path))) as copied:
        # The file alone is the database: a log of its own would have to go into the backup.
        copied.pragma("journal_mode", "delete")


def _copy_rows(url: str, path: Path, progress: Progress) -> None:
    with open_original(url) as original, open_copy(f"sqlite:///{path.absolute()}") as copy:
        copying = Copying(original, copy)
        copying.copy_and_compare(progress)
        copying.finish_snapshot()
        copy.cursor.execute("PRAGMA journal_mode = delete")


def _count_rows(connection: apsw.Connection) -> Mapping[str, int]:
    names = _rows(
        connection,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "ORDER BY name",
    )
    return {name: _rows(connection, f'SELECT count(*) FROM "{name}"')[0][0] for (name,) in names}


def _rows(connection: apsw.Connection, statement: str) -> list[tuple[Any, ...]]:
    return list(connection.execute(statement))
