"""The rows of a file, whatever its format."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from theodora.errors import Invalid
from theodora.events.json_values import JsonObject


class Row(NamedTuple):
    """An object with the members of the API, or the error of a row that cannot be read."""

    line: int
    """The line on which it begins."""
    document: JsonObject | None
    error: Invalid | None = None


class Contents(NamedTuple):
    """The rows of a file, each an object with the members of the API."""

    rows: Iterator[Row]
    column_of: Callable[[str], str | None] | None = None
    """In a table, the column of a member."""
    unread: Sequence[str] = ()
    """Columns without a member."""
