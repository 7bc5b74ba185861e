"""`theodora notifications`: who receives digests and alerts, and what was sent."""

import sys
import time
import uuid

import click

from theodora.cli.invocation import command_actor
from theodora.cli.options import config_from, organisation_option, setting_options
from theodora.cli.stores import existing_store
from theodora.cli.terminal import safe_lines
from theodora.events import format_second
from theodora.notifications.channels import CHANNELS, check_kind, check_url
from theodora.notifications.digest import digest_text, sample_message
from theodora.notifications.schedule import day_words, last_week
from theodora.notifications.settings import SENDS, read_name, read_settings, settings_texts
from theodora.report.text_table import aligned
from theodora.storage.access.notifications import LoggedMessage, Receiver

_database = setting_options(["database"])
_LOGGED = 100


@click.group()
def notifications() -> None:
    """Send digests and alerts to Slack, Teams, by e-mail and to webhooks."""


@notifications.command("list")
@organisation_option
@_database
def list_receivers(org: str, **flags: str | None) -> None:
    """List the receivers of an organisation, without their addresses."""
    with existing_store(flags) as store:
        found = store.notifications.receivers(store.keys.organisation(org))
    head = ("ID", "KIND", "NAME", "TEAM", "SENDS", "DAYS", "HOUR", "TIME ZONE")
    for line in aligned([head, *map(_row, found)]):
        click.echo(line)


@notifications.command()
@click.argument("kind", type=click.Choice([*CHANNELS]))
@click.argument("url")
@click.option("--name", default="", help="Name for lists.")
@click.option("--team", default="", help="Only about services of this team.")
@click.option("--timezone", default="", help="IANA time zone.  [default: UTC]")
@click.option("--days", default="", help='Days.  [default: "mon tue wed thu fri"]')
@click.option("--hour", default="", help="Hour of the digest on the first day.  [default: 9]")
@click.option("--sends", type=click.Choice(SENDS), default="both", help="What is sent.")
@click.option("--open-hours", default="", help="Hours until open is too long.  [default: 24]")
@organisation_option
@_database
def add(kind: str, url: str, name: str, org: str, **given: str | None) -> None:
    """Add a receiver at URL; - reads it from standard input.

    \b
    theodora notifications add slack https://hooks.slack.com/services/T0/B0/XXX --team payments
    theodora notifications add email 'mailtos://user:password@smtp.example.org?to=team@example.org'
    theodora notifications add webhook https://example.org/hook

    KIND is slack, teams, email or webhook. Addresses of Slack, Teams and e-mail may also be those
    of Apprise. They are stored in the database, as messages are sent with them. A webhook's secret
    is printed.
    """
    flags = {"database": given.pop("database")}
    url = sys.stdin.readline().strip() if url == "-" else url
    settings = read_settings({key: value or "" for key, value in given.items()})
    kind_ = check_kind(kind)
    check_url(kind_, url, from_page=False)
    with existing_store(flags) as store:
        made = store.notifications.add(
            store.keys.organisation(org),
            *(kind_, read_name(name), url, settings, time.time_ns()),
            actor=command_actor(),
        ).result()
    click.echo(made.id)
    if made.secret:
        click.echo(f"secret: {made.secret}")


@notifications.command()
@click.argument("receiver")
@click.option("--url", default=None, help="Another address; - reads it from standard input.")
@click.option("--name", default=None, help="Name for lists.")
@click.option("--team", default=None, help="Only about services of this team; empty for all.")
@click.option("--timezone", default=None, help="IANA time zone.")
@click.option("--days", default=None, help='Days, such as "mon tue".')
@click.option("--hour", default=None, help="Hour of the digest on the first day.")
@click.option("--sends", type=click.Choice(SENDS), default=None, help="What is sent.")
@click.option("--open-hours", default=None, help="Hours until open is too long.")
@organisation_option
@_database
def change(receiver: str, url: str | None, org: str, **given: str | None) -> None:
    """Change the receiver with this id; what is not given stays.

    \b
    theodora notifications change 5f2b8c1d9e3a4f6b7c8d9e0f --team payments --sends alerts
    """
    flags = {"database": given.pop("database")}
    url = sys.stdin.readline().strip() if url == "-" else url
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        found = store.notifications.receiver(org_, receiver)
        if url is not None:
            check_url(found.kind, url, from_page=False)
        texts = {**settings_texts(found), **{k: v for k, v in given.items() if v is not None}}
        store.notifications.change(
            *(org_, receiver, read_name(texts["name"]), read_settings(texts), url),
            actor=command_actor(),
        ).result()
    click.echo(f"changed {receiver}")


@notifications.command()
@click.argument("receiver")
@organisation_option
@_database
def remove(receiver: str, org: str, **flags: str | None) -> None:
    """Remove the receiver with this id, and what it was sent from the log."""
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        store.notifications.remove(org_, receiver, actor=command_actor()).result()
    click.echo(f"removed {receiver}")


@notifications.command()
@click.argument("receiver")
@organisation_option
@_database
def test(receiver: str, org: str, **flags: str | None) -> None:
    """Queue a test message, which the server sends."""
    with existing_store(flags) as store:
        message = sample_message(receiver, str(uuid.uuid4()))
        store.notifications.test(
            store.keys.organisation(org), message, time.time_ns(), actor=command_actor()
        ).result()
    click.echo("queued: theodora notifications log shows when the server has sent it")


@notifications.command()
@click.argument("receiver")
@organisation_option
@_database
def preview(receiver: str, org: str, **flags: str | None) -> None:
    """Print last week's digest for a receiver, and send nothing."""
    now_ns = time.time_ns()
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        settings = store.notifications.receiver(org_, receiver).settings
        week, url = last_week(settings, now_ns), config_from(flags).public_url
        title, body = digest_text(store, org_, settings, week, now_ns, url)
    click.echo(safe_lines(f"{title}\n\n{body}"))


@notifications.command()
@organisation_option
@_database
def log(org: str, **flags: str | None) -> None:
    """List the newest messages, and what became of them."""
    with existing_store(flags) as store:
        found = store.notifications.log(store.keys.organisation(org), _LOGGED)
    head = ("QUEUED", "RECEIVER", "KEY", "STATE", "TRIES", "REASON", "TITLE")
    for line in aligned([head, *map(_logged, found)]):
        click.echo(line)


@notifications.command()
@click.argument("receiver")
@click.argument("key")
@organisation_option
@_database
def retry(receiver: str, key: str, org: str, **flags: str | None) -> None:
    """Send a message again that failed, or that nobody knows to have arrived."""
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        store.notifications.retry(org_, receiver, key, actor=command_actor()).result()
    click.echo("queued")


def _row(receiver: Receiver) -> tuple[str, ...]:
    settings = receiver.settings
    sends = {(True, True): "both", (True, False): "digests"}
    return (
        *(receiver.id, receiver.kind, receiver.name, settings.team or "all"),
        sends.get((settings.digests, settings.alerts), "alerts"),
        *(day_words(settings.days), str(settings.hour), settings.timezone),
    )


def _logged(logged: LoggedMessage) -> tuple[str, ...]:
    message = logged.message
    return (
        *(format_second(logged.queued_at_ns), message.receiver, message.key, logged.state),
        *(str(logged.tries), logged.reason, message.title),
    )
