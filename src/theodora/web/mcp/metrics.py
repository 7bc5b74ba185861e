"""The tool for metrics: the answer of the metrics endpoint in words."""

from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from msgspec import UNSET, Meta, UnsetType

from theodora.dora.metrics.calendar import Interval, WeekStart
from theodora.dora.metrics.tally import Granularity
from theodora.report import wording
from theodora.storage.metrics.columns import GROUPED
from theodora.web.api.metrics.answer import answer_of
from theodora.web.api.metrics.question import MOST_KEYS, read_question
from theodora.web.api.metrics.text_table import table_of
from theodora.web.mcp.caller import PeriodArguments, ToolCaller

MOST_LINES = 150
"""Most lines of an answer; the rest is left out."""


class AggregateArguments(PeriodArguments, frozen=True):
    """Which metrics to compute."""

    group_by: (
        Annotated[
            list[str],
            Meta(
                description=f"Keys: {', '.join(GROUPED)} or those of custom tags.",
                max_length=MOST_KEYS,
            ),
        ]
        | UnsetType
    ) = UNSET
    interval: Annotated[Interval, Meta(description="Length of the parts to show as a series.")] = (
        "total"
    )
    timezone: Annotated[str, Meta(description="An IANA zone, in which days begin.")] = "UTC"
    week_start: Annotated[WeekStart, Meta(description="What day weeks start on.")] = "monday"
    granularity: Annotated[
        Granularity, Meta(description="Lead times of commits, or means of deployments.")
    ] = "commit"
    stages: Annotated[bool, Meta(description="Also show the stages of lead times.")] = False


def aggregate(caller: ToolCaller, arguments: AggregateArguments) -> str:
    """The tables of the command `theodora metrics`."""
    parameters = _parameters(caller, arguments)
    question = read_question(parameters.items(), caller.now_ns)
    lines = list(table_of(answer_of(caller.store, caller.organisation, question)))
    shown = lines[:MOST_LINES]
    if more := len(lines) - len(shown):
        shown.append(
            f"{wording.counted(more, 'line')} left out: narrow the query or the period, widen the "
            "interval, or group by fewer keys."
        )
    if caller.store.derivations.waiting(caller.organisation).tasks:
        shown.append("Not everything is derived yet: lead times and failures may be missing.")
    named = {name: parameters[name] for name in _OF_PAGES if name in parameters}
    return "\n".join((*shown, caller.link(f"/?{urlencode(named)}" if named else "/")))


_OF_PAGES = ("query", "from", "to", "timezone", "week_start")
"""Parameters that the overview has too."""


def _parameters(caller: ToolCaller, arguments: AggregateArguments) -> dict[str, str]:
    asked: dict[str, Any] = msgspec.to_builtins(arguments)
    asked["group_by"] = ",".join(asked.get("group_by", ()))
    asked["stages"] = str(arguments.stages).lower()
    return caller.with_instants({name: value for name, value in asked.items() if value})
