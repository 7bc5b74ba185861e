"""The files that `theodora import` reads: plain or gzip, in any encoding with a byte order mark."""

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STANDARD_INPUT = "-"

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Before UTF-16, whose mark is the beginning of this one.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UTF8 = "utf-8"


@contextmanager
def opened_lines(file: str) -> Generator[Iterator[str]]:
    """The lines of a file with their ends, and a progress bar on a terminal.

    Bytes that are not UTF-8 become surrogates, so that a reader can reject their line alone. Raises
    `click.ClickException` for a file that cannot be read at all.
    """
    if file == STANDARD_INPUT:
        stdin = _text(io.BufferedReader(_StandardInput()), file)
        with stdin as text, closing(_checked(text, file)) as lines:
            yield lines
        return
    path = Path(file)
    try:
        raw = path.open("rb")
    except OSError as error:
        raise click.ClickException(f"cannot read {file}: {error.strerror}") from error
    bar = click.progressbar(length=path.stat().st_size, label=path.name, file=sys.stderr)
    with raw, bar, _text(raw, file) as text, closing(_checked(text, file)) as lines:
        yield _watched(lines, raw, bar.update)


class _StandardInput(io.RawIOBase):
    """Standard input, which stays open when a reader on top of it is closed."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        read = cast("io.BufferedIOBase", sys.stdin.buffer).read1(len(view))
        view[: len(read)] = read
        return len(read)


def _text(stream: io.BufferedReader, file: str) -> io.TextIOWrapper:
    start = stream.peek(4)
    if start.startswith(_ZIP):
        raise click.ClickException(
            f"{file} is a zip archive or an Excel workbook; save the table as CSV (UTF-8)"
        )
    if start.startswith(_GZIP) or file.endswith(".gz"):
        unpacked = gzip.GzipFile(fileobj=stream)
        start = _start_of(unpacked, file)
        stream = io.BufferedReader(unpacked)
    encoding = next((name for mark, name in _ENCODINGS if start.startswith(mark)), _UTF8)
    errors = "surrogateescape" if encoding.startswith(_UTF8) else "strict"
    return io.TextIOWrapper(stream, encoding, errors, newline="")


def _start_of(unpacked: gzip.GzipFile, file: str) -> bytes:
    try:
        return unpacked.peek(4)[:4]
    except (EOFError, OSError, zlib.error) as error:
        raise _damaged(file, error) from error


def _checked(lines: Iterable[str], file: str) -> Generator[str]:
    """The lines, with a plain error message if reading fails."""
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise click.ClickException(
            f"{file} begins as {error.encoding} and is not: {error.reason}"
        ) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(file, error) from error


def _damaged(file: str, error: Exception) -> click.ClickException:
    return click.ClickException(f"{file}: the file ends too early or is not gzip: {error}")


def _watched(lines: Iterable[str], raw: IO[bytes], update: Callable[[int], Any]) -> Iterator[str]:
    """The lines, updating the progress bar with the position in the file."""
    done = 0
    for line in lines:
        yield line
        if raw.tell() != done:
            update(raw.tell() - done)
            done = raw.tell()
