"""`theodora copy`: copy a complete store into another database and compare every row."""

import click

from theodora.cli.progress import ProgressBars
from theodora.storage.copy.copy import Copying
from theodora.storage.open import default_git_folder, open_copy, open_original


@click.command()
@click.argument("original", metavar="FROM_URL")
@click.argument("copy", metavar="TO_URL")
def copy(original: str, copy: str) -> None:
    """Copy a store into another database, from SQLite to PostgreSQL or back.

    \b
    theodora copy sqlite:////var/lib/theodora.db postgresql://theodora@db/theodora
    theodora copy postgresql://theodora@db/theodora sqlite:////var/lib/theodora.db

    Stop the servers of both first. Everything is copied: every organisation's events with their
    derived values, commits, verdicts, settings, keys and sessions. The store at FROM_URL is only
    read. The database at TO_URL must be new and empty; the command creates its tables.

    Then every row is compared with its original. The command ends with status 1 at the first
    difference, or if the store was written to in the meantime. Servers do not open the copy until
    the comparison has succeeded.

    An interrupted copy continues if you run the same command again.
    """
    with open_original(original) as from_, open_copy(copy) as to, ProgressBars() as bars:
        copying = Copying(from_, to)
        copying.copy_and_compare(bars.show)
        copying.finish()
    click.echo(f"copied {copying.rows:,} rows, each compared with what it is a copy of")
    git_folder = default_git_folder(original)
    if git_folder.exists():
        click.echo(
            f"uploaded packs and mirrors are not in the database but in {git_folder}: set "
            "THEODORA_GIT_FOLDER to that folder or to a copy of it"
        )
