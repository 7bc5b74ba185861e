"""Tables as CSV (RFC 4180) that no spreadsheet takes for more than text and numbers."""

import csv
import io
from collections.abc import Iterable, Sequence

import msgspec

Cell = str | int | float | bool | None

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_bytes(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """All of `rows` beneath `head`.

    Numbers are written as JSON writes them, to the last digit; what is not known is an empty
    cell. A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_written(name) for name in head])
    writer.writerows([_written(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8", "replace")


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(_FORMULA) else cell
    return msgspec.json.encode(cell).decode()
