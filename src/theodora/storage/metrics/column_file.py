"""The file of an organisation's event columns: its layout, writing and reading.

A header names every array with its place and digest; the arrays follow, each at the beginning of a
page, with room behind it that takes no space on the disk. Read, the arrays are mapped into memory:
processes share their pages, and what one appends or changes is its own.
"""

import hashlib
import math
import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from theodora.storage.events.change_log import HistoryMark

_MAGIC = b"theodora columns 2\n"
_LENGTH_BYTES = 8
_DIGEST_BYTES = 16
_PAGE_BYTES = 4_096
_WORD_BYTES = 8
_MOST_HEADER_BYTES = 2**30
_ROOM = 4
"""The share of an array that is free behind it, for what is appended."""


class UnusableFile(Exception):
    """A file that is damaged, or that another version has written."""


class Stretch(NamedTuple):
    """An array, and how many of its values are in use; what follows them is room."""

    array: NDArray[Any]
    size: int


@dataclass(frozen=True, slots=True)
class StoredEvents:
    """The columns of one kind of event."""

    arrays: Mapping[str, Stretch]
    names: Mapping[str, Sequence[str]]
    """The values of a column, by code."""
    sorted_count: int
    """How many events at the beginning lie by service, environment and time."""


class FileHead(NamedTuple):
    """What a file is true of."""

    org: str
    """The UUID of the organisation."""
    number: int
    """The last number of the change log that it takes into account."""
    mark: HistoryMark
    """Logged after that number: a database without it has another history."""
    rows: int
    """How many rows the columns have, of all kinds of events."""
    read_at_ns: int
    """When they were last read from the rows of the database, and not from a file."""


class _Section(msgspec.Struct, frozen=True, array_like=True):
    name: str
    dtype: str
    width: tuple[int, ...]
    size: int
    room: int
    """How many values fit, with those in use."""
    start: int
    """From the beginning of the arrays, in bytes."""
    digest: bytes

    @property
    def row_bytes(self) -> int:
        return math.prod((np.dtype(self.dtype).itemsize, *self.width))


class _Events(msgspec.Struct, frozen=True, array_like=True):
    sections: tuple[_Section, ...]
    names: dict[str, tuple[str, ...]]
    sorted_count: int


class _Header(msgspec.Struct, frozen=True, array_like=True):
    program: str
    head: FileHead
    events: dict[str, _Events]
    array_bytes: int


def write_columns(
    file: IO[bytes], program: str, head: FileHead, events: Mapping[str, StoredEvents]
) -> None:
    """Writes a complete file; `program` names the version that may read it."""
    start = 0
    described: dict[str, _Events] = {}
    for kind, stored in events.items():
        sections = tuple(_sections(stored.arrays, start))
        start = _end(sections[-1])
        names = {name: tuple(each) for name, each in stored.names.items()}
        described[kind] = _Events(sections, names, stored.sorted_count)
    header = msgspec.msgpack.encode(_Header(program, head, described, start))
    file.write(_preamble(header) + header)
    first = _first_array(len(header))
    for kind, stored in events.items():
        for section in described[kind].sections:
            file.seek(first + section.start)
            file.write(_bytes_in_use(stored.arrays[section.name]).data)
    file.truncate(first + start)


def read_head(file: IO[bytes], program: str) -> FileHead:
    """What a file is true of; raises `UnusableFile`."""
    return _read_header(file, program)[0].head


def map_columns(file: IO[bytes], program: str) -> tuple[FileHead, Mapping[str, StoredEvents]]:
    """The columns of a file, mapped into memory; raises `UnusableFile`.

    All of it is read once and compared with its digests.
    """
    header, first = _read_header(file, program)
    if os.fstat(file.fileno()).st_size != first + header.array_bytes:
        raise UnusableFile("its length is another")
    # A copy of a page is made for this process when it writes into that: the file never changes.
    mapped = mmap.mmap(file.fileno(), first + header.array_bytes, access=mmap.ACCESS_COPY)
    return header.head, {
        kind: StoredEvents(
            {each.name: _map_section(mapped, first, each) for each in events.sections},
            events.names,
            events.sorted_count,
        )
        for kind, events in header.events.items()
    }


def _sections(arrays: Mapping[str, Stretch], start: int) -> Iterator[_Section]:
    for name, (array, size) in arrays.items():
        shape = array.shape[1:]
        digest = _digest(_bytes_in_use(Stretch(array, size)))
        room = size + size // _ROOM + 1
        section = _Section(name, array.dtype.str, shape, size, room, start, digest)
        yield section
        start = _end(section)


def _end(section: _Section) -> int:
    """Where the next array begins."""
    return _whole_pages(section.start + section.room * section.row_bytes)


def _whole_pages(size: int) -> int:
    return -(-size // _PAGE_BYTES) * _PAGE_BYTES


def _first_array(header_bytes: int) -> int:
    return _whole_pages(len(_MAGIC) + _LENGTH_BYTES + _DIGEST_BYTES + header_bytes)


def _preamble(header: bytes) -> bytes:
    length = len(header).to_bytes(_LENGTH_BYTES, "little")
    return _MAGIC + length + hashlib.blake2b(header, digest_size=_DIGEST_BYTES).digest()


def _read_header(file: IO[bytes], program: str) -> tuple[_Header, int]:
    """The header, and where the arrays begin."""
    preamble = file.read(len(_MAGIC) + _LENGTH_BYTES + _DIGEST_BYTES)
    length = int.from_bytes(preamble[len(_MAGIC) :][:_LENGTH_BYTES], "little")
    header = file.read(min(length, _MOST_HEADER_BYTES))
    if _preamble(header) != preamble:
        raise UnusableFile("its header is damaged")
    try:
        decoded = msgspec.msgpack.decode(header, type=_Header)
    except msgspec.ValidationError as error:
        raise UnusableFile("another version has written it") from error
    if decoded.program != program:
        raise UnusableFile("another version has written it")
    return decoded, _first_array(length)


def _map_section(mapped: mmap.mmap, first: int, section: _Section) -> Stretch:
    values = np.frombuffer(
        mapped,
        section.dtype,
        section.room * math.prod(section.width),
        first + section.start,
    )
    found = Stretch(values.reshape(section.room, *section.width), section.size)
    if _digest(_bytes_in_use(found)) != section.digest:
        raise UnusableFile(f"its array {section.name} is damaged")
    return found


def _bytes_in_use(stretch: Stretch) -> NDArray[np.uint8]:
    return np.ascontiguousarray(stretch.array[: stretch.size]).reshape(-1).view(np.uint8)


def _digest(values: NDArray[np.uint8]) -> bytes:
    """A digest of the sums of all pages: as fast as memory, and finds pages that were not written,
    moved or changed by chance."""
    whole = len(values) // _PAGE_BYTES * _PAGE_BYTES
    words = values[:whole].view(np.uint64).reshape(-1, _PAGE_BYTES // _WORD_BYTES)
    hashed = hashlib.blake2b(words.sum(axis=1, dtype=np.uint64).data, digest_size=_DIGEST_BYTES)
    hashed.update(values[whole:].data)
    return hashed.digest()
