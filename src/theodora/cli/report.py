"""`theodora report`: write the report of a month, for one team or for all."""

import re
import time
from datetime import date
from typing import BinaryIO

import click

from theodora.cli.options import organisation_option, setting_options
from theodora.cli.pending_note import tell_what_waits
from theodora.cli.queries import read_query
from theodora.cli.report_html import html_of
from theodora.cli.stores import existing_store
from theodora.dora.metrics.calendar import UTC_CALENDAR, Calendar
from theodora.errors import Invalid, Problem
from theodora.report.markdown import markdown_of
from theodora.report.monthly import Month, month_report
from theodora.report.parameters import Parameters, read_calendar

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_FIRST_YEAR, _LAST_YEAR = 1971, 2200


@click.command()
@click.option("--month", metavar="YYYY-MM", help="Default: the last month that is over.")
@click.option("--team", metavar="TEAM", help="Default: every team.")
@click.option("--query", metavar="QUERY", help="Which events count; default: production's.")
@click.option("--timezone", default="UTC", show_default=True, help="Where months begin.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("html", "markdown")),
    default="html",
    show_default=True,
    help="html is one file with everything in it; markdown is for chat.",
)
@click.option("--url", default="", help="Address of the dashboard, to which html's numbers lead.")
@click.option(
    "-o",
    "--output",
    type=click.File("wb"),
    default="-",
    help="File to write; default: standard output.",
)
@organisation_option
@setting_options(["database"])
def report(
    month: str | None,
    team: str | None,
    query: str | None,
    timezone: str,
    form: str,
    url: str,
    output: BinaryIO,
    org: str,
    **flags: str | None,
) -> None:
    """Write a report of a month: the five metrics, the services, what failed.

    \b
    theodora report --month 2026-10 --team payments --output october.html
    theodora report --format markdown
    """
    if query is not None:
        read_query(query)
    parameters = Parameters({"timezone": timezone})
    calendar = read_calendar(parameters, UTC_CALENDAR)
    parameters.check()
    now_ns = time.time_ns()
    first = _last_month(calendar, now_ns) if month is None else _first_day(month)
    seen = Month(first, calendar, timezone, now_ns, url.rstrip("/"))
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        made = month_report(store, org_, seen, team=team, query=query)
        tell_what_waits(store, org_)
    written = html_of(made) if form == "html" else markdown_of(made)
    output.write(written.encode("utf-8", "replace"))


def _last_month(calendar: Calendar, now_ns: int) -> date:
    """The first day of the last month that is over."""
    return calendar.local_date(calendar.start_of_last(2, "month", now_ns))


def _first_day(month: str) -> date:
    match = _MONTH.fullmatch(month)
    if match is None or not _FIRST_YEAR <= int(match[1]) <= _LAST_YEAR:
        raise Invalid(Problem("must be a month such as 2026-10", parameter="--month"))
    return date(int(match[1]), int(match[2]), 1)
