"""`theodora orgs`: list, create and delete organisations."""

import shlex
import time

import click

from theodora.app import remove_files
from theodora.cli.invocation import command_actor
from theodora.cli.options import config_from, setting_options
from theodora.cli.stores import existing_store, guarded_store, new_or_existing_store
from theodora.events import format_minute
from theodora.report.wording import counted, visible
from theodora.storage.deletion_guards import Unconfirmed
from theodora.storage.organisations import Holdings, OrganisationRecord

_name = click.argument("name")


@click.group()
def orgs() -> None:
    """List, create and delete organisations: each has its own events, settings and keys.

    \b
    theodora orgs list
    theodora orgs delete acme --confirm 1250
    theodora orgs undelete acme

    Deletion closes an organisation at once and begins after 7 days (organisation_deletion_days).
    Until then undelete restores everything.
    """


@orgs.command("list")
@setting_options(["database"])
def list_(**flags: str | None) -> None:
    """List organisations with what they have, and those that are to be deleted."""
    with existing_store(flags) as store:
        for record in store.organisations.everything():
            click.echo(_line(record, store.organisations.holdings(record.organisation)))


@orgs.command()
@_name
@setting_options(["database"])
def create(name: str, **flags: str | None) -> None:
    """Create an organisation called NAME, without keys; see theodora keys create --org."""
    with new_or_existing_store(flags) as store:
        store.organisations.create(name, time.time_ns(), actor=command_actor()).result()
    click.echo(f"created {visible(name)}; make its first key with:")
    click.echo(f"theodora keys create application --org {shlex.quote(name)}")


@orgs.command()
@_name
@click.option(
    "--confirm",
    type=click.IntRange(min=0),
    metavar="EVENTS",
    help="How many events are deleted, as this command prints it without the option.",
)
@setting_options(["database", "organisation_deletion_days"])
def delete(name: str, confirm: int | None, **flags: str | None) -> None:
    """Delete the organisation NAME with everything it has: events, commits, settings and keys.

    Nobody can use it from now on: its keys are answered 403, and nothing is derived or fetched.
    A server deletes it once the delay has passed, for good; until then undelete takes it back.
    """
    with guarded_store(flags) as store:
        org = store.organisations.get(name).organisation
        holdings = store.organisations.holdings(org)
        deletion = store.organisations.plan_deletion(
            org, time.time_ns(), confirm, actor=command_actor()
        ).result()
    if isinstance(deletion, Unconfirmed):
        raise click.ClickException(
            f"{visible(name)} with {_words(holdings)} would be deleted for good: confirm that with "
            f"--confirm {deletion.events}"
        )
    click.echo(
        f"{visible(name)} is closed, and deleted from {format_minute(deletion.begins_at_ns)} on: "
        f"{_words(holdings)}"
    )
    click.echo(f"take it back with: theodora orgs undelete {shlex.quote(name)}")


@orgs.command()
@_name
@setting_options(["database"])
def undelete(name: str, **flags: str | None) -> None:
    """Take back the deletion of the organisation NAME, which has not begun."""
    with existing_store(flags) as store:
        org = store.organisations.get(name).organisation
        store.organisations.take_back(org, actor=command_actor()).result()
    click.echo(f"{visible(name)} is kept, with everything it had")


@orgs.command()
@setting_options(["database", "git_folder", "metrics_folder", "retention_clock_days"])
def apply(**flags: str | None) -> None:
    """Delete the organisations whose delay has passed now; a server does so by itself."""
    config = config_from(flags)
    with guarded_store(flags) as store:
        deleted = store.organisations.delete_due(time.time_ns(), actor=command_actor())
        for uuid in store.organisations.deleted():
            remove_files(config, uuid)
        refused = [each for each in store.organisations.everything() if each.deletion]
    click.echo(f"deleted {counted(deleted, 'organisation')}")
    for record in refused:
        if record.refusal:
            raise click.ClickException(record.refusal.reason)


def _line(record: OrganisationRecord, holdings: Holdings) -> str:
    line = f"{visible(record.organisation.name)}  {_words(holdings)}"
    deletion = record.deletion
    if deletion is None:
        return line
    if deletion.has_begun:
        state = "being deleted"
    else:
        state = f"to be deleted from {format_minute(deletion.begins_at_ns)} on"
    return f"{line}  {state}" + (f": {record.refusal.reason}" if record.refusal else "")


def _words(holdings: Holdings) -> str:
    counts = (
        counted(holdings.deployments, "deployment"),
        counted(holdings.failures, "failure"),
        counted(holdings.commits, "commit"),
    )
    return f"{', '.join(counts)} and {counted(holdings.keys, 'key')}"
