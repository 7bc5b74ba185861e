"""A copy of a store, or of one of its organisations, into another database, compared row by row.

The original is read in one snapshot and never written. The copy is filled in batches; each goes
into one transaction with a note of how far that got, so that a copy which was interrupted, however
that came about, goes on where it stood. The note is a table of its own, and while it is there no
server takes the database for a store. It goes when every row has been compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from typing import Any, LiteralString, Protocol

import msgspec

from theodora.errors import UnequalCopy, UnusableStore
from theodora.storage.copy.tables import CopiedTable, copied_tables, of_organisation
from theodora.storage.engine.cursor import Cursor, Row, only_value
from theodora.storage.engine.migrate import UNFINISHED_COPY, Schema, applied_number, migrations
from theodora.storage.engine.organisations import Organisation, find_organisation
from theodora.storage.engine.progress import Progress

_ROWS_AT_ONCE = 10_000
_SHOWN = 60
"""Characters of a value that are shown in a difference."""


class Original(Protocol):
    """A store that is read, all of it in one snapshot."""

    @property
    def schema(self) -> Schema: ...

    @property
    def cursor(self) -> Cursor: ...

    def has_changed(self) -> bool:
        """Whether anything has been committed since the snapshot."""
        ...

    def last_number(self, table: CopiedTable) -> int:
        """The last number that the database gave to a row; 0 for none, or if it numbers none."""
        ...


class Copy(Protocol):
    """A database that is filled."""

    @property
    def schema(self) -> Schema: ...

    @property
    def cursor(self) -> Cursor: ...

    def add(self, table: CopiedTable, rows: Sequence[Row]) -> None:
        """Adds rows, in the transaction that the caller has opened."""
        ...

    def as_kept(self, rows: Sequence[Row]) -> list[Row]:
        """Rows as the database has them once they have been added."""
        ...

    def give_numbers_after(self, table: CopiedTable, last: int) -> None:
        """Sets the sequence of a numbered table to at least this number and that of every row."""
        ...

    def settle(self, tables: Sequence[CopiedTable]) -> None:
        """Prepares the database for reads after many writes."""
        ...


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far a copy has got: the table it is at, and the key of the last row there."""

    table: str
    key: Row | None
    rows: int


class Copying:
    """One run: `copy`, then `compare` (`copy_and_compare` does both), then `finish`."""

    def __init__(self, original: Original, copy: Copy, organisation: str | None = None) -> None:
        """Copies everything, or the organisation of this name.

        Raises `UnusableStore` where the one cannot be copied into the other.
        """
        self._original = original
        self._copy = copy
        _check_version(original.schema)
        self._tables = copied_tables()
        self._identity = _identity(original.cursor)
        if organisation is not None:
            org = _existing(original.cursor, organisation)
            self._tables = tuple(of_organisation(table, org.key) for table in self._tables)
            self._identity += f", organisation {org.uuid}"
        if not copy.schema.has_table(UNFINISHED_COPY):
            _check_empty(copy.cursor, self._tables)
            self._begin()
        self._check_original()
        counts = (original.cursor.execute(_count(table), table.bound) for table in self._tables)
        self.rows = sum(map(only_value, counts))
        """How many there are to copy, and again to compare."""

    def copy(self) -> Iterator[int]:
        """Copies the rest and yields how many rows have just become durable.

        The first number is of those that earlier runs have copied.
        """
        begun = self._progress()
        rows = begun.rows
        yield rows
        names = [table.name for table in self._tables]
        for table in self._tables[names.index(begun.table) :]:
            after = begun.key if table.name == begun.table else None
            for page in _pages(self._original.cursor, table, after):
                reached = _Progress(table.name, table.key_of(page[-1]), rows + len(page))
                with self._copy.schema.transaction():
                    self._note(rows, reached)
                    self._copy.add(table, page)
                rows = reached.rows
                yield len(page)
        self._continue_counting()

    def compare(self) -> Iterator[int]:
        """Compares every row of every table and yields how many were just found equal.

        Raises `UnequalCopy` with the first difference.
        """
        for table in self._tables:
            pages = (_pages(side.cursor, table) for side in (self._original, self._copy))
            for ours, theirs in zip_longest(*pages, fillvalue=[]):
                if ours != theirs and (kept := self._copy.as_kept(ours)) != theirs:
                    raise UnequalCopy(
                        f"{_difference(table, kept, theirs)}. Create the copy's database "
                        "again, and rerun this while no server runs on either"
                    )
                yield len(ours)

    def copy_and_compare(self, progress: Progress) -> None:
        """Copies the rest, then compares every row. Raises `UnequalCopy` as `compare` does."""
        for step, counts in (("copying", self.copy()), ("comparing", self.compare())):
            for done in accumulate(counts):
                progress(step, done, self.rows)

    def finish(self) -> None:
        """Marks the copy as complete. Raises `UnequalCopy` if the original has gone on."""
        if self._original.has_changed():
            raise UnequalCopy(
                "the store has been written to while it was copied, and the copy lacks that. Stop "
                "its server, create the copy's database again, and rerun this"
            )
        self.finish_snapshot()

    def finish_snapshot(self) -> None:
        """Marks the copy as complete: it holds what the original held when the copy began."""
        self._copy.schema.execute("DROP TABLE unfinished_copy")
        self._copy.settle(self._tables)

    def _begin(self) -> None:
        with self._copy.schema.transaction():
            self._copy.schema.execute(
                "CREATE TABLE unfinished_copy (original TEXT NOT NULL, reached TEXT NOT NULL, "
                "last_key TEXT, copied BIGINT NOT NULL)"
            )
            self._copy.schema.execute(
                "INSERT INTO unfinished_copy (original, reached, copied) VALUES (?, ?, 0)",
                (self._identity, self._tables[0].name),
            )
            self._copy.schema.execute("DELETE FROM counters WHERE org <> 0 OR name <> 'commits'")

    def _check_original(self) -> None:
        begun = self._copy.schema.value("SELECT original FROM unfinished_copy")
        if begun != self._identity:
            raise UnusableStore(
                "the database to copy into holds an unfinished copy of another store or "
                "organisation: finish that copy, or create the database again"
            )

    def _progress(self) -> _Progress:
        [(table, key, rows)] = self._copy.cursor.execute(
            "SELECT reached, last_key, copied FROM unfinished_copy"
        ).fetchall()
        return _Progress(table, None if key is None else tuple(msgspec.json.decode(key)), rows)

    def _note(self, rows: int, reached: _Progress) -> None:
        """Notes how far the copy has got since it had this many rows."""
        key = msgspec.json.encode(reached.key).decode()
        noted = self._copy.cursor.execute(
            "UPDATE unfinished_copy SET reached = ?, last_key = ?, copied = ? WHERE copied = ? "
            "RETURNING copied",
            (reached.table, key, reached.rows, rows),
        )
        if not noted.fetchall():
            raise UnusableStore("another theodora copy is filling the same database: let it finish")

    def _continue_counting(self) -> None:
        """Continues the original's sequences, so that no number is used twice."""
        row = self._original.cursor.execute(
            "SELECT value FROM counters WHERE org = 0 AND name = 'commits'"
        ).fetchone()
        with self._copy.schema.transaction():
            for table in self._tables:
                self._copy.give_numbers_after(table, self._original.last_number(table))
            if row is not None:
                self._copy.schema.execute(
                    "UPDATE counters SET value = ? "
                    "WHERE org = 0 AND name = 'commits' AND value < ?",
                    (row[0], row[0]),
                )


