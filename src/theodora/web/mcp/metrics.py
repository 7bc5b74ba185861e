"""The tool for metrics: the answers of the metrics endpoints in words."""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlencode

import msgspec
from msgspec import UNSET, Meta, UnsetType

from theodora.dora.metrics.calendar import Interval, WeekStart
from theodora.dora.metrics.pull_requests import GROUPED as PULL_REQUEST_GROUPS
from theodora.dora.metrics.tally import Granularity
from theodora.errors import Invalid, Problem
from theodora.report import wording
from theodora.report.links import PULL_REQUESTS_PATH
from theodora.storage.metrics.columns import GROUPED
from theodora.web.api.metrics import pull_request_table, pull_requests
from theodora.web.api.metrics.answer import answer_of
from theodora.web.api.metrics.question import MOST_KEYS, read_question
from theodora.web.api.metrics.text_table import table_of
from theodora.web.mcp.caller import PeriodArguments, ToolCaller

MOST_LINES = 150
"""Most lines of an answer; the rest is left out."""


class AggregateArguments(PeriodArguments, frozen=True):
    """Which metrics to compute."""

    event_type: Annotated[
        Literal["deployment", "pull_request"],
        Meta(description="The five DORA metrics, or those of pull requests."),
    ] = "deployment"
    group_by: (
        Annotated[
            list[str],
            Meta(
                description=f"Keys: {', '.join(GROUPED)} or those of custom tags; of pull "
                f"requests {', '.join(PULL_REQUEST_GROUPS)}.",
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
    granularity: (
        Annotated[
            Granularity,
            Meta(description="Lead times of commits, or means of deployments. Default: commit."),
        ]
        | UnsetType
    ) = UNSET
    stages: Annotated[bool, Meta(description="Also show the stages of lead times.")] | UnsetType = (
        UNSET
    )
    bots: Annotated[bool, Meta(description="Also count the pull requests of bots.")] | UnsetType = (
        UNSET
    )


def aggregate(caller: ToolCaller, arguments: AggregateArguments) -> str:
    """The tables of the command `theodora metrics`, or the same of pull requests."""
    parameters = _parameters(caller, arguments)
    aggregation = _AGGREGATIONS[arguments.event_type]
    lines = list(aggregation.lines(caller, parameters))
    shown = lines[:MOST_LINES]
    if more := len(lines) - len(shown):
        shown.append(
            f"{wording.counted(more, 'line')} left out: narrow the query or the period, widen the "
            "interval, or group by fewer keys."
        )
    if caller.store.derivations.waiting(caller.organisation).tasks:
        shown.append("Not everything is derived yet: lead times and failures may be missing.")
    named = {name: parameters[name] for name in _OF_PAGES if name in parameters}
    search = f"?{urlencode(named)}" if named else ""
    return "\n".join((*shown, caller.link(f"{aggregation.page}{search}")))


def _of_deployments(caller: ToolCaller, parameters: Mapping[str, str]) -> Iterable[str]:
    question = read_question(parameters.items(), caller.now_ns)
    return table_of(answer_of(caller.store, caller.organisation, question))


def _of_pull_requests(caller: ToolCaller, parameters: Mapping[str, str]) -> Iterable[str]:
    question = pull_requests.read_question(parameters.items(), caller.now_ns)
    report = pull_requests.report_of(caller.store, caller.organisation, question)
    return pull_request_table.table_of(question, report)


class _Aggregation(NamedTuple):
    """How metrics of a kind are read."""

    lines: Callable[[ToolCaller, Mapping[str, str]], Iterable[str]]
    page: str
    foreign: frozenset[str]
    """Arguments that only the others take."""


_AGGREGATIONS: Mapping[str, _Aggregation] = {
    "deployment": _Aggregation(_of_deployments, "/", frozenset({"bots"})),
    "pull_request": _Aggregation(
        _of_pull_requests, PULL_REQUESTS_PATH, frozenset({"granularity", "stages"})
    ),
}

_OF_PAGES = ("query", "from", "to", "timezone", "week_start")
"""Parameters that pages have too."""


def _parameters(caller: ToolCaller, arguments: AggregateArguments) -> dict[str, str]:
    asked: dict[str, Any] = msgspec.to_builtins(arguments)
    foreign = _AGGREGATIONS[asked.pop("event_type")].foreign & asked.keys()
    if foreign:
        detail = f"must not be given with event_type {arguments.event_type}"
        raise Invalid(*(Problem(detail, parameter=name) for name in sorted(foreign)))
    asked["group_by"] = ",".join(asked.get("group_by", ()))
    texts = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in asked.items()
        if value != ""
    }
    return caller.with_instants(texts)
