"""Metrics as a JSON:API document."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import msgspec

from theodora.dora.benchmarks.levels import LEVEL_TABLES, headlines_of, levels_of
from theodora.dora.benchmarks.quick_check import Scores, scores_of
from theodora.dora.benchmarks.surveys import SURVEYS
from theodora.dora.metrics.metrics import OF_EACH_METRIC, Metrics, with_fields
from theodora.dora.metrics.report import GroupReport, Report
from theodora.dora.metrics.shapes import Change
from theodora.dora.metrics.table import DEPLOYMENT_FREQUENCY, INCIDENT_TIME_TO_RESTORE
from theodora.dora.metrics.tally import Granularity
from theodora.events import format_rfc3339
from theodora.web.api.metrics.answer import Answer, LeadTimeClock
from theodora.web.api.metrics.event_queries import EventQueries, EventQueryWriter
from theodora.web.api.metrics.question_meta import Bounds, QuestionMeta, bounds_of
from theodora.web.api.wire import Resource

TYPE = "dora_metrics"
TOTAL = "total"
"""The id of the resource that holds all events."""

SPANS_SERVICES = (
    "The total spans several services; DORA advises to look at one application or service at a "
    "time."
)
OVERLAPS = "Groups overlap: an event may be in several, so they may add up to more than the total."

_encode = msgspec.json.Encoder().encode


@with_fields(OF_EACH_METRIC)
class IntervalMetrics(msgspec.Struct, frozen=True):
    """The metrics of one interval."""

    start: str
    end: str
    partial: bool
    """Whether some of it lies outside the period asked for, or is yet to come."""


IntervalBounds = tuple[str, str, bool]
"""The first members of `IntervalMetrics`."""


class MetricsAttributes(msgspec.Struct, frozen=True):
    """The metrics of all events, or of one group."""

    group: Mapping[str, str]
    """Its values of the keys grouped by; empty for all events."""
    total: Metrics
    previous: Metrics
    change: Mapping[str, Change]
    score: Scores
    """Of the total."""
    levels: Mapping[str, Mapping[str, str | None]]
    """Of the total, by the id of the table of levels."""
    events: EventQueries
    """Searches that find the events of the total."""
    series: Sequence[IntervalMetrics]
    """Every interval that overlaps the period, in order; empty without an interval."""


class LevelSource(msgspec.Struct, frozen=True):
    """A table of levels, and where it is from."""

    id: str
    year: int
    source: str
    is_primary_source: bool


class Benchmark(msgspec.Struct, frozen=True):
    """The surveys and tables behind scores and levels."""

    id: str
    year: int
    source: str
    segment: str
    means: Scores
    """The mean scores of the survey."""
    levels: tuple[LevelSource, ...]


class Meta(QuestionMeta, frozen=True):
    """The question, with all defaults."""

    group_by: tuple[str, ...]
    granularity: Granularity
    stages: bool
    query: str
    lead_time_clock: LeadTimeClock
    benchmark: Benchmark
    cautions: tuple[str, ...]


def json_of(answer: Answer) -> bytes:
    """The answer as a JSON:API document: a resource for all events, and one for each group."""
    question, report = answer.question, answer.report
    keys = question.query.group_by
    groups = (
        (dict(zip(keys, group.group, strict=True)), group)
        for group in (report.groups if keys else ())
    )
    queries = EventQueryWriter(question.tree, question.query.period)
    bounds = interval_bounds(report)
    # One by one: a call of the encoder keeps all other threads from computing until it returns.
    resources = [
        msgspec.Raw(_encode(_resource(id_of(named) or TOTAL, named, found, queries, bounds)))
        for named, found in chain([({}, report.overall)], groups)
    ]
    return _encode({"data": resources, "meta": _meta(answer)})


def id_of(group: Mapping[str, str]) -> str:
    """`service:web,env:production`; a comma within a value is quoted."""
    return ",".join(
        f"{key}:{value.replace('%', '%25').replace(',', '%2C')}" for key, value in group.items()
    )


def _resource(
    id_: str,
    group: Mapping[str, str],
    found: GroupReport,
    queries: EventQueryWriter,
    bounds: Sequence[IntervalBounds],
) -> Resource:
    figures = headlines_of(found.total)
    attributes = MetricsAttributes(
        group=group,
        total=found.total,
        previous=found.previous,
        change=found.change,
        score=scores_of(figures),
        levels={table.id: levels_of(table, figures) for table in LEVEL_TABLES},
        events=queries.of_group(group),
        series=intervals_of(found, bounds),
    )
    return Resource(id_, TYPE, attributes)


def interval_bounds(report: Report) -> Sequence[IntervalBounds]:
    """The bounds of every interval, the same for all groups."""
    return [(*bounds_of(each.period), each.is_partial) for each in report.buckets]


def intervals_of(found: GroupReport, bounds: Sequence[IntervalBounds]) -> Sequence[IntervalMetrics]:
    """The metrics of a group, interval by interval."""
    return [
        IntervalMetrics(*of_interval, *msgspec.structs.astuple(each.metrics))
        for of_interval, each in zip(bounds, found.series, strict=True)
    ]


def _meta(answer: Answer) -> Meta:
    question, query = answer.question, answer.question.query
    from_, to = bounds_of(query.period)
    return Meta(
        from_=from_,
        to=to,
        previous=Bounds(*bounds_of(answer.report.previous_period)),
        as_of=format_rfc3339(query.as_of_ns),
        timezone=question.zone,
        week_start=query.calendar.week_start,
        interval=query.interval,
        group_by=query.group_by,
        granularity=query.granularity,
        stages=query.stages,
        query=question.text,
        lead_time_clock=answer.clock,
        benchmark=BENCHMARK,
        cautions=tuple(_cautions(answer)),
    )


def _cautions(answer: Answer) -> Iterator[str]:
    if answer.spans_services:
        yield SPANS_SERVICES
    if answer.question.query.group_by and _overlap(answer.report):
        yield OVERLAPS


def _overlap(report: Report) -> bool:
    grouped = [_events_of(group.total) for group in report.groups]
    return any(
        sum(counts) > whole
        for whole, counts in zip(
            _events_of(report.overall.total), zip(*grouped, strict=True), strict=False
        )
    )


def _events_of(metrics: Metrics) -> tuple[int, int]:
    incidents = metrics[INCIDENT_TIME_TO_RESTORE]
    return metrics[DEPLOYMENT_FREQUENCY].count, incidents.n + incidents.open


def _benchmark() -> Benchmark:
    survey = SURVEYS[0]
    segment = survey.segments["all"]
    means = {name: segment.mean(name) for name in Scores.__struct_fields__}
    return Benchmark(
        id=survey.id,
        year=survey.year,
        source=survey.source,
        segment="all",
        means=Scores(**means | {"overall": segment.overall}),
        levels=tuple(
            LevelSource(table.id, table.year, table.source, table.is_primary_source)
            for table in LEVEL_TABLES
        ),
    )


BENCHMARK = _benchmark()
"""The newest survey of all respondents, and every table of levels."""
