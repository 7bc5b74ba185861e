"""`theodora import datadog`: import deployments and failures from a site of Datadog."""

import sys
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager

import click

from theodora.cli.datadog_keys import keys_from_environment
from theodora.cli.import_queue import recorded
from theodora.cli.invocation import command_actor
from theodora.cli.options import organisation_option, setting_options
from theodora.cli.pending_note import tell_what_waits
from theodora.cli.progress import ProgressBars
from theodora.cli.stores import new_or_existing_store
from theodora.cli.terminal import safe_lines
from theodora.dora.metrics.calendar import Calendar
from theodora.errors import Invalid, Problem, RefusedForGood
from theodora.events.timestamps import format_rfc3339
from theodora.events.values import SECOND_NS
from theodora.query.fields import Kind
from theodora.report.parameters import instants_in
from theodora.sources.datadog.client import DatadogClient, DatadogKeys
from theodora.sources.datadog.importing import (
    KEPT_VERDICTS,
    OUTCOMES,
    VERDICT_OUTCOMES,
    DatadogImport,
    KeptVerdicts,
)
from theodora.sources.datadog.listing import DatadogListing
from theodora.sources.datadog.sites import api_url

_SHOWN = 20
"""Skipped events that are shown one by one."""
_KINDS = {"deployments": Kind.DEPLOYMENT, "failures": Kind.FAILURE}


@click.command()
@click.option("--site", envvar="DD_SITE", required=True, help="Site of Datadog.  [DD_SITE]")
@click.option("--from", "from_", required=True, metavar="TIME", help="Earliest start, included.")
@click.option("--to", metavar="TIME", help="Latest start, included. Default: now.")
@click.option("--only", type=click.Choice(tuple(_KINDS)), help="Import one kind of event.")
@click.option(
    "--verdicts",
    type=click.Choice(KEPT_VERDICTS),
    default="failed",
    show_default=True,
    help="Datadog's verdicts that override the rules here: that a deployment failed, all or none.",
)
@organisation_option
@setting_options(["database"])
def datadog(
    site: str,
    from_: str,
    to: str | None,
    only: str | None,
    verdicts: KeptVerdicts,
    org: str,
    **flags: str | None,
) -> None:
    """Import deployments and failures that started in a period from a site of Datadog.

    \b
    export DD_API_KEY=... DD_APP_KEY=...
    theodora import datadog --site datadoghq.eu --from 2026-01-01

    The keys come from the environment: command lines are public. The application key needs the
    permission dora_metrics_read. --site is one of Datadog's sites, such as us5.datadoghq.com, or
    the URL of another server with the same API.

    Events keep Datadog's ids, so importing again stores nothing twice: run the command again
    after it was interrupted. An event that came here on another way stays as it is. Events that
    cannot be stored are shown, and the command then ends with status 1.
    """
    url = api_url(site)
    keys = DatadogKeys(*keys_from_environment())
    now_ns = time.time_ns()
    from_ns, to_ns = _window(from_, to, now_ns)
    kinds = [only] if only else list(_KINDS)
    with new_or_existing_store(flags) as store:
        org_ = store.keys.ensure_organisation(org, now_ns, actor=command_actor()).result()
        skipped = _Skipped()
        taking = DatadogImport(store, org_, verdicts, skipped.add, command_actor())
        with (
            _shown(taking, kinds, url),
            recorded(store, org_, url, lambda: dict(taking.counts)),
            closing(DatadogClient(url, keys)) as client,
        ):
            for kind in kinds:
                _take_all(taking, client, kind, from_ns, to_ns)
        tell_what_waits(store, org_)
    if skipped.count:
        sys.exit(1)


def _take_all(
    taking: DatadogImport, client: DatadogClient, kind: str, from_ns: int, to_ns: int
) -> None:
    """Imports one kind, newest first; the bar shows how much of the period has been read."""
    span_sec = max(1, (to_ns - from_ns) // SECOND_NS)
    with ProgressBars() as bars:

        def wait(seconds: float, reason: str) -> None:
            click.echo(safe_lines(f"waiting {seconds:.0f} s: {reason}"), err=True)
            time.sleep(seconds)

        bars.show(kind, 0, span_sec)
        for page in DatadogListing(client, _KINDS[kind], from_ns, to_ns, wait).pages():
            taking.take(_KINDS[kind], page.resources)
            if page.is_crowded:
                at = format_rfc3339(page.down_to_ns)
                click.echo(
                    f"warning: as many {kind} share an instant after {at} as one answer holds; "
                    "some of them may be missing",
                    err=True,
                )
            bars.show(kind, max(0, min(span_sec, (to_ns - page.down_to_ns) // SECOND_NS)), span_sec)


@contextmanager
def _shown(taking: DatadogImport, kinds: Sequence[str], url: str) -> Generator[None]:
    """Shows the counts at the end, whatever ends the import."""
    try:
        yield
    except RefusedForGood as error:
        raise click.ClickException(f"{url}: {error}") from error
    finally:
        _show_counts(taking, kinds)


def _show_counts(taking: DatadogImport, kinds: Sequence[str]) -> None:
    for kind in kinds:
        click.echo(f"{kind}: {_counted(taking.counts[kind], OUTCOMES)}")
    given = taking.counts["verdicts"]
    if given:
        click.echo(f"verdicts: {_counted(given, VERDICT_OUTCOMES)}")


def _counted(counts: dict[str, int], outcomes: Sequence[str]) -> str:
    return ", ".join(f"{counts.get(outcome, 0):,} {outcome}" for outcome in outcomes)


class _Skipped:
    """Shows skipped events with their reasons; of many, only the first."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, line: str) -> None:
        self.count += 1
        if self.count <= _SHOWN:
            click.echo(safe_lines(f"skipped: {line}"), err=True)
        elif self.count == _SHOWN + 1:
            click.echo("more events were skipped; not shown", err=True)


def _window(from_: str, to: str | None, now_ns: int) -> tuple[int, int]:
    from_ns, to_ns = _instant(from_, "--from"), now_ns if to is None else _instant(to, "--to")
    if from_ns > to_ns:
        raise Invalid(Problem("must not be after --to", parameter="--from"))
    return from_ns, to_ns


def _instant(text: str, option: str) -> int:
    try:
        return instants_in(Calendar())(text)
    except Invalid as invalid:
        raise Invalid(Problem(invalid.problems[0].detail, parameter=option)) from invalid
