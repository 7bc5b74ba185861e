"""Tables to take away, for spreadsheets and scripts."""

from collections.abc import Iterable, Sequence

from theodora.web.csv_text import Cell, csv_bytes
from theodora.web.pages.frame import Download
from theodora.web.responses import CSV

__all__ = ["Cell", "csv_download"]


def csv_download(filename: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Download:
    """All of `rows` beneath `head`; what is not known is an empty cell."""
    return Download(csv_bytes(head, rows), CSV, filename)
