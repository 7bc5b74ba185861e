"""`theodora migrate`: bring a database up to date without starting the server."""

import click

from theodora.cli.options import config_from, setting_options
from theodora.storage.opening import migrate_database


@click.command()
@setting_options(["database"])
def migrate(**flags: str | None) -> None:
    """Apply missing migrations; the server does so itself when it starts."""
    applied = migrate_database(config_from(flags).database)
    for migration in applied:
        click.echo(f"applied {migration.number:04d} {migration.title}")
    if not applied:
        click.echo("the database is up to date")
