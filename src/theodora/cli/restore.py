"""`theodora restore`: replace a store by a backup."""

from pathlib import Path
from typing import BinaryIO

import click

from theodora.app import git_folder
from theodora.cli.backup import plain_file_errors, warn_of_no_entry
from theodora.cli.invocation import command_actor
from theodora.cli.options import config_from, setting_options
from theodora.cli.progress import ProgressBars
from theodora.storage.backup.audit_entry import record_in_store
from theodora.storage.backup.restore import restore as restore_backup


@click.command()
@click.argument("file", type=click.File("rb"))
@setting_options(["database", "git_folder"])
def restore(file: BinaryIO, **flags: str | None) -> None:
    """Restore the backup FILE, or the one that comes on the standard input as -.

    \b
    theodora restore /backups/theodora.tar.gz
    theodora restore theodora.tar.gz --database postgresql://theodora@db/theodora

    Stop the server first: as long as one has the database open, nothing is restored. The backup is
    read to its end and verified before anything is replaced. A SQLite file that is there is renamed
    and stays beside the new one, and so is the folder of packs and mirrors. A PostgreSQL database
    has to be empty: create another one and name it, so that the old one stays.
    """
    config = config_from(flags)
    name = getattr(file, "name", "-")
    size = Path(name).stat().st_size if Path(name).is_file() else 0
    with plain_file_errors(), ProgressBars() as bars:
        restored = restore_backup(file, config.database, git_folder(config), bars.show, size)
    manifest = restored.manifest
    unrecorded = record_in_store(
        *(config.database, "store.restored", name),
        after={"made_at": manifest.made_at, "version": manifest.theodora},
        actor=command_actor(),
    )
    warn_of_no_entry(unrecorded)
    click.echo(
        f"restored the backup of {manifest.made_at} (Theodora "
        f"{manifest.theodora}): {manifest.deployments:,} deployments, "
        f"{manifest.failures:,} failures"
    )
    for was, is_ in restored.replaced.items():
        click.echo(f"what was {was} before is now {is_}: remove it once you do not need it")
