"""The file format of backups: a gzipped tar archive whose last member has the checksum of each.

manifest.json   what it holds, and what made it
theodora.db     the store as a SQLite file, whichever database it came from
git/…           uploaded packs and mirrors
SHA256SUMS      as `sha256sum` writes and checks it; an archive without it is not complete
"""

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

import msgspec

from theodora.errors import UnusableBackup

MANIFEST = "manifest.json"
DATABASE = "theodora.db"
GIT = "git"
_SUMS = "SHA256SUMS"
_FORMAT = 1
_COMPRESSION = 1
"""Level 6 takes twice the time for files that are a sixth smaller."""
_CHUNK_BYTES = 1 << 20

OnBytes = Callable[[int], None]
"""Receives the number of bytes just written or read, uncompressed."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of a backup, and the program that made it."""

    format: int = _FORMAT
    theodora: str
    """The version that made it."""
    made_at: str
    """In RFC 3339, UTC."""
    source: str
    """The kind of database it was made of."""
    migration: int
    """The newest migration of the store."""
    rows: Mapping[str, int]
    """How many rows each table has."""

    @property
    def deployments(self) -> int:
        return self.rows.get("deployments", 0)

    @property
    def failures(self) -> int:
        return self.rows.get("failures", 0)


class _Hashed(io.RawIOBase):
    """Reads a file and hashes what was read."""

    def __init__(self, file: IO[bytes], on_bytes: OnBytes) -> None:
        super().__init__()
        self._file = file
        self._on_bytes = on_bytes
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._hash.update(data)
        self._on_bytes(len(data))
        return data

    @property
    def sum(self) -> str:
        return self._hash.hexdigest()


class ArchiveWriter:
    """Adds members to an archive, the manifest first."""

    def __init__(self, tar: tarfile.TarFile, on_bytes: OnBytes) -> None:
        self._tar = tar
        self._on_bytes = on_bytes
        self._sums: dict[str, str] = {}

    def add(self, name: str, file: IO[bytes], size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        hashed = _Hashed(file, self._on_bytes)
        self._tar.addfile(info, hashed)  # pyright: ignore[reportArgumentType]
        self._sums[name] = hashed.sum

    def add_bytes(self, name: str, content: bytes) -> None:
        self.add(name, io.BytesIO(content), len(content))

    def add_sums(self) -> None:
        """Ends the archive; without this it is not taken for a backup."""
        self.add_bytes(_SUMS, _listed(self._sums))


@contextmanager
def writing_archive(stream: BinaryIO, on_bytes: OnBytes) -> Generator[ArchiveWriter]:
    """A writer to a stream that need not be a file."""
    with (
        gzip.GzipFile("", "wb", _COMPRESSION, stream, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w|") as tar,
    ):
        writer = ArchiveWriter(tar, on_bytes)
        yield writer
        writer.add_sums()


def read_archive(stream: BinaryIO, folder: Path | None, on_bytes: OnBytes) -> Manifest:
    """Reads an archive to its end and checks every sum, unpacking it into `folder` if there is one.

    Raises `UnusableBackup` for one that is damaged, not complete, or not ours.
    """
    manifest: Manifest | None = None
    listed: bytes | None = None
    sums: dict[str, str] = {}
    with _damage():
        for name, file in _members(stream):
            hashed = _Hashed(file, on_bytes)
            if listed is not None:
                raise UnusableBackup(f"there is {name} after its end")
            if name == _SUMS:
                listed = hashed.read()
                continue
            if name == MANIFEST:
                manifest = _decode(hashed.read())
            elif manifest is None:
                raise UnusableBackup("it is not a backup of Theodora: it has no manifest")
            else:
                _unpack(name, hashed, folder)
            sums[name] = hashed.sum
    if manifest is None or listed is None:
        raise UnusableBackup("it is not complete: its list of checksums is missing")
    if listed != _listed(sums):
        raise UnusableBackup(f"{_first_difference(listed, sums)} is not what was backed up")
    return manifest


def _members(stream: BinaryIO) -> Iterator[tuple[str, IO[bytes]]]:
    with (
        gzip.GzipFile(fileobj=stream, mode="rb") as unzipped,
        tarfile.open(fileobj=unzipped, mode="r|") as tar,
    ):
        for info in tar:
            file = tar.extractfile(info) if info.isreg() else None
            if file is None or not _is_ours(info.name):
                raise UnusableBackup(f"it holds {info.name!r}, which no backup has")
            yield info.name, file
        # The checksum of gzip comes at its end.
        while unzipped.read(_CHUNK_BYTES):
            pass


def _is_ours(name: str) -> bool:
    """Names lead nowhere outside of the folder that they are unpacked into."""
    parts = PurePosixPath(name).parts
    is_plain = name == "/".join(parts) and ".." not in parts and "\0" not in name
    return name in {MANIFEST, DATABASE, _SUMS} or (is_plain and len(parts) > 1 and parts[0] == GIT)


def _unpack(name: str, content: _Hashed, folder: Path | None) -> None:
    if folder is None:
        while content.read(_CHUNK_BYTES):
            pass
        return
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as unpacked:
        while data := content.read(_CHUNK_BYTES):
            unpacked.write(data)


def _listed(sums: Mapping[str, str]) -> bytes:
    return "".join(f"{sum_}  {name}\n" for name, sum_ in sums.items()).encode()


def _decode(content: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.ValidationError as error:
        raise UnusableBackup(f"its manifest cannot be read: {error}") from error
    if manifest.format != _FORMAT:
        raise UnusableBackup(
            f"it has format {manifest.format}, this version reads {_FORMAT}: restore it with "
            f"Theodora {manifest.theodora} or newer"
        )
    return manifest


def _first_difference(listed: bytes, sums: Mapping[str, str]) -> str:
    lines = listed.decode(errors="replace").splitlines()
    differing = (name for name, sum_ in sums.items() if f"{sum_}  {name}" not in lines)
    return next(differing, "its list of checksums")


@contextmanager
def _damage() -> Generator[None]:
    """Turns what the readers of gzip and tar raise into an error of ours."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error, tarfile.TarError, msgspec.DecodeError) as error:
        raise UnusableBackup(f"it is damaged or not complete: {error}") from error
