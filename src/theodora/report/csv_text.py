"""A CSV writer (RFC 4180), safe against formulas in spreadsheets."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import msgspec

Cell = str | int | float | bool | None

_ROWS_A_CHUNK = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_SPLIT_FORMULA = re.compile(r"""([,;|\t\r\n])(?=[\s"']*[=+\-@])""")
"""A separator with a formula after it, quoted or not."""


def csv_bytes(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """A CSV file of `rows` with the line `head` above them."""
    return b"".join(csv_chunks(head, rows))


def csv_chunks(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """The same, in chunks of several rows.

    Numbers are written as JSON writes them, to the last digit; an unknown value is an empty cell. A
    text that a spreadsheet would read as a formula gets an apostrophe, also after a separator
    within a text: spreadsheets of other languages split at those.
    """
    written = chain((head,), rows)
    while some := list(islice(written, _ROWS_A_CHUNK)):
        text = io.StringIO()
        csv.writer(text).writerows([_written(cell) for cell in row] for row in some)
        yield text.getvalue().encode("utf-8", "replace")


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        text = _SPLIT_FORMULA.sub(r"\1'", cell)
        return f"'{text}" if text.startswith(_FORMULA) else text
    return msgspec.json.encode(cell).decode()
