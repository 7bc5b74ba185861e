"""The handler of AI impact: metrics of assisted changes beside those of others, as JSON or CSV."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from theodora.dora.assistance.comparison import (
    Share,
    SideMetrics,
    Unknown,
    compare_nothing,
)
from theodora.dora.assistance.report import (
    WITHHELD,
    ImpactCell,
    ImpactQuery,
    ImpactReport,
    Withheld,
)
from theodora.dora.assistance.shipped import GROUPED
from theodora.dora.assistance.sides import Level, ReportedTool
from theodora.dora.metrics.calendar import UTC_CALENDAR, Interval, WeekStart
from theodora.dora.metrics.shapes import Change
from theodora.errors import Invalid, Problem
from theodora.events import format_rfc3339
from theodora.events.activity import tool_name
from theodora.query import Everything, Query
from theodora.query.parser import MAX_CHARACTERS
from theodora.report.csv_text import Cell, csv_bytes
from theodora.report.parameters import (
    Parameters,
    instants_in,
    known_parameters,
    read_calendar,
    read_period,
)
from theodora.web.api.metrics.csv_table import flat_cells
from theodora.web.api.metrics.parameters import (
    AnswerForm,
    Cut,
    End,
    FirstDay,
    Form,
    Now,
    Start,
    Zone,
    keys_among,
    named_problems,
)
from theodora.web.api.metrics.question import check_intervals, read_tree
from theodora.web.api.wire import Resource
from theodora.web.http.operations import Request
from theodora.web.http.responses import CSV, Reply

TYPE = "dora_ai_impact"
CAUTION = (
    "This compares changes; it does not prove a cause. People choose when to use an assistant, "
    "and with which work."
)
CSV_HEADERS = ((b"content-disposition", b'attachment; filename="ai-impact.csv"'),)

_MOST_TOOLS = 20

_encode = msgspec.json.Encoder().encode


class AIImpactParameters(Struct, frozen=True, rename={"from_": "from"}):
    """The parameters of a request for AI impact, for schemas."""

    from_: Start = UNSET
    to: End = UNSET
    query: (
        Annotated[
            str,
            Meta(
                description="Which deployments count, see the search language.",
                max_length=MAX_CHARACTERS,
            ),
        ]
        | UnsetType
    ) = UNSET
    interval: Cut = "total"
    group_by: (
        Annotated[
            str,
            Meta(
                description=f"Keys with commas between them, of {', '.join(GROUPED)}; without an "
                "interval."
            ),
        ]
        | UnsetType
    ) = UNSET
    level: (
        Annotated[
            Level,
            Meta(
                description="How assisted commits are found: by what each commit says, or by the "
                "activity of its author on its day. Default: the most precise level that all "
                "tools of the period share."
            ),
        ]
        | UnsetType
    ) = UNSET
    tool: (
        Annotated[
            str,
            Meta(description="Tools whose use counts, with commas between them. Default: all."),
        ]
        | UnsetType
    ) = UNSET
    timezone: Zone = "UTC"
    week_start: FirstDay = "monday"
    as_of: Now = UNSET
    format: AnswerForm = "json"


_PARAMETERS = AIImpactParameters.__struct_encode_fields__


class ImpactFigures(Struct, frozen=True):
    """The comparison over one period; without figures where it is of fewer than five people."""

    withheld: Withheld | None
    """Why there is no comparison; null where there is one."""
    reason: str | None
    """The same as a sentence."""
    share: Share | None
    """The part of commits and of pull requests that is assisted."""
    assisted: SideMetrics | None
    not_assisted: SideMetrics | None
    change: Mapping[str, Change] | None
    """How `assisted` differs from `not_assisted`, by metric."""
    unknown: Unknown | None
    """Commits by authors of whose activity nothing was reported; null for one to four people."""
    bot_commits: int
    """Commits of bots, which are on no side."""


class ImpactInterval(ImpactFigures, frozen=True):
    """The comparison over one interval."""

    start: str
    end: str
    partial: bool
    """Whether some of it lies outside the period, or is yet to come."""


class ImpactOfGroup(ImpactFigures, frozen=True):
    """The comparison of one group over the period."""

    group: Mapping[str, str]
    """Its values of the keys grouped by."""


class AIImpactAttributes(Struct, frozen=True):
    """The comparison over the period, and over each of its intervals."""

    level: Level
    """How assisted commits were found."""
    tools: tuple[ReportedTool, ...]
    """The tools that were reported in the period, whichever were asked for."""
    total: ImpactFigures
    series: tuple[ImpactInterval, ...]
    """Every interval that overlaps the period, in order; empty without an interval."""
    groups: tuple[ImpactOfGroup, ...]
    """Those with a deployment that shipped a commit; empty without keys to group by."""


class AIImpactMeta(Struct, frozen=True, rename={"from_": "from"}):
    """The question, with all defaults."""

    from_: str
    to: str
    as_of: str
    timezone: str
    week_start: WeekStart
    interval: Interval
    group_by: tuple[str, ...]
    tool: tuple[str, ...]
    """Empty for all."""
    query: str
    caution: str


@dataclass(frozen=True, slots=True)
class ImpactQuestion:
    """A request for AI impact that can be answered."""

    query: ImpactQuery
    text: str
    """The search, as given."""
    tree: Query
    zone: str
    form: Form


def get_ai_impact(request: Request) -> Reply:
    question = read_question(request.query_parameters.multi_items(), request.now_ns)
    report = request.store.assistance.report(request.organisation, question.query, question.tree)
    if question.form == "csv":
        return Reply(200, csv_of_impact(report, question.query), CSV, CSV_HEADERS)
    resource = Resource("total", TYPE, _attributes(report, question.query.group_by))
    return Reply(200, _encode({"data": resource, "meta": _meta(question)}))


def read_question(given: Iterable[tuple[str, str]], now_ns: int) -> ImpactQuestion:
    """The question in parameters by name; `Invalid` lists all problems."""
    with named_problems():
        return _question(known_parameters(given, _PARAMETERS), now_ns)


def _question(parameters: Parameters, now_ns: int) -> ImpactQuestion:
    calendar = read_calendar(parameters, UTC_CALENDAR)
    as_of_ns = parameters.read("as_of", instants_in(calendar), now_ns)
    level: Level = parameters.choice("level", get_args(Level), "commit")
    query = ImpactQuery(
        period=read_period(parameters, calendar, as_of_ns),
        as_of_ns=as_of_ns,
        interval=parameters.choice("interval", get_args(Interval), "total"),
        calendar=calendar,
        level=level if parameters.given("level") else None,
        tools=parameters.read("tool", read_tools, ()),
        group_by=parameters.read("group_by", keys_among(GROUPED), ()),
    )
    if query.group_by and query.interval != "total":
        # Groups and intervals of few people could be computed from each other.
        parameters.add("interval", 'must be "total" with group_by')
    tree = parameters.read("query", read_tree, Everything())
    form: Form = parameters.choice("format", get_args(Form), "json")
    parameters.check()
    check_intervals(query.calendar, query.period, query.interval)
    zone = parameters.given("timezone") or "UTC"
    return ImpactQuestion(query, parameters.given("query"), tree, zone, form)


def read_tools(text: str) -> tuple[str, ...]:
    """The names of tools in a text with commas between them."""
    names = tuple(dict.fromkeys(tool_name(part) for part in text.split(",")))
    if not all(names) or len(names) > _MOST_TOOLS:
        detail = f"must be at most {_MOST_TOOLS} names of tools with commas between them"
        raise Invalid(Problem(detail))
    return names


def _attributes(report: ImpactReport, keys: Sequence[str]) -> AIImpactAttributes:
    return AIImpactAttributes(
        report.level,
        report.tools,
        ImpactFigures(**_figures(report.total)),
        tuple(
            ImpactInterval(
                **_figures(each.cell),
                start=format_rfc3339(each.bucket.period.start_ns),
                end=format_rfc3339(each.bucket.period.end_ns),
                partial=each.bucket.is_partial,
            )
            for each in report.series
        ),
        tuple(
            ImpactOfGroup(**_figures(each.cell), group=dict(zip(keys, each.group, strict=True)))
            for each in report.groups
        ),
    )


def _figures(cell: ImpactCell) -> dict[str, Any]:
    found = cell.compared
    return {
        "withheld": cell.withheld,
        "reason": cell.withheld and WITHHELD[cell.withheld],
        "share": found and found.share,
        "assisted": found and found.assisted,
        "not_assisted": found and found.not_assisted,
        "change": found and found.change,
        "unknown": cell.unknown,
        "bot_commits": cell.bot_commits,
    }


def _meta(question: ImpactQuestion) -> AIImpactMeta:
    query = question.query
    return AIImpactMeta(
        from_=format_rfc3339(query.period.start_ns),
        to=format_rfc3339(query.period.end_ns),
        as_of=format_rfc3339(query.as_of_ns),
        timezone=question.zone,
        week_start=query.calendar.week_start,
        interval=query.interval,
        group_by=query.group_by,
        tool=query.tools,
        query=question.text,
        caution=CAUTION,
    )


def csv_of_impact(report: ImpactReport, query: ImpactQuery) -> bytes:
    """A row for the period, one for each interval and one for each group.

    Cells of withheld figures are empty. Columns are named after the members of the JSON document,
    with dots between levels.
    """
    rows = list(_rows(report, query))
    grouped = (f"group.{key}" for key in query.group_by)
    head = dict.fromkeys(("row", *grouped, *rows[0], *flat_cells(compare_nothing())))
    return csv_bytes(tuple(head), ([row.get(name) for name in head] for row in rows))


def _rows(report: ImpactReport, query: ImpactQuery) -> Iterator[Mapping[str, Cell]]:
    ends = _ends(query.period.start_ns, query.period.end_ns)
    yield {"row": "total", **ends, "partial": None, **_cells(report.level, report.total)}
    for each in report.series:
        bucket = each.bucket
        yield {
            "row": "interval",
            **_ends(bucket.period.start_ns, bucket.period.end_ns),
            "partial": bucket.is_partial,
            **_cells(report.level, each.cell),
        }
    for each in report.groups:
        named = zip(query.group_by, each.group, strict=True)
        values = {f"group.{key}": value for key, value in named}
        yield {"row": "group", **values, **ends, **_cells(report.level, each.cell)}


def _ends(start_ns: int, end_ns: int) -> Mapping[str, Cell]:
    return {"start": format_rfc3339(start_ns), "end": format_rfc3339(end_ns)}


def _cells(level: Level, cell: ImpactCell) -> Mapping[str, Cell]:
    unknown = cell.unknown
    return {
        "level": level,
        "withheld": cell.withheld,
        "bot_commits": cell.bot_commits,
        "unknown.people": unknown and unknown.people,
        "unknown.commits": unknown and unknown.commits,
        **({} if cell.compared is None else flat_cells(cell.compared)),
    }
