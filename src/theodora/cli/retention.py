"""`theodora retention`: set how long events are kept, and delete old ones."""

import time

import click

from theodora.cli.invocation import command_actor
from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store, guarded_store
from theodora.events import format_minute
from theodora.storage.deletion_guards import Plan, Unconfirmed
from theodora.storage.retention import MAX_DAYS, Old

_days = click.argument("days", type=click.IntRange(1, MAX_DAYS), metavar="DAYS")


@click.group()
def retention() -> None:
    """Show, set or preview for how many days events are kept; without a setting, for ever.

    Events are as old as their end. The last old deployment of each service, environment and
    repository stays, and whichever others later lead times depend on. Commits stay. The activity
    of users is kept for as many days.
    """


_guards = setting_options(
    ["database", "deletion_delay_hours", "retention_max_percent", "retention_clock_days"]
)


@retention.command()
@organisation_option
@setting_options(["database"])
def show(org: str, **flags: str | None) -> None:
    """Show for how many days events are kept, what is planned and what was refused."""
    with existing_store(flags) as store:
        limit = store.retention.settings(store.keys.organisation(org))
    click.echo(_kept(limit.days))
    if limit.plan:
        click.echo(_planned(limit.plan))
    if limit.refusal:
        click.echo(f"old events are not deleted: {limit.refusal.reason}")


@retention.command("set")
@_days
@click.option(
    "--confirm",
    type=click.IntRange(min=0),
    metavar="EVENTS",
    help="How many events the limit deletes, as preview prints it.",
)
@organisation_option
@_guards
def set_(days: int, confirm: int | None, org: str, **flags: str | None) -> None:
    """Keep events for DAYS days.

    A shorter limit begins later, and undo takes it back until then. A server deletes what is
    older within hours, for good.
    """
    with guarded_store(flags) as store:
        organisation = store.keys.organisation(org)
        now_ns = time.time_ns()
        old = store.retention.preview(organisation, days, now_ns)
        limit = store.retention.change(
            organisation, days, now_ns, confirm, actor=command_actor()
        ).result()
    if isinstance(limit, Unconfirmed):
        raise click.ClickException(
            f"up to {_preview_text(old)} would be deleted for good: confirm that with "
            f"--confirm {limit.events}"
        )
    if limit.plan is None:
        click.echo(_kept(limit.days))
        return
    click.echo(f"{_planned(limit.plan)}: up to {_preview_text(old)} are deleted then")
    click.echo("take it back with: theodora retention undo")


@retention.command()
@organisation_option
@setting_options(["database"])
def undo(org: str, **flags: str | None) -> None:
    """Take back a shorter limit that has not begun."""
    with existing_store(flags) as store:
        organisation = store.keys.organisation(org)
        limit = store.retention.settings(organisation)
        if limit.plan is None:
            raise click.ClickException("no shorter limit is planned")
        store.retention.put(organisation, limit.days, actor=command_actor()).result()
    click.echo(_kept(limit.days))


@retention.command()
@click.argument("events", type=click.IntRange(min=1), metavar="EVENTS")
@organisation_option
@setting_options(["database"])
def confirm(events: int, org: str, **flags: str | None) -> None:
    """Let the next rounds delete EVENTS events, however large a share they are."""
    with existing_store(flags) as store:
        store.retention.confirm(
            store.keys.organisation(org), events, actor=command_actor()
        ).result()
    click.echo(f"the next rounds may delete {events:,} events")


@retention.command("confirm-clock")
@setting_options(["database"])
def confirm_clock(**flags: str | None) -> None:
    """Confirm that the clock is right, after a long pause."""
    now_ns = time.time_ns()
    with existing_store(flags) as store:
        store.retention.confirm_clock(now_ns, actor=command_actor()).result()
    click.echo(f"the clock is right: {format_minute(now_ns)}")


@retention.command()
@organisation_option
@setting_options(["database"])
def unset(org: str, **flags: str | None) -> None:
    """Keep events for ever; deleted events do not come back."""
    with existing_store(flags) as store:
        store.retention.put(store.keys.organisation(org), None, actor=command_actor()).result()
    click.echo("events are kept for ever")


@retention.command()
@_days
@organisation_option
@setting_options(["database"])
def preview(days: int, org: str, **flags: str | None) -> None:
    """Show how many events and rows of user activity a limit of DAYS days would delete."""
    with existing_store(flags) as store:
        organisation = store.keys.organisation(org)
        old = store.retention.preview(organisation, days, time.time_ns())
    click.echo(f"up to {_preview_text(old)} would be deleted")


@retention.command()
@_guards
def apply(**flags: str | None) -> None:
    """Delete old events of every organisation now; a server does so by itself."""
    with guarded_store(flags) as store:
        old = store.retention.remove_old(time.time_ns(), actor=command_actor())
        refused = store.retention.count_refusals()
    click.echo(f"removed {_preview_text(old)}")
    if refused:
        raise click.ClickException(
            f"of {refused} {'organisation' if refused == 1 else 'organisations'} nothing: "
            "theodora retention show prints why"
        )


def _kept(days: int | None) -> str:
    return "events are kept for ever" if days is None else f"events are kept for {days:,} days"


def _planned(plan: Plan) -> str:
    return f"from {format_minute(plan.begins_at_ns)} events are kept for {plan.days:,} days"


def _preview_text(old: Old) -> str:
    events = f"{old.deployments:,} deployments and {old.failures:,} failures"
    return (
        f"{events}, and {old.user_activity:,} rows of user activity"
        if old.user_activity
        else events
    )
