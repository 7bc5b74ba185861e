"""A copy of the file as it was before it was migrated, to go back to the older version with."""

import os
from contextlib import closing, suppress
from pathlib import Path

import apsw

from theodora.errors import Unavailable
from theodora.storage.engine.sqlite.connection import connect_reader, driver_errors, make_private


def keep_copy(path: Path, number: int) -> None:
    """Copies the store at `path` into a file beside it, named after its first missing migration.

    An older copy goes once this one is complete. Raises `Unavailable` if there is no room for it.
    """
    kept = path.with_name(f"{path.name}.before-{number:04d}")
    unfinished = kept.with_name(f"{kept.name}.unfinished")
    try:
        with driver_errors(path):
            _copy(path, unfinished)
            unfinished.replace(kept)
    except Unavailable as error:
        with suppress(OSError):
            unfinished.unlink()
        raise Unavailable(
            f"a copy to go back to cannot be kept, so nothing was migrated: {error}. Make room for "
            f"{path.stat().st_size:,} bytes beside it, or make a backup elsewhere and run "
            "theodora migrate --no-copy"
        ) from error
    for older in path.parent.glob(f"{path.name}.before-*"):
        if older != kept:
            older.unlink()


def _copy(path: Path, target: Path) -> None:
    with suppress(FileNotFoundError):
        target.unlink()
    make_private(target)
    with closing(connect_reader(path)) as source, closing(apsw.Connection(str(target))) as copied:
        with copied.backup("main", source, "main") as backup:
            backup.step(-1)
        # The file alone is the copy: a log of its own would have to be moved with it.
        copied.pragma("journal_mode", "delete")
    with target.open("rb") as file:
        os.fsync(file.fileno())
