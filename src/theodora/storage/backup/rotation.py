"""A folder of backups, made at an interval; the newest are kept."""

import fcntl
import re
import time
from calendar import timegm
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

import structlog

from theodora.storage.backup.archive import Manifest
from theodora.storage.backup.audit_entry import record_in_store
from theodora.storage.backup.backup import WORKING_PREFIX, BackupSource, back_up
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.progress import Progress, unseen
from theodora.storage.engine.worker import Worker

log = structlog.get_logger()

_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"theodora-(\d{8}T\d{6}Z)\.tar\.gz")
_LOCK = ".theodora-backups.lock"
_LOOK_SECONDS = 30.0
_RETRY_SECONDS = 600.0
"""After a failure: what fails at once, as on a full disk, is not tried again and again."""
_STALE_SECONDS = 86_400


class AddedBackup(NamedTuple):
    """A backup that has been made, and what it holds."""

    path: Path
    manifest: Manifest


class BackupFolder:
    """Several processes, of several servers too, may keep backups in one folder on one machine."""

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder = folder
        self._keep = keep

    def backups(self) -> list[Path]:
        """The newest last."""
        if not self._folder.is_dir():
            return []
        return sorted(path for path in self._folder.iterdir() if _NAME.fullmatch(path.name))

    def is_due(self, every_seconds: int, now_sec: float) -> bool:
        """Whether the newest is that old. One that is from the future is no reason to wait."""
        made = [_made_sec(path) for path in self.backups()]
        return not any(now_sec - every_seconds < each <= now_sec for each in made)

    def file_of(self, now_sec: float) -> Path:
        """The file of a backup that is made now."""
        return self._folder / f"theodora-{time.strftime(_TIME, time.gmtime(now_sec))}.tar.gz"

    def add(self, source: BackupSource, now_sec: float, progress: Progress = unseen) -> AddedBackup:
        """Makes a backup, then removes the oldest that are too many.

        Those from the future were made by a wrong clock, before this one: they count as the oldest.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.file_of(now_sec)
        manifest = back_up(source, path, progress)
        dated = [(_made_sec(each), each) for each in self.backups()]
        oldest_first = sorted((made_sec <= now_sec, made_sec, each) for made_sec, each in dated)
        for _, _, old in oldest_first[: -self._keep]:
            old.unlink(missing_ok=True)
        return AddedBackup(path, manifest)

    @contextmanager
    def alone(self) -> Generator[bool]:
        """Whether no other process makes a backup here, and none does until the `with` ends."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            self._clear_stale()
            yield True

    def _clear_stale(self) -> None:
        """Removes what a process that was killed has left of a backup."""
        oldest = time.time() - _STALE_SECONDS
        for left in self._folder.glob(f"{WORKING_PREFIX}*"):
            if left.stat().st_mtime < oldest:
                rmtree(left, ignore_errors=True)


class BackupWorker(Worker):
    """A thread that backs the store up whenever a backup is due, from `start` to `stop`.

    When it is stopped, it gives up a backup that is under way and removes what there is of it.
    """

    def __init__(
        self,
        folder: BackupFolder,
        every_seconds: int,
        source: Callable[[], BackupSource],
        actor: Actor,
    ) -> None:
        """The audit log names the actor."""
        super().__init__("backup")
        self._actor = actor
        self._folder = folder
        self._every_seconds = every_seconds
        self._source = source

    def _run(self) -> None:
        while not self._stopping.is_set():
            wait_seconds = _LOOK_SECONDS
            try:
                with suppress(_Stopped):
                    self._back_up_if_due(time.time())
            except Exception as error:  # The next round tries again.
                event = "the backup failed and is tried again"
                self._log_failure(event, error, after_seconds=_RETRY_SECONDS)
                wait_seconds = _RETRY_SECONDS
            self._stopping.wait(wait_seconds)

    def _back_up_if_due(self, now_sec: float) -> None:
        with self._folder.alone() as is_alone:
            if is_alone and self._folder.is_due(self._every_seconds, now_sec):
                began = time.monotonic()
                source = self._source()
                self._record(source.url, self._folder.file_of(now_sec))
                path, manifest = self._folder.add(source, now_sec, self._go_on)
                log.info(
                    "backed up",
                    file=str(path),
                    bytes=path.stat().st_size,
                    deployments=manifest.deployments,
                    failures=manifest.failures,
                    seconds=round(time.monotonic() - began, 1),
                )

    def _record(self, url: str, file: Path) -> None:
        reason = record_in_store(url, "store.backed_up", str(file), actor=self._actor)
        if reason:
            log.warning("the audit log has no entry of the backup", file=str(file), reason=reason)

    def _go_on(self, _what: str, _done: int, _of: int) -> None:
        if self._stopping.is_set():
            raise _Stopped


class _Stopped(Exception):
    """The worker stops while a backup is being made."""


def _made_sec(path: Path) -> float:
    found = _NAME.fullmatch(path.name)
    assert found, "a file that is no backup"
    return timegm(time.strptime(found[1], _TIME))
