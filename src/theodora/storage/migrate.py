"""Brings a database's schema up to this version, one migration at a time, in order.

Migrations are the files of `migrations/`, named `NNNN_title.sql`. Each runs in a transaction
together with its record, so a database holds a migration wholly or not at all.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import apsw

from theodora.errors import UnusableStore

_RECORD = """
CREATE TABLE IF NOT EXISTS migrations (
  number INTEGER PRIMARY KEY,
  title TEXT NOT NULL,
  applied_at_ns BIGINT NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    title: str
    sql: str


@cache
def migrations() -> tuple[Migration, ...]:
    """Every migration this version knows, in order."""
    files = sorted(
        (file for file in resources.files(f"{__package__}.migrations").iterdir()),
        key=lambda file: file.name,
    )
    return tuple(
        Migration(int(file.name[:4]), file.name[5:-4], file.read_text(encoding="utf-8"))
        for file in files
        if file.name.endswith(".sql")
    )


def migrate(connection: apsw.Connection, now_ns: int) -> tuple[Migration, ...]:
    """Applies what is missing and returns it.

    Raises `UnusableStore` for a database that a newer version has migrated further.
    """
    connection.execute(_RECORD)
    newest_known = migrations()[-1].number
    applied = applied_number(connection)
    if applied > newest_known:
        raise UnusableStore(
            f"the database is at migration {applied}, this version knows {newest_known} at most: "
            "start the newer version that migrated it, or restore a backup made before that"
        )
    return tuple(
        migration for migration in migrations() if _apply_if_missing(connection, migration, now_ns)
    )


def applied_number(connection: apsw.Connection) -> int:
    """The number of the newest migration in the database; 0 where there is none."""
    newest: Any = connection.execute("SELECT coalesce(max(number), 0) FROM migrations").get
    return newest


def _apply_if_missing(connection: apsw.Connection, migration: Migration, now_ns: int) -> bool:
    # The lock is taken before looking: of two processes that start together, one applies.
    connection.execute("BEGIN IMMEDIATE")
    try:
        missing = applied_number(connection) < migration.number
        if missing:
            connection.execute(migration.sql)
            connection.execute(
                "INSERT INTO migrations (number, title, applied_at_ns) VALUES (?, ?, ?)",
                (migration.number, migration.title, now_ns),
            )
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return missing
