"""Brings a database's schema up to this version, one migration at a time, in order.

Migrations are the files of `migrations/`, named `NNNN_title.sql`, or `NNNN_title.KIND.sql`
where the kinds of database need one each. Each runs in a transaction together with its record,
so a database holds a migration wholly or not at all.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal, LiteralString, Protocol

from theodora.errors import UnusableStore

Kind = Literal["sqlite", "postgresql"]

_RECORD: LiteralString = """
CREATE TABLE IF NOT EXISTS migrations (
  number BIGINT PRIMARY KEY,
  title TEXT NOT NULL,
  applied_at_ns BIGINT NOT NULL
)
"""

_IS_APPLIED: LiteralString = "SELECT count(*) FROM migrations WHERE number = ?"

UNFINISHED_COPY = "unfinished_copy"
"""The table that a database has while another is copied into it, see `storage/copy/copy.py`."""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    title: str
    sql: str


class Schema(Protocol):
    """The schema that migrations change."""

    @property
    def kind(self) -> Kind: ...

    def transaction(self) -> AbstractContextManager[None]:
        """One that no other process is in at the same time."""
        ...

    def run(self, script: str) -> None:
        """Runs the statements of a migration."""
        ...

    def execute(self, statement: LiteralString, values: tuple[Any, ...] = ()) -> None: ...

    def value(self, statement: LiteralString, values: tuple[Any, ...] = ()) -> Any:
        """The only value of the only row."""
        ...

    def has_table(self, name: str) -> bool: ...


KeepCopy = Callable[[int], None]
"""Keeps a copy of the store as it is before the migration of this number."""


def nothing_kept(_number: int) -> None:
    """Keeps no copy."""


@cache
def migrations(kind: Kind = "sqlite") -> tuple[Migration, ...]:
    """Every migration this version knows for a kind of database, in order."""
    files = sorted(
        (
            file
            for file in resources.files(f"{__package__}.migrations").iterdir()
            if file.name.endswith(".sql")
        ),
        key=lambda file: file.name,
    )
    named = [(file, file.name.split(".")) for file in files]
    return tuple(
        Migration(int(title[:4]), title[5:], file.read_text(encoding="utf-8"))
        for file, (title, *kinds, _) in named
        if kinds in ([], [kind])
    )


def migrate(
    schema: Schema, now_ns: int, keep_copy: KeepCopy = nothing_kept
) -> tuple[Migration, ...]:
    """Applies the missing migrations and returns them.

    A store that is there is copied with `keep_copy` before the first of them.

    Raises `UnusableStore` for a database that a newer version has migrated further, or that is
    an unfinished copy.
    """
    if schema.has_table(UNFINISHED_COPY):
        raise UnusableStore(
            "the database is an unfinished copy of another: run the same theodora copy again to "
            "finish it, or create the database again"
        )
    return apply_missing(schema, now_ns, keep_copy)


def apply_missing(
    schema: Schema, now_ns: int, keep_copy: KeepCopy = nothing_kept
) -> tuple[Migration, ...]:
    """The same, also in a database that is an unfinished copy."""
    with schema.transaction():
        schema.execute(_RECORD)
    known = migrations(schema.kind)
    applied = applied_number(schema)
    if applied > known[-1].number:
        raise UnusableStore(
            f"the database is at migration {applied}, this version knows {known[-1].number} at "
            "most: start the newer version that migrated it, or restore a backup made before that"
        )
    # Mostly nothing is missing: one statement then, in place of a transaction for each migration.
    if _count_applied(schema, known) == len(known):
        return ()
    if applied:
        _keep_if_any_is_missing(schema, known, keep_copy)
    return tuple(migration for migration in known if _apply_if_missing(schema, migration, now_ns))


def _count_applied(schema: Schema, known: tuple[Migration, ...]) -> int:
    places = ", ".join("?" for _ in known)
    return schema.value(
        f"SELECT count(*) FROM migrations WHERE number IN ({places})",
        tuple(migration.number for migration in known),
    )


def _keep_if_any_is_missing(
    schema: Schema, known: tuple[Migration, ...], keep_copy: KeepCopy
) -> None:
    # Under the lock: another process may be migrating, and half of that is not to be kept.
    with schema.transaction():
        first = next((each for each in known if _is_missing(schema, each)), None)
        if first is not None:
            keep_copy(first.number)


def applied_number(schema: Schema) -> int:
    """The number of the newest migration in the database; 0 where there is none."""
    return schema.value("SELECT coalesce(max(number), 0) FROM migrations")


def _apply_if_missing(schema: Schema, migration: Migration, now_ns: int) -> bool:
    with schema.transaction():
        # By its own number: two that were made side by side may come in either order.
        missing = _is_missing(schema, migration)
        if missing:
            schema.run(migration.sql)
            schema.execute(
                "INSERT INTO migrations (number, title, applied_at_ns) VALUES (?, ?, ?)",
                (migration.number, migration.title, now_ns),
            )
    return missing


def _is_missing(schema: Schema, migration: Migration) -> bool:
    return not schema.value(_IS_APPLIED, (migration.number,))
