"""`theodora derive`: derive pending changes without a server."""

import click

from theodora.cli.invocation import command_actor
from theodora.cli.options import setting_options
from theodora.cli.stores import existing_store


@click.command()
@setting_options(["database"])
def derive(**flags: str | None) -> None:
    """Derive lead times and change failures for everything that has changed.

    A server does so by itself, soon after each change. This command does it now, for every
    organisation.
    """
    with existing_store(flags) as store:
        count = store.derivations.derive_all_queued(actor=command_actor())
        parked = store.derivations.count_parked()
    click.echo(f"derived {count:,} sequence{'' if count == 1 else 's'}")
    if parked:
        some = f"{parked:,} could not be derived" if parked > 1 else "1 could not be derived"
        raise click.ClickException(f"{some}: see the page /data-health?check=derivation")
