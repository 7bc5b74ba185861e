"""Makes a backup of a store that is being served, and verifies it by reading it back."""

import os
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import BinaryIO, NamedTuple

import msgspec

from theodora.errors import UnusableBackup
from theodora.events import format_rfc3339
from theodora.storage.backup.archive import (
    DATABASE,
    GIT,
    MANIFEST,
    Manifest,
    OnBytes,
    read_archive,
    writing_archive,
)
from theodora.storage.backup.snapshot import check_file, copy_store
from theodora.storage.engine.progress import Progress, unseen
from theodora.storage.open import is_postgresql

WORKING_PREFIX = ".theodora-backup-"
"""Of the folder beside a backup that it is made in."""


class GitFile(NamedTuple):
    """A file of the folder of packs and mirrors."""

    name: str
    """With `/` between the folders."""
    path: Path


class BackupSource(NamedTuple):
    """What is backed up."""

    url: str
    git_files: Iterable[GitFile]
    version: str
    """Of the program that makes the backup."""


def back_up(source: BackupSource, file: Path, progress: Progress = unseen) -> Manifest:
    """Puts a backup at `file`, in place of what was there, once it has been read back.

    Raises `UnusableBackup` if it cannot be read back as it was written; the file that was there
    then stays.
    """
    with (
        _working_folder(file.absolute().parent) as folder,
        NamedTemporaryFile(dir=folder, delete=False) as written,
    ):
        manifest = _write(source, written, folder, progress)  # pyright: ignore[reportArgumentType]
        written.flush()
        os.fsync(written.fileno())
        size = written.tell()
        with Path(written.name).open("rb") as again:
            if (
                read_archive(again, None, _counted(progress, "reading back", size, again))
                != manifest
            ):
                raise UnusableBackup("it differs from what was written; check the disk")
        Path(written.name).replace(file)
    fsync_folder(file.absolute().parent)
    return manifest


def stream_backup(
    source: BackupSource, stream: BinaryIO, folder: Path, progress: Progress = unseen
) -> Manifest:
    """Writes a backup to a stream, which cannot be read back; `folder` is for what is temporary."""
    with _working_folder(folder) as working:
        return _write(source, stream, working, progress)


def fsync_folder(folder: Path) -> None:
    """Makes names of files durable."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _write(source: BackupSource, stream: BinaryIO, folder: Path, progress: Progress) -> Manifest:
    database = folder / DATABASE
    copy_store(source.url, database, progress)
    migration, rows = check_file(database)
    manifest = Manifest(
        theodora=source.version,
        made_at=format_rfc3339(time.time_ns()),
        source="postgresql" if is_postgresql(source.url) else "sqlite",
        migration=migration,
        rows=rows,
    )
    size = database.stat().st_size
    done = 0

    def note(count: int) -> None:
        nonlocal done
        done += count
        progress("compressing", min(done, size), size)

    with writing_archive(stream, note) as archive:
        archive.add_bytes(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        with database.open("rb") as file:
            archive.add(DATABASE, file, size)
        database.unlink()
        for name, path in source.git_files:
            with path.open("rb") as file:
                archive.add(f"{GIT}/{name}", file, os.fstat(file.fileno()).st_size)
    return manifest


def _counted(progress: Progress, what: str, size: int, file: BinaryIO) -> OnBytes:
    return lambda _: progress(what, file.tell(), size)


@contextmanager
def _working_folder(parent: Path) -> Generator[Path]:
    """A folder that only this user may read, on the disk that the backup goes to."""
    with TemporaryDirectory(prefix=WORKING_PREFIX, dir=parent) as folder:
        yield Path(folder)
