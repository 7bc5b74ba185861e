"""Which kind of database a URL is for: the one place that chooses."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from theodora.errors import UnusableSetting
from theodora.storage.database import Database, Upkeep
from theodora.storage.migrate import Migration
from theodora.storage.sqlite.database import SqliteDatabase, migrate_file

_SQLITE = "sqlite:///"
_POSTGRESQL = "postgresql://"


def open_database(url: str, upkeep: Upkeep, on_commit: Callable[[int], None]) -> Database:
    """Opens the database at `url`, made and migrated if need be.

    Upkeep is done when no writes come, or when many have come since; `on_commit` is told how
    many writes each commit held.
    """
    if is_postgresql(url):
        from theodora.storage.postgresql.database import PostgresqlDatabase  # noqa: PLC0415

        return PostgresqlDatabase(url, upkeep, on_commit)
    return SqliteDatabase(sqlite_path(url), upkeep, on_commit)


def migrate_database(url: str) -> tuple[Migration, ...]:
    """Brings the schema up to this version; returns what was applied."""
    if is_postgresql(url):
        from theodora.storage.postgresql.database import migrate_server  # noqa: PLC0415

        return migrate_server(url)
    return migrate_file(sqlite_path(url))


def beside(url: str) -> Path:
    """The folder for what does not go into the database: beside a file, else where we run."""
    if is_postgresql(url):
        return Path("theodora-git")
    database = sqlite_path(url)
    return database.with_name(f"{database.name}-git")


def is_postgresql(url: str) -> bool:
    """Whether it is PostgreSQL's; raises `UnusableSetting` if that cannot be spoken to."""
    if not url.startswith(_POSTGRESQL):
        return False
    if find_spec("psycopg") is None or find_spec("psycopg_pool") is None:
        raise UnusableSetting(
            'PostgreSQL needs psycopg, which is not installed: pip install "theodora[postgresql]"'
        )
    return True


def sqlite_path(url: str) -> Path:
    """The file behind `sqlite:///relative.db` or `sqlite:////absolute.db`."""
    path = url.removeprefix(_SQLITE)
    if path in {url, ""}:
        raise UnusableSetting(
            f'database "{url}" must have the form sqlite:///relative.db, '
            "sqlite:////absolute.db or postgresql://user@host/name"
        )
    return Path(path)
