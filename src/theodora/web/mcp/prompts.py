"""Prompts: the review of a month, with its report in it."""

import re
from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from theodora.dora.metrics.calendar import UTC_CALENDAR
from theodora.errors import Invalid, Problem
from theodora.report.markdown import markdown_of
from theodora.report.monthly import Month, month_report
from theodora.web.mcp.caller import ToolCaller

_MONTH = re.compile(r"(19[7-9]\d|2[01]\d\d)-(0[1-9]|1[0-2])")


class PromptArgument(NamedTuple):
    """An optional argument of a prompt."""

    name: str
    description: str


REVIEW = "review_month"
REVIEW_TITLE = "Review of a month"
REVIEW_DESCRIPTION = "What changed in a month of delivery, for a team or for all, and what to ask."
REVIEW_ARGUMENTS = (
    PromptArgument("month", "Such as 2026-10. Default: the last month that is over."),
    PromptArgument("team", "Default: every team."),
)

_TASK = """\
Review this month of software delivery for the people who did the work.

1. Report what changed beyond chance, and only that. Where nothing did, report that.
2. For each change, find what is behind it: search_dora_events for the deployments, \
explain_dora_deployment for one that failed.
3. Call get_dora_data_health, and name what makes the numbers incomplete.
4. End with two or three questions for the team. Compare no people, and set no targets.

The report:

"""


def review_month(caller: ToolCaller, arguments: Mapping[str, str]) -> str:
    """The text of the prompt; `Invalid` names the argument that is wrong."""
    unknown = set(arguments) - {argument.name for argument in REVIEW_ARGUMENTS}
    if unknown:
        raise Invalid(Problem("there is no such argument", parameter=min(unknown)))
    month = Month(
        _first_day(arguments.get("month", ""), caller.now_ns),
        UTC_CALENDAR,
        "UTC",
        caller.now_ns,
        caller.url,
    )
    team = arguments.get("team") or None
    report = month_report(caller.store, caller.organisation, month, team=team, query=None)
    return _TASK + markdown_of(report)


def _first_day(text: str, now_ns: int) -> date:
    if not text:
        return UTC_CALENDAR.local_date(UTC_CALENDAR.start_of_last(2, "month", now_ns))
    match = _MONTH.fullmatch(text)
    if match is None:
        raise Invalid(Problem("must be a month such as 2026-10", parameter="month"))
    return date(int(match[1]), int(match[2]), 1)
