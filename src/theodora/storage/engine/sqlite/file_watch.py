"""A watch over the database file, which may be removed or replaced while it is open.

SQLite does not notice that: it goes on with the file that it has opened, which no other process
sees and which is gone once this one ends. What is committed then would be lost.

Removed, the file may come back, as when it was only renamed, and all goes on. Replaced, it holds
another store than the one this process has in memory, so it takes a restart. Until then nothing is
read or written, and the write-ahead log is kept from the new file: SQLite finds it by name and
would apply it to whatever file is there.
"""

import ctypes
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import apsw

from theodora.errors import Unavailable
from theodora.storage.engine.sqlite.connection import driver_errors

_LOG_HEADER_BYTES = 32
"""Counts how often the log was begun again, with salts that differ each time."""
_PATIENCE_SECONDS = 1.0
"""How long another process may take to copy its part of the log into the file."""
_LOOK_SECONDS = 0.005


class _Log(NamedTuple):
    """Changes whenever SQLite has copied pages from the log into the file."""

    copied: int
    header: bytes


class FileWatch:
    """`check` and `close` are for the thread that writes, the rest for any."""

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        """`connection` has just opened the file.

        Raises `Unavailable` if the file was replaced before anything could be compared.
        """
        self._path = path
        self._log_path = path.with_name(f"{path.name}-wal")
        self._connection = connection
        # Has SQLite open the log.
        connection.pragma("user_version")
        self._log_file = os.open(self._log_path, os.O_RDONLY)
        self._log = self._read_log()
        self._opened = path.stat()
        if _has_moved(connection):
            os.close(self._log_file)
            raise Unavailable(f"{path} was replaced while it was being opened: try again")
        self._seen = self._opened
        self._replaced = ""
        """How, once that was found."""
        self._is_elsewhere = False
        """Whether the file that was opened had lost its name to another one."""
        self._is_log_kept = False
        self._is_half_copied = False
        """Whether this process may have copied a part of the log without noting it there."""

    def check(self) -> None:
        """Raises `Unavailable` if the file is not the one that was opened and left by SQLite."""
        # Read before the file's state: what is copied in between is no change without a reason.
        before = self._read_log() or self._log
        if before != self._log:
            self._is_half_copied = False
        try:
            found = self._find()
        except Unavailable:
            if self._is_elsewhere:
                self._keep_log_from_new_file()
            raise
        if _is_same_content(found, self._seen):
            self._log, self._replaced = before, ""
            return
        # SQLite writes into the file only what it copies from the log, and notes that at the end.
        until = time.monotonic() + (0 if self._replaced else _PATIENCE_SECONDS)
        while self._read_log() in {None, self._log} and not self._is_half_copied:
            if time.monotonic() >= until:
                self._replaced = "another program has written into it"
                self.refuse_if_replaced()
            time.sleep(_LOOK_SECONDS)
        self._seen, self._log, self._replaced = found, before, ""

    @contextmanager
    def copying(self) -> Generator[None]:
        """For copying the log into the file, on the thread that writes.

        SQLite notes in the log what it has copied once it has copied all of it: after an error of
        the disk on the way, the file has changed and the log does not show why.
        """
        try:
            yield
        except apsw.Error:
            self._is_half_copied = True
            raise

    def is_in_place(self) -> bool:
        """Whether the file that was opened still has its name, and nothing is known against it."""
        try:
            return os.path.samestat(self._path.stat(), self._opened) and not self._replaced
        except OSError:
            return False

    def _find(self) -> os.stat_result:
        """The state of the file; raises `Unavailable` if there is none or another one."""
        if self._is_elsewhere:
            self.refuse_if_replaced()
        try:
            found = self._path.stat()
        except OSError as error:
            raise Unavailable(
                f"{self._path} was removed or renamed while this server had it open "
                f"({error.strerror}). Put it back, or stop the server, restore a backup and start "
                "the server"
            ) from None
        if not os.path.samestat(found, self._opened):
            self._is_elsewhere = True
            self._replaced = "another file is in its place"
            self.refuse_if_replaced()
        return found

    def refuse_if_replaced(self) -> None:
        """Raises `Unavailable` once a check has found the file to be replaced."""
        if self._replaced:
            raise Unavailable(
                f"{self._path} was replaced while this server had it open: {self._replaced}. "
                "Restart the server to use what is there now"
            )

    def close(self) -> None:
        """Ends the watch; closing the connection then leaves a file that was replaced alone."""
        try:
            self.check()
        except Unavailable:
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            self._keep_log_from_new_file()
        os.close(self._log_file)

    def _keep_log_from_new_file(self) -> None:
        """Keeps SQLite from applying the log to whatever file is there now, or will be."""
        if self._is_log_kept:
            return
        self._is_log_kept = True
        is_overwritten = self._replaced and not self._is_elsewhere
        if is_overwritten or not self._is_log_copied():
            # It may hold what is nowhere else; SQLite ignores it under another name.
            with suppress(OSError):
                self._log_path.rename(f"{self._log_path}-of-replaced-file")

    def _is_log_copied(self) -> bool:
        """Completes the file that was opened, wherever it is now; whether that went well."""
        try:
            frames, copied = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except apsw.Error:
            return False
        return frames == copied

    def _read_log(self) -> _Log | None:
        """None while another process changes the log.

        Raises `Unavailable` if the disk cannot be read.
        """
        with driver_errors(self._log_path):
            try:
                _, copied = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
            except apsw.BusyError:
                return None
            return _Log(copied, os.pread(self._log_file, _LOG_HEADER_BYTES, 0))


def _has_moved(connection: apsw.Connection) -> bool:
    """Whether the file that SQLite has opened is not the one that has its name now."""
    answer = ctypes.c_int()
    address = ctypes.addressof(answer)
    connection.file_control("main", apsw.SQLITE_FCNTL_HAS_MOVED, address)
    return bool(answer.value)


def _is_same_content(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_mtime_ns, one.st_size) == (other.st_mtime_ns, other.st_size)
