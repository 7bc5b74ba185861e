"""`theodora migrate`: bring a database up to date without starting the server."""

from pathlib import Path

import click

from theodora.cli.options import config_from, setting_options
from theodora.storage.open import distribute_database, migrate_database


@click.command()
@setting_options(["database"])
@click.option("--no-copy", is_flag=True, help="Keep no copy and no dump of the store from before.")
@click.option(
    "--dump",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="First dump the store on PostgreSQL into FILE, with pg_dump.",
)
@click.option("--distribute", is_flag=True, help="Have Citus keep the store on any of its servers.")
def migrate(no_copy: bool, dump: Path | None, distribute: bool, **flags: str | None) -> None:
    """Apply missing migrations; the server does so itself when it starts.

    Before the first of them, a SQLite file is copied to FILE.before-NNNN beside it. Rename it to
    FILE to go back to the older version. Of a store on PostgreSQL, --dump makes a dump first.
    Without a copy or a dump nothing is migrated, unless --no-copy says that you have a backup.
    """
    if no_copy and dump is not None:
        raise click.UsageError("--no-copy and --dump exclude each other")
    url = config_from(flags).database
    applied = migrate_database(url, keeps_copy=not no_copy, dump_to=dump)
    for migration in applied:
        click.echo(f"applied {migration.number:04d} {migration.title}")
    if not applied:
        click.echo("the database is up to date")
    if distribute:
        is_new = distribute_database(url)
        click.echo("the store is distributed" if is_new else "the store is distributed already")
