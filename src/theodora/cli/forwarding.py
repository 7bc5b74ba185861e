"""`theodora forwarding`: sends what comes in on to a site of Datadog, and shows what waits."""

import time
from collections.abc import Iterator, Sequence

import click

from theodora.cli.datadog_keys import keys_from_environment
from theodora.cli.invocation import command_actor
from theodora.cli.options import instant_option, organisation_option, setting_options
from theodora.cli.progress import ProgressBars
from theodora.cli.stores import existing_store, new_or_existing_store
from theodora.cli.terminal import safe_lines
from theodora.events import format_second
from theodora.report.text_table import aligned
from theodora.report.wording import visible
from theodora.sources.datadog.sites import api_url
from theodora.storage import ForwardingState, Organisation, OutboxItem, Store
from theodora.storage.deployments import Deployments
from theodora.storage.failures import Failures

_database = setting_options(["database"])
_KINDS = ("deployments", "failures")
_RESENT_AT_ONCE = 200
_PATIENCE_SECONDS = 60
"""How long `resend` waits for a change to leave a full outbox."""


@click.group()
def forwarding() -> None:
    """Send what comes in on to a site of Datadog too; off by default."""


@forwarding.command()
@click.option("--site", envvar="DD_SITE", required=True, help="Site of Datadog.  [DD_SITE]")
@organisation_option
@_database
def on(site: str, org: str, **flags: str | None) -> None:
    """Forward what comes in from now on; again, to change the site or the keys.

    \b
    export DD_API_KEY=... DD_APP_KEY=...
    theodora forwarding on --site datadoghq.eu

    The keys come from the environment and are stored in the database. The application key needs
    the permission dora_metrics_write. --site may also be the URL of another server with the same
    API.
    """
    url = api_url(site)
    keys = keys_from_environment()
    with new_or_existing_store(flags) as store:
        now_ns = time.time_ns()
        org_ = store.keys.ensure_organisation(org, now_ns, actor=command_actor()).result()
        store.forwarding.put(org_, url, *keys, now_ns, actor=command_actor()).result()
    click.echo(f"forwarding to {url}")


@forwarding.command()
@organisation_option
@_database
def off(org: str, **flags: str | None) -> None:
    """End forwarding and delete the keys and what waits."""
    with existing_store(flags) as store:
        store.forwarding.remove(store.keys.organisation(org), actor=command_actor()).result()
    click.echo("forwarding is off")


@forwarding.command()
@organisation_option
@_database
def status(org: str, **flags: str | None) -> None:
    """Show what waits and why, and the changes that were refused."""
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        state = store.forwarding.get(org_)
        parked = store.forwarding.parked(org_, 20) if state else []
    if state is None:
        click.echo("forwarding is off")
        return
    for name, text in _facts(state, time.time_ns()):
        click.echo(safe_lines(f"{name:<10} {text}"))
    if parked:
        head = ("NUMBER", "CHANGE", "EVENT", "REASON")
        for line in aligned([head, *map(_row, parked)]):
            click.echo(line)


@forwarding.command()
@organisation_option
@_database
def pause(org: str, **flags: str | None) -> None:
    """Send nothing until it is resumed; changes are still queued."""
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        store.forwarding.pause(org_, "paused by a command", actor=command_actor()).result()
    click.echo("forwarding is paused")


@forwarding.command()
@organisation_option
@_database
def resume(org: str, **flags: str | None) -> None:
    """Send again, also if the keys were refused or a try has to wait."""
    with existing_store(flags) as store:
        store.forwarding.resume(store.keys.organisation(org), actor=command_actor()).result()
    click.echo("forwarding is resumed")


@forwarding.command()
@click.argument("number", type=int, required=False)
@organisation_option
@_database
def retry(number: int | None, org: str, **flags: str | None) -> None:
    """Send the refused change NUMBER again, or all of them."""
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        count = store.forwarding.retry(org_, number, actor=command_actor()).result()
    click.echo(f"{count:,} refused changes are sent again")


