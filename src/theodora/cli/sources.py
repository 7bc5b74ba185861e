"""`theodora sources`: add, list, try, replay and remove webhook sources."""

import time
from collections.abc import Iterator, Sequence
from typing import TextIO

import click

from theodora.cli.invocation import command_actor
from theodora.cli.options import instant_option, organisation_option, setting_options
from theodora.cli.stores import existing_store, new_or_existing_store
from theodora.events import format_second
from theodora.report.text_table import aligned
from theodora.report.wording import visible
from theodora.sources.webhooks.common_settings import common_settings, settings_of
from theodora.sources.webhooks.delivery import Delivery
from theodora.sources.webhooks.preview import (
    SourcePreview,
    preview_common_settings,
    preview_settings,
)
from theodora.sources.webhooks.read import (
    decode_payload,
    decode_settings,
    encode_settings,
    read_delivery,
)
from theodora.sources.webhooks.settings_lines import lines_from_settings, settings_from_lines
from theodora.sources.webhooks.table import (
    SOURCES,
    SourceKind,
    source_named,
    source_path,
    steps_of,
)
from theodora.storage import InboxQuery, Organisation, Store, StoredDelivery
from theodora.storage.inbox import DELIVERY_STATES, DeliveryState, SourceCounts

_ALL = "all"
"""Instead of an id: the settings of all sources. No id is that short."""
_SHOWN = 50
"""Differences of a preview."""
_database = setting_options(["database"])
_settings_option = click.option(
    "--set", "lines", multiple=True, metavar="NAME=VALUE", help="A setting; repeat for several."
)


@click.group()
def sources() -> None:
    """Take deployments, pull requests and incidents from webhooks."""


@sources.command()
@click.argument("kind", type=click.Choice([row.name for row in SOURCES]))
@click.option("--name", default="", help="What the source is called; default: its kind.")
@click.option("--url", default="https://YOUR-SERVER", help="Where providers reach the server.")
@_settings_option
@organisation_option
@_database
def add(
    kind: str, name: str, url: str, lines: tuple[str, ...], org: str, **flags: str | None
) -> None:
    """Add a source of KIND, and print its URL, its secret and the steps at the provider."""
    row = _row(kind)
    settings = encode_settings(settings_from_lines(row, lines))
    now_ns = time.time_ns()
    with new_or_existing_store(flags) as store:
        org_ = store.keys.ensure_organisation(org, now_ns, actor=command_actor()).result()
        source = store.sources.add(
            org_, kind, name or row.title, settings, now_ns, actor=command_actor()
        ).result()
    click.echo(f"Source {source.id} added. At {row.title}:")
    for number, step in enumerate(steps_of(row, source, url), 1):
        click.echo(f"{number}. {step}")
    if not row.gives_secret:
        click.echo("The secret is not shown again.")


@sources.command("list")
@organisation_option
@_database
def list_(org: str, **flags: str | None) -> None:
    """List sources with what came in."""
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        rows = list(_listed(store, org_))
    head = ("ID", "KIND", "NAME", "LAST RECEIVED", "RECEIVED", "IGNORED", "FAILED", "WAITING")
    for line in aligned([head, *rows], right=range(4, 8)):
        click.echo(line)


@sources.command()
@click.argument("id_", metavar="ID")
@click.option("--state", type=click.Choice(DELIVERY_STATES), help="Only deliveries in this state.")
@click.option("--limit", default=20, show_default=True, help="Most deliveries to list.")
@organisation_option
@_database
def show(id_: str, state: DeliveryState | None, limit: int, org: str, **flags: str | None) -> None:
    """Show the settings of the source ID, and the deliveries that came in last.

    With `all` instead of ID, those of all sources.
    """
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        if id_ == _ALL:
            heading, settings, query = "All sources", "", InboxQuery(state=state, limit=limit)
        else:
            source = store.sources.get(org_, id_)
            heading, settings = f"{source.name}: {source_path(source)}", source.settings
            query = InboxQuery(source.kind, source.id, state, limit=limit)
        common, deliveries = common_settings(store, org_), store.inbox.select(org_, query)
    click.echo(visible(heading))
    for line in lines_from_settings(decode_settings(settings)):
        click.echo(visible(line))
    for line in lines_from_settings(common):
        click.echo(visible(line if id_ == _ALL else f"{line} (of all sources)"))
    head = ("NUMBER", "RECEIVED", "STATE", "WHAT IT SAYS")
    for line in aligned([head, *map(_delivery, deliveries)]):
        click.echo(line)


