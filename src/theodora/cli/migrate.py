"""`theodora migrate`: bring a database up to date without starting the server."""

import click

from theodora.cli.options import config_from, setting_options
from theodora.storage.open import distribute_database, migrate_database


@click.command()
@setting_options(["database"])
@click.option("--distribute", is_flag=True, help="Have Citus keep the store on any of its servers.")
def migrate(distribute: bool, **flags: str | None) -> None:
    """Apply missing migrations; the server does so itself when it starts."""
    url = config_from(flags).database
    applied = migrate_database(url)
    for migration in applied:
        click.echo(f"applied {migration.number:04d} {migration.title}")
    if not applied:
        click.echo("the database is up to date")
    if distribute:
        is_new = distribute_database(url)
        click.echo("the store is distributed" if is_new else "the store is distributed already")
