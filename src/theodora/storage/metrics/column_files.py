"""A folder with a file of event columns for each organisation.

Whatever is wrong with a file, the columns are read from the database instead. Files are replaced by
renaming alone, so that a process which has mapped one keeps what it has mapped.
"""

import fcntl
import math
import mmap
import os
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from theodora.storage.engine.organisations import Organisation
from theodora.storage.metrics.column_file import (
    FileHead,
    StoredEvents,
    UnusableFile,
    map_columns,
    read_head,
    write_columns,
)

log = structlog.get_logger()

T = TypeVar("T")

_SUFFIX = ".columns"
_UNFINISHED = ".unfinished"
_ONLY_OWNER = 0o700


class ColumnFiles:
    """Every method may be called from any thread; several processes may share the folder."""

    def __init__(self, folder: Path, program: str) -> None:
        """`program` names what the columns are made by: files of another are not used."""
        self._folder = folder
        self._program = program

    def head(self, org: Organisation) -> FileHead | None:
        """What the organisation's file is true of; None if there is none that can be used."""
        return self._read(org, read_head)

    def map(self, org: Organisation) -> tuple[FileHead, Mapping[str, StoredEvents]] | None:
        """The organisation's columns; None if there is no file that can be used."""
        return self._read(org, map_columns)

    def save(self, head: FileHead, events: Mapping[str, StoredEvents]) -> None:
        """Writes the file of an organisation, or replaces it; raises `OSError`."""
        # Nothing waits for the disk: after a loss of power, digests show what is missing.
        with tempfile.NamedTemporaryFile(
            dir=self._folder, suffix=_UNFINISHED, delete=False
        ) as file:
            unfinished = Path(file.name)
            try:
                write_columns(file, self._program, head, events)
                file.flush()
                unfinished.rename(self._path(head.org))
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise

    def allocate(self, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> NDArray[Any]:
        """An array in a file without a name, which the system may write out; raises `OSError`.

        It takes no memory that others would need, however large it is.
        """
        size = max(1, math.prod(shape) * dtype.itemsize)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            # A full disk is an error here; when the array is written to, it would be a signal.
            os.posix_fallocate(file.fileno(), 0, size)
            mapped = mmap.mmap(file.fileno(), size)
        return np.frombuffer(mapped, dtype, math.prod(shape)).reshape(shape)

    @contextmanager
    def saving(self) -> Generator[bool]:
        """Whether this process alone may save files now; makes the folder, raises `OSError`."""
        self._folder.mkdir(mode=_ONLY_OWNER, parents=True, exist_ok=True)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            for each in self._folder.glob(f"*{_UNFINISHED}"):
                each.unlink(missing_ok=True)
            yield True
        finally:
            os.close(folder)

    def _path(self, uuid: str) -> Path:
        return _file_of(self._folder, uuid)

    def _read(self, org: Organisation, read: Callable[[IO[bytes], str], T]) -> T | None:
        path = self._path(org.uuid)
        try:
            with path.open("rb") as file:
                return read(file, self._program)
        except FileNotFoundError:
            return None
        except (UnusableFile, OSError) as error:
            log.debug("a file of columns is not used", file=str(path), reason=str(error))
            return None


def _file_of(folder: Path, uuid: str) -> Path:
    """The file of the organisation with this UUID."""
    return folder / f"{uuid}{_SUFFIX}"


def remove_column_file(folder: Path, uuid: str) -> None:
    """Removes the file of an organisation that is gone, if there is one."""
    with suppress(FileNotFoundError):
        _file_of(folder, uuid).unlink()