@sources.command()
@click.option("--kind", help="Only of sources of this kind.")
@click.option("--source", metavar="ID", help="Only of the source ID.")
@click.option("--state", type=click.Choice(DELIVERY_STATES), help="Only in this state.")
@click.option("--from", "from_", metavar="TIME", help="Earliest receipt, included: RFC 3339.")
@click.option("--to", metavar="TIME", help="Latest receipt, not included: RFC 3339.")
@click.option("--containing", default="", help="Only with this in what they say or in a header.")
@click.option("--limit", default=20, show_default=True, help="Most deliveries to list.")
@organisation_option
@_database
def search(
    kind: str | None,
    source: str | None,
    state: DeliveryState | None,
    from_: str | None,
    to: str | None,
    containing: str,
    limit: int,
    org: str,
    **flags: str | None,
) -> None:
    """Find deliveries in the inbox of all sources, newest first.

    \b
    theodora sources search --state failed --from 2026-11-01T00:00:00Z
    theodora sources search --kind github --containing pull_request_review
    """
    query = InboxQuery(
        *(kind, source, state),
        limit=limit,
        from_ns=instant_option(from_, "--from"),
        to_ns=instant_option(to, "--to"),
        containing=containing,
    )
    with existing_store(flags) as store:
        deliveries = store.inbox.select(store.keys.organisation(org), query)
    head = ("NUMBER", "RECEIVED", "STATE", "KIND", "SOURCE", "WHAT IT SAYS")
    rows = [
        (*_delivery(found)[:3], found.kind, found.source or "-", found.reason)
        for found in deliveries
    ]
    for line in aligned([head, *rows]):
        click.echo(line)


@sources.command("set")
@click.argument("id_", metavar="ID")
@click.argument("lines", nargs=-1, metavar="[NAME=VALUE]...")
@organisation_option
@_database
def set_(id_: str, lines: tuple[str, ...], org: str, **flags: str | None) -> None:
    """Replace the settings of the source ID; they apply to what comes in from now on.

    With `all` instead of ID, they are settings of all sources, which each follows where it does not
    have them itself. `theodora sources replay` applies settings to what is in the inbox.
    """
    with existing_store(flags) as store:
        org_, actor = store.keys.organisation(org), command_actor()
        if id_ == _ALL:
            settings = encode_settings(settings_from_lines(None, lines))
            written = store.sources.change_common_settings(org_, settings, actor=actor)
        else:
            source = store.sources.get(org_, id_)
            settings = encode_settings(settings_from_lines(_row(source.kind), lines))
            written = store.sources.change_settings(org_, id_, settings, actor=actor)
        written.result()
    click.echo(f"{id_}: settings replaced")


@sources.command()
@click.argument("id_", metavar="ID")
@click.argument("lines", nargs=-1, metavar="[NAME=VALUE]...")
@organisation_option
@_database
def preview(id_: str, lines: tuple[str, ...], org: str, **flags: str | None) -> None:
    """Show what these settings of the source ID would have changed; nothing is stored.

    With `all` instead of ID, they are settings of all sources. What is in the inbox is read again
    with them, as after `theodora sources set` and `replay`.
    """
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        if id_ == _ALL:
            found = preview_common_settings(store, org_, settings_from_lines(None, lines))
        else:
            source = store.sources.get(org_, id_)
            found = preview_settings(store, source, settings_from_lines(_row(source.kind), lines))
    for line in aligned([("DELIVERIES", "NOW", "THEN"), *_states(found)], right=(1, 2)):
        click.echo(line)
    new, lost, changed = (found.count(each) for each in ("new", "lost", "changed"))
    click.echo(f"Events: {new:,} new, {lost:,} lost, {changed:,} changed")
    shown = found.differences[:_SHOWN]
    rows = [(each.kind, each.thing, each.now or "-", each.then) for each in shown]
    for line in aligned([("", "ABOUT", "NOW", "THEN"), *rows]) if rows else ():
        click.echo(line)
    if more := len(found.differences) - len(shown):
        click.echo(f"... and {more:,} more")


