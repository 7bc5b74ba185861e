"""`theodora backup`: a complete store in one file, while its server runs."""

import signal
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from theodora.app import git_folder, source_of
from theodora.cli.invocation import command_actor
from theodora.cli.logs import configure_logs
from theodora.cli.options import config_from, setting_options
from theodora.cli.progress import ProgressBars
from theodora.config import Config, setting_named
from theodora.storage.backup.archive import Manifest
from theodora.storage.backup.audit_entry import record_in_store
from theodora.storage.backup.backup import BackupSource, back_up, stream_backup
from theodora.storage.backup.rotation import BackupFolder, BackupWorker


def _seconds(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """As the setting backup_every reads an interval."""
    return None if value is None else setting_named("backup_every").read(value, "--every")


@click.command()
@click.argument("file")
@setting_options(["database", "git_folder"])
@click.option(
    "--keep", type=click.IntRange(min=1), help="Where FILE is a folder: how many backups to keep."
)
@click.option(
    "--every",
    metavar="INTERVAL",
    callback=_seconds,
    help="Where FILE is a folder: keep running, and make one whenever the newest is so old; "
    "for example 6h.",
)
def backup(file: str, keep: int | None, every: int | None, **flags: str | None) -> None:
    """Back up a store to FILE, or to the standard output as -.

    \b
    theodora backup /backups/theodora.tar.gz
    theodora backup - | ssh backups 'cat > theodora.tar.gz'
    theodora backup /backups --keep 14
    theodora backup /backups --every 6h --keep 28

    The server may run. The backup holds everything as of one moment: every organisation's events,
    commits, verdicts, settings, the hashes of keys, and uploaded packs and mirrors. It is a .tar.gz
    that `theodora restore` restores to SQLite or PostgreSQL.

    A file takes the place of an older one only after it has been read back. If FILE is a folder,
    the backup is named after the time, and --keep removes the oldest. With --every the command goes
    on until SIGTERM or Ctrl-C ends it, and tries again where a backup fails.
    """
    config = config_from(flags)
    path = Path(file)
    if (keep or every) and not path.is_dir():
        raise click.UsageError("--keep and --every need a folder: name one that exists")
    if every:
        _back_up_every(every, BackupFolder(path, keep or sys.maxsize), config)
        return
    source = source_of(config)
    with plain_file_errors(), ProgressBars() as bars:
        if file == "-":
            made = _back_up_to_output(source, _temporary(config), bars)
        elif path.is_dir():
            made = _back_up_into(BackupFolder(path, keep or sys.maxsize), source, bars)
        else:
            made = _back_up_to(path, source, bars)
    warn_of_no_entry(made.unrecorded)
    counts = f"{made.manifest.deployments:,} deployments and {made.manifest.failures:,} failures"
    click.echo(f"backed up {counts}{f' to {made.file}' if made.file else ''}", err=not made.file)


class _Made(NamedTuple):
    """A backup that has been made."""

    manifest: Manifest
    unrecorded: str
    """Why the audit log has no entry of it; empty if it has."""
    file: str = ""
    """Empty for the standard output."""


def _back_up_to_output(source: BackupSource, temporary: Path, bars: ProgressBars) -> _Made:
    if sys.stdout.isatty():
        raise click.UsageError("the standard output is a terminal: redirect it to a file")
    # Before the snapshot, so that the backup has the entry too.
    unrecorded = _record(source, "-")
    return _Made(stream_backup(source, sys.stdout.buffer, temporary, bars.show), unrecorded)


def _back_up_to(path: Path, source: BackupSource, bars: ProgressBars) -> _Made:
    if not path.absolute().parent.is_dir():
        raise click.ClickException(f"there is no folder {path.parent}: create it first")
    unrecorded = _record(source, str(path))
    return _Made(back_up(source, path, bars.show), unrecorded, str(path))


def _back_up_every(seconds: int, folder: BackupFolder, config: Config) -> None:
    """Returns once a signal has ended it, without what there is of a backup under way."""
    configure_logs(config)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _, __: stopped.set())
    worker = BackupWorker(folder, seconds, partial(source_of, config), command_actor())
    worker.start()
    stopped.wait()
    worker.stop()


def _back_up_into(folder: BackupFolder, source: BackupSource, bars: ProgressBars) -> _Made:
    with folder.alone() as is_alone:
        if not is_alone:
            raise click.ClickException("another process is making a backup in that folder")
        now_sec = time.time()
        unrecorded = _record(source, str(folder.file_of(now_sec)))
        path, manifest = folder.add(source, now_sec, bars.show)
    return _Made(manifest, unrecorded, str(path))


def _record(source: BackupSource, file: str) -> str:
    return record_in_store(source.url, "store.backed_up", file, actor=command_actor())


def warn_of_no_entry(reason: str) -> None:
    """A store that cannot be written is backed up and copied all the same."""
    if reason:
        click.echo(f"the audit log has no entry of this: {reason}", err=True)


@contextmanager
def plain_file_errors() -> Generator[None]:
    """Ends the command in a plain sentence where a file cannot be read or written."""
    try:
        yield
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(f"{place}{error.strerror or error}") from error


def _temporary(config: Config) -> Path:
    """The folder for the database until it is compressed: not /tmp, which may be in memory."""
    folder = git_folder(config).absolute().parent
    return folder if folder.is_dir() else Path.cwd()
