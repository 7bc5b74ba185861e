"""The formats of files that can be imported, one row a format."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from theodora.sources.csv_tables import Columns, Table
from theodora.sources.json_lines import rows_of_lines
from theodora.sources.rows import Contents

Read: TypeAlias = Callable[[Iterable[str], Columns, Mapping[str, str]], Contents]
"""Reads lines; a table has these columns, and the mapping names the columns of some members.

Raises `Invalid` for a file that cannot be read at all.
"""


@dataclass(frozen=True, slots=True)
class Format:
    """A row of the table."""

    name: str
    read: Read
    kinds: frozenset[str]
    """The kinds that such files may contain."""
    suffixes: tuple[str, ...] = ()
    """Names of files that have this format unless another one is asked for."""


def _read_lines(lines: Iterable[str], _: Columns, __: Mapping[str, str]) -> Contents:
    return Contents(rows_of_lines(lines))


def _read_table(lines: Iterable[str], columns: Columns, mapping: Mapping[str, str]) -> Contents:
    table = Table(lines, columns, mapping)
    return Contents(table.rows(), table.column_of, table.unread)


_EVERY_KIND = frozenset({"deployments", "failures", "commits", "pull-requests"})

FORMATS: tuple[Format, ...] = (
    Format("jsonl", _read_lines, _EVERY_KIND | {"verdicts"}),
    Format("csv", _read_table, _EVERY_KIND, suffixes=(".csv", ".tsv")),
)
"""The first one is the default."""


def formats_of(kind: str) -> list[str]:
    """The names of the formats for this kind."""
    return [each.name for each in FORMATS if kind in each.kinds]


def format_of(file: str, name: str | None) -> Format:
    """The format with this name or, without one, the format that the name of the file suggests."""
    if name is not None:
        return next(each for each in FORMATS if each.name == name)
    plain = file.lower().removesuffix(".gz")
    return next((each for each in FORMATS if plain.endswith(each.suffixes)), FORMATS[0])
