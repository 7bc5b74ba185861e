"""Metrics of pull requests as a JSON:API document or a table."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from theodora.dora.metrics.calendar import (
    BUCKET_LIMIT,
    UTC_CALENDAR,
    Interval,
)
from theodora.dora.metrics.pull_requests import (
    GROUPED,
    PULL_REQUEST_METRICS,
    THROUGHPUT,
    AuthorThroughput,
    PullRequestFigures,
    PullRequestGroup,
    PullRequestQuery,
    PullRequestReport,
)
from theodora.dora.metrics.shapes import Change
from theodora.dora.metrics.statistics import Distribution
from theodora.events import format_rfc3339
from theodora.query import Everything, Query
from theodora.query.fields import Kind
from theodora.query.parser import MAX_CHARACTERS
from theodora.report.csv_text import Cell, csv_bytes
from theodora.report.parameters import (
    Parameters,
    instants_in,
    known_parameters,
    read_calendar,
    read_period,
)
from theodora.storage import Organisation, Store
from theodora.web.api.metrics.csv_table import flat_cells
from theodora.web.api.metrics.json_document import TOTAL, id_of
from theodora.web.api.metrics.parameters import (
    ENDS,
    AnswerForm,
    Cut,
    End,
    FirstDay,
    Form,
    Now,
    Zone,
    keys_among,
    named_problems,
)
from theodora.web.api.metrics.question import check_intervals, read_tree
from theodora.web.api.metrics.question_meta import Bounds, QuestionMeta, bounds_of
from theodora.web.api.wire import Resource
from theodora.web.http.operations import Request
from theodora.web.http.responses import CSV, Reply

TYPE = "dora_pull_request_metrics"
_CSV_HEADERS = ((b"content-disposition", b'attachment; filename="pull-request-metrics.csv"'),)
_encode = msgspec.json.Encoder().encode


class PullRequestMetricsParameters(Struct, frozen=True, rename={"from_": "from"}):
    """The parameters of a request for metrics of pull requests."""

    from_: (
        Annotated[str, Meta(description=f"The start, included: {ENDS}. Default: 12 weeks.")]
        | UnsetType
    ) = UNSET
    to: End = UNSET
    query: (
        Annotated[
            str,
            Meta(
                description="Which pull requests count, see the search language.",
                max_length=MAX_CHARACTERS,
            ),
        ]
        | UnsetType
    ) = UNSET
    interval: Cut = "total"
    group_by: (
        Annotated[str, Meta(description=f"Keys with commas between them, of {', '.join(GROUPED)}.")]
        | UnsetType
    ) = UNSET
    timezone: Zone = "UTC"
    week_start: FirstDay = "monday"
    bots: Annotated[
        Literal["true", "false"], Meta(description="Whether those that bots made count.")
    ] = "false"
    as_of: Now = UNSET
    format: AnswerForm = "json"


PARAMETERS = PullRequestMetricsParameters.__struct_encode_fields__


FiguresDocument = msgspec.defstruct(
    "PullRequestFiguresDocument",
    [
        ("merged", int),
        ("deployed", int),
        (THROUGHPUT, AuthorThroughput),
        *(
            (each.name, Annotated[Distribution, Meta(description=each.about)])
            for each in PULL_REQUEST_METRICS
        ),
    ],
    frozen=True,
    namespace={"__doc__": "The metrics of one period. Durations are in seconds."},
)


@dataclass(frozen=True, slots=True)
class PullRequestQuestion:
    """A request for metrics of pull requests that can be answered."""

    query: PullRequestQuery
    text: str
    """The search, as given."""
    tree: Query
    zone: str
    with_bots: bool
    form: Form


class IntervalDocument(Struct, frozen=True):
    """The metrics of one interval."""

    start: str
    end: str
    partial: bool
    metrics: FiguresDocument  # pyright: ignore[reportInvalidTypeForm]


class PullRequestMetricsAttributes(Struct, frozen=True):
    """The metrics of all pull requests, or of one group."""

    group: Mapping[str, str]
    """Its values of the keys grouped by; empty for all of them."""
    total: FiguresDocument  # pyright: ignore[reportInvalidTypeForm]
    previous: FiguresDocument  # pyright: ignore[reportInvalidTypeForm]
    change: Mapping[str, Change]
    """Of the medians."""
    series: Sequence[IntervalDocument]


class PullRequestMetricsMeta(QuestionMeta, frozen=True):
    """The question, with all defaults."""

    group_by: tuple[str, ...]
    query: str
    bots: bool


def get_pull_request_metrics(request: Request) -> Reply:
    question = read_question(request.query_parameters.multi_items(), request.now_ns)
    report = report_of(request.store, request.organisation, question)
    if question.form == "csv":
        return Reply(200, _csv(question, report), CSV, _CSV_HEADERS)
    keys = question.query.group_by
    groups = [({}, report.overall)]
    groups += [(dict(zip(keys, each.group, strict=True)), each) for each in report.groups]
    resources = [
        Resource(id_of(named) or TOTAL, TYPE, _attributes(named, each)) for named, each in groups
    ]
    return Reply(200, _encode({"data": resources, "meta": _meta(question, report)}))


def report_of(store: Store, org: Organisation, question: PullRequestQuestion) -> PullRequestReport:
    """The answer of the store to a question."""
    return store.pull_requests.report(
        org, question.query, question.tree, with_bots=question.with_bots
    )


def read_question(given: Iterable[tuple[str, str]], now_ns: int) -> PullRequestQuestion:
    """The question in parameters by name; `Invalid` lists all problems."""
    with named_problems():
        return _question(known_parameters(given, PARAMETERS), now_ns)


def _question(parameters: Parameters, now_ns: int) -> PullRequestQuestion:
    calendar = read_calendar(parameters, UTC_CALENDAR)
    as_of_ns = parameters.read("as_of", instants_in(calendar), now_ns)
    query = PullRequestQuery(
        period=read_period(parameters, calendar, as_of_ns),
        as_of_ns=as_of_ns,
        interval=parameters.choice("interval", get_args(Interval), "total"),
        calendar=calendar,
        group_by=parameters.read("group_by", keys_among(GROUPED), ()),
    )
    tree = parameters.read("query", partial(read_tree, kind=Kind.PULL_REQUEST), Everything())
    with_bots = parameters.choice("bots", ("true", "false"), "false") == "true"
    form: Form = parameters.choice("format", get_args(Form), "json")
    parameters.check()
    check_intervals(query.calendar, query.period, query.interval, BUCKET_LIMIT)
    zone = parameters.given("timezone") or "UTC"
    return PullRequestQuestion(query, parameters.given("query"), tree, zone, with_bots, form)


def figures_document(figures: PullRequestFigures) -> Any:
    return FiguresDocument(
        merged=figures.merged,
        deployed=figures.deployed,
        **{THROUGHPUT: figures.throughput, **figures.distributions},
    )


def _attributes(named: Mapping[str, str], group: PullRequestGroup) -> PullRequestMetricsAttributes:
    return PullRequestMetricsAttributes(
        group=named,
        total=figures_document(group.total),
        previous=figures_document(group.previous),
        change=group.change,
        series=[
            IntervalDocument(
                *bounds_of(each.bucket.period),
                each.bucket.is_partial,
                figures_document(each.figures),
            )
            for each in group.series
        ],
    )


def _meta(question: PullRequestQuestion, report: PullRequestReport) -> PullRequestMetricsMeta:
    query = question.query
    from_, to = bounds_of(query.period)
    return PullRequestMetricsMeta(
        from_=from_,
        to=to,
        previous=Bounds(*bounds_of(report.previous_period)),
        as_of=format_rfc3339(query.as_of_ns),
        timezone=question.zone,
        week_start=query.calendar.week_start,
        interval=query.interval,
        group_by=query.group_by,
        query=question.text,
        bots=question.with_bots,
    )


def _csv(question: PullRequestQuestion, report: PullRequestReport) -> bytes:
    """For all pull requests, then each group: the total, the period before, the intervals."""
    keys = question.query.group_by
    head = (
        *("id", *(f"group.{key}" for key in keys), "row", "start", "end", "partial"),
        *flat_cells(figures_document(report.overall.total)),
    )
    groups = (report.overall, *report.groups)
    rows = (row for group in groups for row in _rows(question, report, group))
    return csv_bytes(head, ([row.get(name) for name in head] for row in rows))


def _rows(
    question: PullRequestQuestion, report: PullRequestReport, group: PullRequestGroup
) -> Iterator[Mapping[str, Cell]]:
    named = dict(zip(question.query.group_by, group.group, strict=False))
    place = {"id": id_of(named) or TOTAL} | {f"group.{key}": each for key, each in named.items()}
    moments = (
        ("total", question.query.period, None, group.total),
        ("previous", report.previous_period, None, group.previous),
        *(
            ("interval", each.bucket.period, each.bucket.is_partial, each.figures)
            for each in group.series
        ),
    )
    for row, period, is_partial, figures in moments:
        start, end = bounds_of(period)
        yield {
            **place,
            "row": row,
            "start": start,
            "end": end,
            "partial": is_partial,
            **flat_cells(figures_document(figures)),
        }
