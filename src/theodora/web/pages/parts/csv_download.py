"""CSV downloads of tables."""

from collections.abc import Iterable, Sequence

from theodora.report.csv_text import Cell, csv_bytes, csv_chunks
from theodora.web.http.responses import CSV
from theodora.web.pages.shell.page import Download, Stream

__all__ = ["Cell", "csv_download", "csv_stream"]


def csv_download(filename: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Download:
    """A CSV file of `rows` with the line `head` above them; None is an empty cell."""
    return Download(csv_bytes(head, rows), CSV, filename)


def csv_stream(filename: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Stream:
    """The same of as many as there are; `rows` are read while they are being sent."""
    return Stream(csv_chunks(head, rows), CSV, filename)
