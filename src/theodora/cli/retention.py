"""`theodora retention`: for how many days events are kept, and removing what is older."""

import time

import click

from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store
from theodora.storage.retention import MAX_DAYS, Old

_days = click.argument("days", type=click.IntRange(1, MAX_DAYS), metavar="DAYS")


@click.group()
def retention() -> None:
    """Show, set or preview for how many days events are kept; without a setting, for ever.

    Events are as old as their end. The last old deployment of each service, environment and
    repository stays, and whichever others later lead times depend on. Commits stay.
    """


@retention.command()
@organisation_option
@setting_options(["database"])
def show(org: str, **flags: str | None) -> None:
    """Show for how many days events are kept."""
    with existing_store(flags) as store:
        days = store.retention.days(store.keys.organisation(org))
    click.echo("events are kept for ever" if days is None else f"events are kept for {days:,} days")


@retention.command("set")
@_days
@organisation_option
@setting_options(["database"])
def set_(days: int, org: str, **flags: str | None) -> None:
    """Keep events for DAYS days; a server removes what is older within hours, for good."""
    with existing_store(flags) as store:
        organisation = store.keys.organisation(org)
        old = store.retention.preview(organisation, days, time.time_ns())
        store.retention.put(organisation, days).result()
    click.echo(f"events are kept for {days:,} days: up to {_said(old)} are deleted now")


@retention.command()
@organisation_option
@setting_options(["database"])
def unset(org: str, **flags: str | None) -> None:
    """Keep events for ever; what has been removed stays so."""
    with existing_store(flags) as store:
        store.retention.put(store.keys.organisation(org), None).result()
    click.echo("events are kept for ever")


@retention.command()
@_days
@organisation_option
@setting_options(["database"])
def preview(days: int, org: str, **flags: str | None) -> None:
    """Show how many events would be deleted if they were kept for DAYS days."""
    with existing_store(flags) as store:
        organisation = store.keys.organisation(org)
        old = store.retention.preview(organisation, days, time.time_ns())
    click.echo(f"up to {_said(old)} would be deleted")


@retention.command()
@setting_options(["database"])
def apply(**flags: str | None) -> None:
    """Remove now what is too old, of every organisation; a server does so by itself."""
    with existing_store(flags) as store:
        old = store.retention.remove_old(time.time_ns())
    click.echo(f"removed {_said(old)}")


def _said(old: Old) -> str:
    return f"{old.deployments:,} deployments and {old.failures:,} failures"
