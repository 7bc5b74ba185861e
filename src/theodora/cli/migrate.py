"""`theodora migrate`: bring a database up to date without starting the server."""

import click

from theodora.cli.options import config_from, setting_options
from theodora.storage.open import distribute_database, migrate_database


@click.command()
@setting_options(["database"])
@click.option("--no-copy", is_flag=True, help="Keep no copy of a SQLite file from before.")
@click.option("--distribute", is_flag=True, help="Have Citus keep the store on any of its servers.")
def migrate(no_copy: bool, distribute: bool, **flags: str | None) -> None:
    """Apply missing migrations; the server does so itself when it starts.

    Before the first of them, a SQLite file is copied to FILE.before-NNNN beside it. Rename it to
    FILE to go back to the older version. Of PostgreSQL, make a backup first.
    """
    url = config_from(flags).database
    applied = migrate_database(url, keeps_copy=not no_copy)
    for migration in applied:
        click.echo(f"applied {migration.number:04d} {migration.title}")
    if not applied:
        click.echo("the database is up to date")
    if distribute:
        is_new = distribute_database(url)
        click.echo("the store is distributed" if is_new else "the store is distributed already")
