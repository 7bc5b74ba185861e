"""`theodora erase-activity`: forget what was reported of a person's use of AI assistants."""

import click

from theodora.cli.invocation import command_actor
from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store


@click.command("erase-activity")
@click.argument("address")
@organisation_option
@setting_options(["database"])
def erase_activity(address: str, org: str, **flags: str | None) -> None:
    """Erase what was reported of the use of AI assistants by the person of ADDRESS.

    \b
    theodora erase-activity dev@example.com

    It does not stop new reports of the person, and commits keep their author. Backups keep what is
    erased as long as they are kept themselves.
    """
    with existing_store(flags) as store:
        organisation = store.keys.organisation(org)
        rows = store.activity.erase(organisation, address, actor=command_actor()).result()
    click.echo(f"erased {rows:,} {'row' if rows == 1 else 'rows'}")
