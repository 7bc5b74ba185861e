"""Tables as CSV (RFC 4180) that no spreadsheet takes for more than text and numbers."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import msgspec

Cell = str | int | float | bool | None

_ROWS_A_CHUNK = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_bytes(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """All of `rows` beneath `head`."""
    return b"".join(csv_chunks(head, rows))


def csv_chunks(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """The same, some rows at a time.

    Numbers are written as JSON writes them, to the last digit; what is not known is an empty
    cell. A text that a spreadsheet would take for a formula gets an apostrophe before it.
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
        return f"'{cell}" if cell.startswith(_FORMULA) else cell
    return msgspec.json.encode(cell).decode()
