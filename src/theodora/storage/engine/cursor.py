"""The cursor interface of both databases."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, LiteralString, Protocol, TypeVar

from theodora.storage.engine.dialect import Dialect

T = TypeVar("T")

Row = tuple[Any, ...]

Pace = Callable[[], AbstractContextManager[object]]
"""The context of some computing in Python; raises where the read has to end."""


class Cursor(Protocol):
    """A cursor inside a transaction or a reader's.

    Statements are literal: that values are bound and never spliced is for the type checker
    to see. Placeholders are `?` or `?1`, whatever the database.
    """

    @property
    def dialect(self) -> Dialect: ...

    @property
    def pace(self) -> Pace:
        """For what is computed between statements and may take milliseconds in all."""
        ...

    def beside(self) -> "Cursor":
        """Another cursor in the same transaction."""
        ...

    def execute(self, statement: LiteralString, values: Sequence[Any] = (), /) -> "Cursor": ...

    def executemany(
        self, statement: LiteralString, rows: Iterable[Sequence[Any]], /
    ) -> "Cursor": ...

    def fetchone(self) -> Row | None: ...

    def fetchall(self) -> list[Row]: ...

    def __iter__(self) -> Iterator[Row]: ...


def in_equal_parts(keys: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The keys in parts of `size`, for one statement whatever their number.

    The last key fills the places that are left.
    """
    for at in range(0, len(keys), size):
        part = keys[at : at + size]
        yield [*part, *[part[-1]] * (size - len(part))]


def placeholders(count: int) -> LiteralString:
    """So many placeholders, for the brackets of IN."""
    return "?" + ", ?" * (count - 1)


def only_value(cursor: Cursor) -> Any:
    """The first column of the first row of a statement that always has one."""
    row = cursor.fetchone()
    assert row is not None, "a statement without a row"
    return row[0]
