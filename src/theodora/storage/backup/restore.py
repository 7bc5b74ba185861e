"""Puts a backup in place of a store, all of it or nothing, once it has been verified."""

import os
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, NamedTuple

import apsw

from theodora.errors import Unavailable, UnusableBackup, UnusableStore
from theodora.storage.backup.archive import DATABASE, GIT, Manifest, read_archive
from theodora.storage.backup.backup import fsync_folder
from theodora.storage.backup.snapshot import check_file
from theodora.storage.copy.copy import Copying
from theodora.storage.engine.progress import Progress, unseen
from theodora.storage.engine.sqlite.connection import driver_errors
from theodora.storage.open import (
    is_postgresql,
    migrate_database,
    open_copy,
    open_original,
    sqlite_path,
)

_SIDE_FILES = ("-wal", "-shm", "-journal")


class Restored(NamedTuple):
    """The result of a restore."""

    manifest: Manifest
    replaced: Mapping[Path, Path]
    """Files that were there before, and where they are now."""


def restore(
    stream: BinaryIO,
    url: str,
    git_folder: Path,
    progress: Progress = unseen,
    size: int = 0,
) -> Restored:
    """Restores the backup in `stream`, of `size` compressed bytes, to the database at `url`.

    A SQLite file that is there is renamed, and so is the folder of packs and mirrors if the backup
    has one. A PostgreSQL database has to be empty. Raises `UnusableBackup` for a backup that is not
    sound, and `UnusableStore` where a server runs on the target; then nothing has changed.
    """
    parent = Path.cwd() if is_postgresql(url) else sqlite_path(url).absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".theodora-restore-", dir=parent) as name:
        folder = Path(name)
        manifest = read_archive(
            stream, folder, lambda _: progress("unpacking", min(_place(stream), size), size)
        )
        _check_content(folder / DATABASE, manifest)
        if is_postgresql(url):
            _fill_server(folder / DATABASE, url, progress)
            return Restored(manifest, _replace_folder(folder / GIT, git_folder))
        replaced = _replace_file(
            folder / DATABASE,
            sqlite_path(url).absolute(),
            lambda: _replace_folder(folder / GIT, git_folder),
        )
        return Restored(manifest, replaced)


def _place(stream: BinaryIO) -> int:
    return stream.tell() if stream.seekable() else 0


def _check_content(database: Path, manifest: Manifest) -> None:
    if not database.is_file():
        raise UnusableBackup("it holds no database")
    migration, rows = check_file(database)
    if (migration, rows) != (manifest.migration, manifest.rows):
        raise UnusableBackup("its database does not have the rows that its manifest names")


def _fill_server(database: Path, url: str, progress: Progress) -> None:
    """Until every row is there and compared, no server takes the database for a store."""
    migrate_database(f"sqlite:///{database}")
    with open_original(f"sqlite:///{database}") as original, open_copy(url) as copy:
        copying = Copying(original, copy)
        copying.copy_and_compare(progress)
        copying.finish()


def _replace_file(
    new: Path, path: Path, replace_others: Callable[[], dict[Path, Path]]
) -> dict[Path, Path]:
    """Puts a file in place of one that nobody has open, or of none."""
    new.chmod(0o600)
    with new.open("rb") as file:
        os.fsync(file.fileno())
    with _alone(path):
        replaced = replace_others()
        stamp = _stamp()
        for suffix in _SIDE_FILES:
            # SQLite would apply the log of the former file to the new one.
            left = path.with_name(path.name + suffix)
            if left.exists():
                replaced[left] = left.rename(left.with_name(f"{left.name}.replaced-{stamp}"))
        if path.exists():
            former = path.with_name(f"{path.name}.replaced-{stamp}")
            os.link(path, former)
            replaced[path] = former
        new.replace(path)
        fsync_folder(path.parent)
    return replaced


@contextmanager
def _alone(path: Path) -> Generator[None]:
    """Raises `UnusableStore` if any process has the file open; none can use it meanwhile."""
    if not path.exists() or not path.stat().st_size:
        yield
        return
    with closing(apsw.Connection(str(path))) as connection:
        try:
            with driver_errors(path):
                # Whoever has a file with a write-ahead log open holds a lock that prevents this.
                connection.pragma("journal_mode", "delete")
                connection.execute("BEGIN EXCLUSIVE")
        except UnusableStore:
            # What is no SQLite database is in use by no server; it is replaced and kept.
            yield
            return
        except Unavailable as error:
            raise UnusableStore(
                f"{path} is in use: stop the server and every command on it, then restore again"
            ) from error
        yield
        connection.execute("ROLLBACK")


def _replace_folder(new: Path, folder: Path) -> dict[Path, Path]:
    """The packs and mirrors of the backup; without any, those that are there stay."""
    if not new.exists():
        return {}
    folder = folder.absolute()
    replaced: dict[Path, Path] = {}
    if folder.exists():
        replaced[folder] = folder.rename(folder.with_name(f"{folder.name}.replaced-{_stamp()}"))
    folder.parent.mkdir(parents=True, exist_ok=True)
    new.rename(folder)
    return replaced


def _stamp() -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
