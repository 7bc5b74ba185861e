"""`theodora copy`: copy a store or one organisation into another database, compared row by row."""

import click

from theodora.cli.backup import warn_of_no_entry
from theodora.cli.invocation import command_actor, without_password
from theodora.cli.progress import ProgressBars
from theodora.storage.backup.audit_entry import record_in_store
from theodora.storage.copy.copy import Copying
from theodora.storage.engine.migrate import UNFINISHED_COPY
from theodora.storage.open import default_git_folder, holds_store, open_copy, open_original


@click.command()
@click.argument("original", metavar="FROM_URL")
@click.argument("copy", metavar="TO_URL")
@click.option("--org", metavar="NAME", help="Copy only this organisation.")
def copy(original: str, copy: str, org: str | None) -> None:
    """Copy a store into another database, from SQLite to PostgreSQL or back.

    \b
    theodora copy sqlite:////var/lib/theodora.db postgresql://theodora@db/theodora
    theodora copy postgresql://theodora@db/theodora sqlite:////var/lib/theodora.db
    theodora copy --org acme postgresql://theodora@db/theodora sqlite:////var/lib/acme.db

    Stop the servers of both first. Everything is copied: every organisation's events with their
    derived values, commits, verdicts, settings, keys and sessions; with --org, only what one
    organisation has. The store at FROM_URL only gets an entry in its audit log. The database at
    TO_URL must be new and empty; the command creates its tables.

    Then every row is compared with its original. The command ends with status 1 at the first
    difference, or if the store was written to in the meantime. Servers do not open the copy until
    the comparison has succeeded.

    An interrupted copy continues if you run the same command again.
    """
    # A copy that goes on where it was interrupted needs the original as it was.
    unrecorded = "" if _is_begun(copy) else _record(original, copy, org)
    with open_original(original) as from_, open_copy(copy) as to, ProgressBars() as bars:
        copying = Copying(from_, to, org)
        copying.copy_and_compare(bars.show)
        copying.finish()
    warn_of_no_entry(unrecorded)
    click.echo(f"copied {copying.rows:,} rows, each compared with what it is a copy of")
    git_folder = default_git_folder(original)
    if git_folder.exists():
        click.echo(
            f"uploaded packs and mirrors are not in the database but in {git_folder}: set "
            "THEODORA_GIT_FOLDER to that folder or to a copy of it"
        )


def _is_begun(copy: str) -> bool:
    if not holds_store(copy):
        return False
    with open_copy(copy) as to:
        return to.schema.has_table(UNFINISHED_COPY)


def _record(original: str, copy: str, org: str | None) -> str:
    target = without_password(copy)
    after = {"organisation": org} if org else None
    return record_in_store(original, "store.copied", target, after=after, actor=command_actor())