def _check_version(original: Schema) -> None:
    if not original.has_table("migrations"):
        raise UnusableStore("the database to copy is no store of Theodora")
    if original.has_table(UNFINISHED_COPY):
        raise UnusableStore("the database to copy is itself an unfinished copy")
    newest, number = migrations(original.kind)[-1].number, applied_number(original)
    if number > newest:
        raise UnusableStore(
            f"the store to copy is at migration {number}, this version knows {newest} at most: "
            "copy it with the newer version that migrated it"
        )
    if number < newest:
        raise UnusableStore(
            f"the store to copy is at migration {number} and has to be at {newest}: run theodora "
            "migrate on it, or start this version's server on it once"
        )


def _check_empty(copy: Cursor, tables: Sequence[CopiedTable]) -> None:
    held = [table.name for table in tables if table.name != "counters" and _has_rows(copy, table)]
    if held:
        raise UnusableStore(
            f"the database to copy into is not empty, it holds {', '.join(held)}: name a database "
            "that has just been made"
        )


def _has_rows(cursor: Cursor, table: CopiedTable) -> bool:
    return cursor.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchone() is not None


def _identity(original: Cursor) -> str:
    """The identity of a store: its first organisation."""
    row = original.execute("SELECT uuid FROM organisations ORDER BY org LIMIT 1").fetchone()
    return row[0] if row else ""


def _existing(original: Cursor, name: str) -> Organisation:
    org = find_organisation(original, name)
    if org is None:
        raise UnusableStore(f'the store to copy has no organisation "{name}"')
    return org


def _pages(cursor: Cursor, table: CopiedTable, after: Row | None = None) -> Iterator[list[Row]]:
    """The rows of a table in order of the key, some at a time, from behind a key."""
    first, following = _page(table)
    while True:
        page = (
            cursor.execute(first, (*table.bound, _ROWS_AT_ONCE))
            if after is None
            else cursor.execute(following, (*table.bound, *after, _ROWS_AT_ONCE))
        ).fetchall()
        if page:
            yield page
        if len(page) < _ROWS_AT_ONCE:
            return
        after = table.key_of(page[-1])


def _page(table: CopiedTable) -> tuple[LiteralString, LiteralString]:
    """The statements for the first page and for the one behind a key."""
    key = ", ".join(table.key)
    selected: LiteralString = (
        f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {table.condition}"
    )
    behind = f"({key}) > ({', '.join(['?' for _ in table.key])})"
    ordered: LiteralString = f"ORDER BY {key} LIMIT ?"
    return f"{selected} {ordered}", f"{selected} AND {behind} {ordered}"


def _count(table: CopiedTable) -> LiteralString:
    return f"SELECT count(*) FROM {table.name} WHERE {table.condition}"


def _difference(table: CopiedTable, ours: list[Row], theirs: list[Row]) -> str:
    """The first difference between two pages."""
    our, their = next(pair for pair in zip_longest(ours, theirs) if pair[0] != pair[1])
    if their is None or (our is not None and table.key_of(our) < table.key_of(their)):
        return f"{_named(table, our)} is missing in the copy"
    if our is None or table.key_of(our) > table.key_of(their):
        return f"{_named(table, their)} is in the copy alone"
    column, is_, was = next(
        difference
        for difference in zip(table.columns, their, our, strict=True)
        if difference[1] != difference[2]
    )
    return f"{_named(table, our)}: {column} is {_shown(is_)} in the copy and was {_shown(was)}"


def _named(table: CopiedTable, row: Row) -> str:
    key = (f"{column} {_shown(value)}" for column, value in zip(table.key, row, strict=False))
    return f"{table.name}: the row of {', '.join(key)}"


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