@forwarding.command()
@click.option("--from", "from_", metavar="TIME", help="Earliest start, included: RFC 3339.")
@click.option("--to", metavar="TIME", help="Latest start, not included: RFC 3339.")
@click.option("--kind", type=click.Choice(_KINDS), help="Only events of this kind; default: both.")
@organisation_option
@_database
def resend(
    from_: str | None, to: str | None, kind: str | None, org: str, **flags: str | None
) -> None:
    """Send stored events again, also those that came in before forwarding was on.

    \b
    theodora forwarding resend --from 2026-01-01T00:00:00Z --kind deployments

    They keep their ids, so that nothing is at the other side twice. A server sends them.
    """
    from_ns, to_ns = instant_option(from_, "--from"), instant_option(to, "--to")
    with existing_store(flags) as store, ProgressBars() as bars:
        org_ = store.keys.organisation(org)
        forwarding_to = store.forwarding.get(org_)
        if forwarding_to is None:
            raise click.ClickException("forwarding is off")
        asked = {"from": from_, "to": to, "kind": kind}
        store.audit.note(
            org_, "forwarding.sent_again", forwarding_to.url, after=asked, actor=command_actor()
        ).result()
        kinds = {"deployments": store.deployments, "failures": store.failures}
        for name in [kind] if kind else _KINDS:
            events, ids = kinds[name], list[str]()
            for each in events.everything(org_):
                if (from_ns or 0) <= each.started_at_ns < (to_ns or each.started_at_ns + 1):
                    ids.append(each.id)
            for done in _send_again(store, org_, events, ids):
                bars.show(name, done, len(ids))
            click.echo(f"{len(ids):,} {name} are sent again")


def _send_again(
    store: Store, org: Organisation, events: Deployments | Failures, ids: Sequence[str]
) -> Iterator[int]:
    """Queues events, and waits for room; yields how many are done."""
    done, waited_sec, waiting = 0, 0, 0
    while done < len(ids):
        batch = ids[done : done + _RESENT_AT_ONCE]
        done += (count := events.send_again(org, batch, actor=command_actor()).result())
        yield done
        if count == len(batch):
            continue
        state = store.forwarding.get(org)
        waited_sec = waited_sec + 1 if state and state.waiting == waiting else 0
        if state is None or state.paused or waited_sec >= _PATIENCE_SECONDS:
            raise click.ClickException(
                f"the outbox is full and nothing leaves it; {done:,} of {len(ids):,} are queued. "
                "See `theodora forwarding status`, and run the same command again"
            )
        waiting = state.waiting
        time.sleep(1)


@forwarding.command()
@click.argument("number", type=int, required=False)
@click.option("--all", "every", is_flag=True, help="Drop all refused changes.")
@organisation_option
@_database
def drop(number: int | None, every: bool, org: str, **flags: str | None) -> None:
    """Remove the refused change NUMBER without sending it; later ones of its event are sent."""
    if (number is None) != every:
        raise click.ClickException("name a number, or --all")
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        count = store.forwarding.drop(org_, number, actor=command_actor()).result()
    click.echo(f"{count:,} refused changes dropped")


def _facts(state: ForwardingState, now_ns: int) -> Iterator[tuple[str, str]]:
    yield "site", state.url
    if state.paused:
        yield "paused", state.paused
    elif state.problem:
        yield "waiting", f"{state.problem}; next try at {format_second(state.not_before_ns)}"
    lag = "" if state.oldest_at_ns is None else f", for {(now_ns - state.oldest_at_ns) // 10**9} s"
    yield "queued", f"{state.waiting:,}{lag}"
    yield "refused", f"{state.parked:,}"
    last = f", last at {format_second(state.last_sent_at_ns)}" if state.sent else ""
    yield "sent", f"{state.sent:,}{last}"
    if state.omitted:
        yield "left out", f"{state.omitted:,}, because too many waited"


def _row(item: OutboxItem) -> Sequence[str]:
    change = f"{item.operation} {item.kind}"
    return (str(item.number), change, visible(item.event), visible(item.reason))