@sources.command()
@click.argument("id_", metavar="ID")
@click.option("--secret", prompt=True, hide_input=True, help="The secret; asked for by default.")
@organisation_option
@_database
def secret(id_: str, secret: str, org: str, **flags: str | None) -> None:
    """Store the secret that the provider of the source ID gave you."""
    if not secret.strip():
        raise click.ClickException("the secret is empty")
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        store.sources.change_secret(org_, id_, secret.strip(), actor=command_actor()).result()
    click.echo(f"{id_}: secret stored")


@sources.command()
@click.argument("id_", metavar="ID")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option(
    "--header", "headers", multiple=True, metavar="NAME=VALUE", help="A header of the request."
)
@organisation_option
@_database
def test(id_: str, file: TextIO, headers: tuple[str, ...], org: str, **flags: str | None) -> None:
    """Show what the body in FILE would say if the source ID sent it; nothing is stored."""
    pairs = (header.partition("=") for header in headers)
    named = {name.strip().lower(): value.strip() for name, _, value in pairs}
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        source, teams = store.sources.get(org_, id_), store.settings.teams(org_)
        settings = settings_of(store, source)
    payload = decode_payload(file.read(), named.get("content-type", ""))
    delivery = Delivery(named, payload, teams)
    reading = read_delivery(_row(source.kind), delivery, settings)
    click.echo(visible(f"{reading.state}: {reading.reason}"))
    for fact in reading.facts:
        click.echo(fact.document)


@sources.command()
@click.argument("id_", metavar="ID")
@click.option("--delivery", type=int, help="The number of one delivery; default: all.")
@organisation_option
@_database
def replay(id_: str, delivery: int | None, org: str, **flags: str | None) -> None:
    """Have the server read again what the source ID sent, with its settings of today.

    With `all` instead of ID, what every source sent.
    """
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        if id_ == _ALL:
            about = [(each.kind, each.source) for each in store.inbox.counts(org_)]
        else:
            source = store.sources.get(org_, id_)
            about = [(source.kind, source.id)]
        count = sum(
            store.inbox.replay(org_, *each, delivery, actor=command_actor()).result()
            for each in about
        )
    click.echo(f"{count:,} deliveries wait to be read again")


@sources.command()
@click.argument("id_", metavar="ID")
@organisation_option
@_database
def remove(id_: str, org: str, **flags: str | None) -> None:
    """Remove the source ID with its inbox; its events stay."""
    with existing_store(flags) as store:
        store.sources.remove(store.keys.organisation(org), id_, actor=command_actor()).result()
    click.echo(f"{id_}: removed")


def _states(found: SourcePreview) -> Iterator[Sequence[str]]:
    for state in DELIVERY_STATES:
        yield state, f"{found.now[state]:,}", f"{found.then[state]:,}"


def _row(kind: str) -> SourceKind:
    row = source_named(kind)
    if row is None:
        raise click.ClickException(f'this version knows no source "{kind}"')
    return row


def _listed(store: Store, org: Organisation) -> Iterator[Sequence[str]]:
    """A row for each source, and for each kind that came in with an API key."""
    counts = {(each.kind, each.source): each for each in store.inbox.counts(org)}
    for source in store.sources.all_of(org):
        counted = counts.pop((source.kind, source.id), None)
        yield (source.id, source.kind, source.name, *_counted(counted))
    for (kind, _), counted in counts.items():
        yield ("-", kind, "by API key", *_counted(counted))


def _counted(counts: SourceCounts | None) -> Sequence[str]:
    if counts is None:
        return ("never", "0", "0", "0", "0")
    numbers = (counts.deliveries, counts.ignored, counts.failed, counts.waiting)
    return (format_second(counts.last_received_at_ns), *(f"{number:,}" for number in numbers))


def _delivery(delivery: StoredDelivery) -> Sequence[str]:
    received = format_second(delivery.received_at_ns)
    return (str(delivery.number), received, delivery.state, delivery.reason)
