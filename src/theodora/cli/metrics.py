"""`theodora metrics`: what the metrics endpoint returns, at the command line."""

import re
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import get_args

import click

from theodora.cli.options import organisation_option, setting_options
from theodora.cli.pending_note import tell_what_waits
from theodora.cli.queries import read_query
from theodora.cli.stores import existing_store
from theodora.dora.metrics.calendar import Calendar, Interval, WeekStart
from theodora.dora.metrics.tally import Granularity
from theodora.errors import Invalid, Problem
from theodora.events.values import DAY_NS
from theodora.web.api.metrics.answer import Answer, answer_of
from theodora.web.api.metrics.endpoint import encode_answer
from theodora.web.api.metrics.question import read_question
from theodora.web.api.metrics.text_table import table_of

_LAST = re.compile(r"([1-9]\d{0,4}) ?(h|d|w|mo|q|y)")
_UNITS: Mapping[str, tuple[Interval, int]] = {
    "d": ("day", 1),
    "w": ("week", 1),
    "mo": ("month", 1),
    "q": ("quarter", 1),
    "y": ("month", 12),
}


@click.command()
@click.option("--from", "from_", metavar="TIME", help="The start, included.")
@click.option("--to", metavar="TIME", help="The end, not included; default: now.")
@click.option("--last", metavar="SPAN", help="Instead of --from: 24h, 7d, 12w, 3mo, 2q, 1y.")
@click.option("--query", metavar="QUERY", help="Which events count; default: all.")
@click.option("--interval", type=click.Choice(get_args(Interval)), help="Length of a row's period.")
@click.option("--group-by", metavar="KEYS", help="service, team, env, repository_id, tags' keys.")
@click.option("--timezone", metavar="ZONE", help="Where days begin; default: UTC.")
@click.option("--week-start", type=click.Choice(get_args(WeekStart)), help="Default: monday.")
@click.option(
    "--granularity",
    type=click.Choice(get_args(Granularity)),
    help="Lead times of commits, or the means of deployments.",
)
@click.option("--stages", flag_value="true", help="Show the stages of lead times.")
@click.option("--as-of", metavar="TIME", help="What counts as now.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json", "csv")),
    default="table",
    show_default=True,
    help="json and csv are what the API answers, to the byte.",
)
@organisation_option
@setting_options(["database"])
def metrics(
    last: str | None, form: str, org: str, database: str | None, **given: str | None
) -> None:
    """Print the DORA metrics of a period, by default of twelve weeks.

    \b
    theodora metrics --query is:production --group-by service
    theodora metrics --last 6mo --interval month --format csv > metrics.csv

    A TIME is RFC 3339, or a date or date-time in the time zone. The last SPAN includes the
    day, week, month or quarter that is running.
    """
    parameters = {name.rstrip("_"): text for name, text in given.items() if text is not None}
    if "query" in parameters:
        read_query(parameters["query"])
    now_ns = time.time_ns()
    if last is not None:
        parameters["from"] = _start_of(last, parameters, now_ns)
    if form != "table":
        parameters["format"] = form
    question = read_question(parameters.items(), now_ns)
    # For one question nothing need be kept.
    with existing_store({"database": database}, metrics_memory_mib=0) as store, _patience():
        org_ = store.keys.organisation(org)
        answer = answer_of(store, org_, question)
        tell_what_waits(store, org_)
    _show(answer, form)


def _show(answer: Answer, form: str) -> None:
    if form == "table":
        click.echo("\n".join(table_of(answer)))
        return
    click.echo(encode_answer(answer), nl=form == "json" and sys.stdout.isatty())


def _start_of(last: str, parameters: Mapping[str, str], now_ns: int) -> str:
    """The parameter for the start of a span whose end the parameters set."""
    match = _LAST.fullmatch(last.strip())
    if match is None:
        raise Invalid(Problem("must be like 24h, 7d, 12w, 3mo, 2q or 1y", parameter="--last"))
    if "from" in parameters:
        raise Invalid(Problem("must not be given together with --from", parameter="--last"))
    query = read_question(parameters.items(), now_ns).query
    start_ns = _start_ns(int(match[1]), match[2], query.calendar, query.period.end_ns)
    if start_ns <= 0:
        raise Invalid(Problem("must not reach back beyond 1970", parameter="--last"))
    return str(start_ns)


def _start_ns(count: int, unit: str, calendar: Calendar, end_ns: int) -> int:
    if unit == "h":
        return end_ns - count * DAY_NS // 24
    interval, factor = _UNITS[unit]
    try:
        return calendar.start_of_last(count * factor, interval, end_ns)
    except (OverflowError, ValueError):  # Before the first year.
        return 0


@contextmanager
def _patience() -> Generator[None]:
    """Shows a message on a terminal while work is going on."""
    is_shown = sys.stderr.isatty()
    if is_shown:
        click.echo("measuring …", nl=False, err=True)
    try:
        yield
    finally:
        if is_shown:
            click.echo("\r\x1b[K", nl=False, err=True)
