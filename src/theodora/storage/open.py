"""The choice of the database by its URL."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path

from theodora.errors import UnusableSetting
from theodora.storage.copy.copy import Copy, Original
from theodora.storage.copy.sqlite import copy_in_file, original_file
from theodora.storage.engine.database import Database
from theodora.storage.engine.migrate import Migration
from theodora.storage.engine.sqlite.database import SqliteDatabase, migrate_file
from theodora.storage.engine.writer import Upkeep

_SQLITE = "sqlite:///"
_POSTGRESQL = ("postgresql://", "postgres://")
"""The second is what hosting services hand out."""


def open_database(
    url: str, upkeep: Upkeep, on_commit: Callable[[int], None], read_url: str = ""
) -> Database:
    """Opens the database at `url`, created and migrated if needed.

    Upkeep is done when no writes come, or when many have come since; `on_commit` receives how
    many writes each commit held. At `read_url` is a replica to read from, if there is one.
    """
    if read_url and not (is_postgresql(url) and is_postgresql(read_url)):
        raise UnusableSetting(
            "read_database_url must have the form postgresql://user@host/name, and be that of a "
            "replica of the database: a SQLite file has none"
        )
    if is_postgresql(url):
        return _open_postgresql(url, upkeep, on_commit, read_url)
    return SqliteDatabase(sqlite_path(url), upkeep, on_commit)


def _open_postgresql(
    url: str, upkeep: Upkeep, on_commit: Callable[[int], None], read_url: str
) -> Database:
    from theodora.storage.engine.postgresql.database import PostgresqlDatabase  # noqa: PLC0415
    from theodora.storage.engine.postgresql.replicated import ReplicatedDatabase  # noqa: PLC0415

    primary = PostgresqlDatabase(url, upkeep, on_commit)
    return ReplicatedDatabase(primary, read_url) if read_url else primary


def migrate_database(
    url: str, *, keeps_copy: bool = True, dump_to: Path | None = None
) -> tuple[Migration, ...]:
    """Brings the schema up to this version; returns what was applied.

    Of a SQLite file that there was before, a copy is kept beside it. A store on PostgreSQL is
    dumped into the file `dump_to`; if none is named, `Unavailable` is raised. Without `keeps_copy`
    neither happens.
    """
    if is_postgresql(url):
        from theodora.storage.engine.postgresql.database import migrate_server  # noqa: PLC0415

        return migrate_server(url, dump_to, keeps_copy=keeps_copy)
    if dump_to is not None:
        raise UnusableSetting("only PostgreSQL is dumped: a SQLite file is copied beside itself")
    return migrate_file(sqlite_path(url), keeps_copy=keeps_copy)


def distribute_database(url: str) -> bool:
    """Distributes the store among the servers of a Citus cluster; False if it is so already."""
    if not is_postgresql(url):
        raise UnusableSetting("a SQLite file cannot be distributed: Citus is PostgreSQL's")
    from theodora.storage.engine.postgresql.distribution import distribute_server  # noqa: PLC0415

    return distribute_server(url)


def holds_store(url: str) -> bool:
    """Whether there is a store at `url`; makes nothing."""
    if is_postgresql(url):
        from theodora.storage.engine.postgresql.database import holds_tables  # noqa: PLC0415

        return holds_tables(url)
    path = sqlite_path(url)
    return path.is_file() and path.stat().st_size > 0


def open_original(url: str) -> AbstractContextManager[Original]:
    """The store at `url` to be read in one snapshot; it has to be there."""
    if is_postgresql(url):
        from theodora.storage.copy.postgresql import original_on_server  # noqa: PLC0415

        return original_on_server(url)
    return original_file(sqlite_path(url))


def open_copy(url: str) -> AbstractContextManager[Copy]:
    """The database at `url` to be copied into, created and migrated if needed."""
    if is_postgresql(url):
        from theodora.storage.copy.postgresql import copy_on_server  # noqa: PLC0415

        return copy_on_server(url)
    return copy_in_file(sqlite_path(url))


def default_git_folder(url: str) -> Path:
    """The folder of packs and mirrors: beside a SQLite file, else in the working directory."""
    if is_postgresql(url):
        return Path("theodora-git")
    database = sqlite_path(url)
    return database.with_name(f"{database.name}-git")


def default_columns_folder(url: str) -> Path:
    """The folder of event columns in files: beside a SQLite file, else in the working directory."""
    if is_postgresql(url):
        return Path("theodora-columns")
    database = sqlite_path(url)
    return database.with_name(f"{database.name}-columns")


def is_postgresql(url: str) -> bool:
    """Whether it is PostgreSQL's; raises `UnusableSetting` if that cannot be spoken to."""
    if not url.startswith(_POSTGRESQL):
        return False
    if find_spec("psycopg") is None or find_spec("psycopg_pool") is None:
        raise UnusableSetting(
            'PostgreSQL needs psycopg, which is not installed: pip install "theodora[postgresql]"'
        )
    return True


def sqlite_file(url: str) -> Path | None:
    """The file at `url`; None if that is PostgreSQL's."""
    return None if is_postgresql(url) else sqlite_path(url)


def sqlite_path(url: str) -> Path:
    """The file behind `sqlite:///relative.db` or `sqlite:////absolute.db`."""
    path = url.removeprefix(_SQLITE)
    if path in {url, ""}:
        # Not shown: it may hold the password of another kind of database.
        raise UnusableSetting(
            "database must have the form sqlite:///relative.db, sqlite:////absolute.db or "
            "postgresql://user@host/name"
        )
    return Path(path)
