"""`theodora links`: the pages that are shared by a link, and ending that."""

import time

import click

from theodora.cli.invocation import command_actor
from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store
from theodora.events import format_second
from theodora.report.text_table import aligned
from theodora.storage.access.share_links import ShareLink

_database = setting_options(["database"])


@click.group()
def links() -> None:
    """List and revoke links that show a page without a sign-in."""


@links.command("list")
@organisation_option
@_database
def list_links(org: str, **flags: str | None) -> None:
    """List the share links of an organisation, the newest first."""
    now_ns = time.time_ns()
    with existing_store(flags) as store:
        found = store.share_links.all_of(store.keys.organisation(org), now_ns)
    head = ("ID", "PAGE", "MADE BY", "MADE", "EXPIRES", "LAST OPENED", "STATE")
    for line in aligned([head, *(_row(each, now_ns) for each in found)]):
        click.echo(line)


@links.command()
@click.argument("link_id")
@organisation_option
@_database
def revoke(link_id: str, org: str, **flags: str | None) -> None:
    """Revoke the share link with this id for good."""
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        store.share_links.revoke(org_, link_id, time.time_ns(), actor=command_actor()).result()
    click.echo(f"revoked {link_id}")


def _row(link: ShareLink, now_ns: int) -> tuple[str, ...]:
    page = link.path + (f"?{link.query}" if link.query else "")
    used = "never" if link.last_used_at_ns is None else format_second(link.last_used_at_ns)
    times = (format_second(link.created_at_ns), format_second(link.expires_at_ns), used)
    return (link.id, page, link.maker.name if link.maker else "", *times, link.state(now_ns))
