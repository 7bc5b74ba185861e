"""AI impact: the metrics of assisted changes beside those of others, as a page and as CSV."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from theodora.dora.assistance.comparison import (
    ComparedSides,
    DeploymentCount,
    MetricName,
    SideMetrics,
    Throughput,
)
from theodora.dora.assistance.report import (
    WITHHELD,
    ImpactBucket,
    ImpactCell,
    ImpactQuery,
    ImpactReport,
)
from theodora.dora.assistance.sides import Level
from theodora.dora.assistance.weighted import WeightedRate
from theodora.dora.derivation.authorship import ASSISTANTS
from theodora.dora.metrics.shapes import Change, DistributionWithOpen, Rate
from theodora.dora.metrics.statistics import Distribution
from theodora.errors import Invalid, Problem
from theodora.report import wording
from theodora.report.wording import Tone
from theodora.web.api.ai_impact import CAUTION, csv_of_impact, read_tools
from theodora.web.http.responses import CSV
from theodora.web.pages.shell.page import Answer, Download, View, Visit

PATH = "/ai-impact"
WITH_COMMITS = "number_of_commits:>0"
LEVELS: Mapping[Level, str] = {
    "commit": "What each commit says",
    "user_day": "Activity of its author that day",
}

_BY_NAME: Mapping[str, Level] = {name: name for name in LEVELS}
_DAYS_PER_WEEK = 7
_TITLES: Mapping[str, str] = {each.tool: each.title for each in ASSISTANTS}

_Figures = DeploymentCount | Throughput | Distribution | WeightedRate


class _Row(NamedTuple):
    """A metric of the table."""

    name: MetricName
    title: str
    noun: str
    more: str
    """The word for a larger value."""
    less: str
    better: str
    """Which of the two is better; empty where neither is."""


_ROWS = (
    _Row("deployment_frequency", "Deployments", "deployment", "more", "fewer", ""),
    _Row("change_lead_time", "Change lead time", "commit", "longer", "shorter", "shorter"),
    _Row("change_failure_rate", "Change failure rate", "deployment", "higher", "lower", "lower"),
    _Row(
        "failed_deployment_recovery_time",
        "Failed deployment recovery",
        "failure",
        "longer",
        "shorter",
        "shorter",
    ),
    _Row(
        "deployment_rework_rate", "Deployment rework rate", "deployment", "higher", "lower", "lower"
    ),
    _Row("request_throughput", "Pull requests an author and week", "request", "more", "fewer", ""),
    _Row(
        "request_cycle_time", "Pull request cycle time", "request", "longer", "shorter", "shorter"
    ),
)
_IN_INTERVALS: tuple[MetricName, ...] = ("change_lead_time", "change_failure_rate")


class SideFigure(NamedTuple):
    """A value, and what it is of."""

    words: str
    of: str


class SideDifference(NamedTuple):
    """How the assisted side differs."""

    words: str
    tone: Tone


class ImpactRow(NamedTuple):
    """A metric on both sides."""

    title: str
    assisted: SideFigure
    not_assisted: SideFigure
    difference: SideDifference


class ImpactIntervalRow(NamedTuple):
    """An interval, or why it has no figures."""

    name: str
    link: str
    reason: str
    share: str
    rows: tuple[ImpactRow, ...]


class ToolRow(NamedTuple):
    """A tool that was reported, and a link that counts it alone."""

    title: str
    by_commit: bool
    by_user_day: bool
    link: str


def show_ai_impact(visit: Visit) -> Answer:
    scope, query = visit.scope, _query(visit)
    report = visit.store.assistance.report(visit.organisation, query, scope.tree)
    own = _own(visit)
    total = report.total
    return View(
        {
            "own": own,
            "level": report.level,
            "levels": LEVELS,
            "is_default": query.level is None,
            "chosen": [_TITLES.get(tool, tool) for tool in query.tools],
            "tools": [_tool(visit, report, at) for at in range(len(report.tools))],
            "cell": total,
            "reason": total.withheld and WITHHELD[total.withheld],
            "shares": tuple(_shares(total.compared)),
            "rows": tuple(_rows(total.compared)),
            "intervals": tuple(_interval(visit, each) for each in report.series),
            "interval_titles": [row.title for row in _ROWS if row.name in _IN_INTERVALS],
            "caution": CAUTION,
            "deployments": scope.link("/deployments", query=scope.also(WITH_COMMITS)),
            "assistants": [each.title for each in ASSISTANTS],
            "csv_link": scope.link(f"{PATH}.csv", **own),
            "api_parameters": scope.api_parameters
            | {name: value for name, value in own.items() if value},
        }
    )


def ai_impact_csv(visit: Visit) -> Answer:
    """The same as the operation of the API answers."""
    query = _query(visit)
    report = visit.store.assistance.report(visit.organisation, query, visit.scope.tree)
    return Download(csv_of_impact(report, query), CSV, "ai-impact.csv")


def _own(visit: Visit) -> dict[str, str | None]:
    """The page's own parameters, for links."""
    return {name: visit.query_parameters.get(name) or None for name in ("level", "tool")}


def _query(visit: Visit) -> ImpactQuery:
    scope, own = visit.scope, _own(visit)
    level = _BY_NAME.get(own["level"] or "")
    if own["level"] and level is None:
        detail = f'must be one of "{" ".join(_BY_NAME)}"'
        raise Invalid(Problem(detail, parameter="level"))
    return ImpactQuery(
        period=scope.period,
        as_of_ns=scope.now_ns,
        interval=scope.interval,
        calendar=scope.calendar,
        level=level,
        tools=read_tools(own["tool"]) if own["tool"] else (),
    )


def _tool(visit: Visit, report: ImpactReport, at: int) -> ToolRow:
    tool = report.tools[at]
    link = visit.scope.link(PATH, **dict(_own(visit), tool=tool.name))
    return ToolRow(_TITLES.get(tool.name, tool.name), tool.by_commit, tool.by_user_day, link)


def _shares(found: ComparedSides | None) -> Iterator[tuple[str, SideFigure]]:
    if found is None:
        return
    for title, rate in (("commits", found.share.commits), ("pull requests", found.share.requests)):
        yield title, _share(rate)


def _share(rate: Rate | None) -> SideFigure:
    if rate is None:
        return SideFigure("not shown", "fewer than five people")
    between = wording.interval(rate.low, rate.high)
    return SideFigure(
        wording.percent(rate.value, "no value"),
        wording.of_all(rate.hits, rate.n) + (f", 95 % interval {between}" if between else ""),
    )


def _rows(found: ComparedSides | None) -> Iterator[ImpactRow]:
    if found is None:
        return
    for row in _ROWS:
        yield _row(row, found)


def _row(row: _Row, found: ComparedSides) -> ImpactRow:
    assisted, not_assisted = (
        _figure(row, getattr(side, row.name)) for side in (found.assisted, found.not_assisted)
    )
    return ImpactRow(row.title, assisted, not_assisted, _difference(row, found))


def _figure(row: _Row, figures: _Figures | None) -> SideFigure:
    match figures:
        case None:
            return SideFigure("not shown", "fewer than five people")
        case DeploymentCount():
            return SideFigure(
                wording.number(figures.count), f"{wording.decimal(figures.per_day)} a day"
            )
        case Throughput():
            per_author = figures.per_author_and_day
            value = None if per_author is None else per_author * _DAYS_PER_WEEK
            people = wording.counted(figures.authors, "person", "people")
            return SideFigure(
                wording.decimal(value, "no value"),
                f"{wording.counted(figures.count, row.noun)} by {people}",
            )
        case WeightedRate():
            between = wording.interval(figures.low, figures.high)
            of = f"{wording.decimal(figures.hits)} of {wording.decimal(figures.n)}"
            return SideFigure(
                wording.percent(figures.value, "no value"), f"{of}, {between}" if between else of
            )
        case _:
            still = figures.open if isinstance(figures, DistributionWithOpen) else 0
            of = wording.counted(figures.n, row.noun)
            return SideFigure(
                wording.duration(figures.p50, "no value"),
                f"median of {of}, {wording.number(still)} not fixed"
                if still
                else f"median of {of}",
            )


def _difference(row: _Row, found: ComparedSides) -> SideDifference:
    change = found.change[row.name]
    if change.delta is None:
        return SideDifference("nothing to compare", "")
    if not change.delta:
        return SideDifference("no difference, within noise", "")
    word = row.more if change.delta > 0 else row.less
    words = f"{_amount(row, found.assisted, change)} {word}"
    if change.within_noise:
        return SideDifference(f"{words}, within noise", "")
    if not row.better:
        return SideDifference(words, "")
    return SideDifference(words, "better" if word == row.better else "worse")


def _amount(row: _Row, side: SideMetrics, change: Change) -> str:
    delta = abs(change.delta or 0)
    match getattr(side, row.name):
        case Distribution():
            return wording.duration(delta)
        case WeightedRate():
            points = wording.decimal(delta)
            return f"{points} {'point' if points == '1.0' else 'points'}"
        case Throughput():
            return wording.decimal(delta * _DAYS_PER_WEEK)
        case _:
            return f"{wording.decimal(delta)} a day"


def _interval(visit: Visit, each: ImpactBucket) -> ImpactIntervalRow:
    scope, cell, bucket = visit.scope, each.cell, each.bucket
    return ImpactIntervalRow(
        scope.clock.bucket(bucket, scope.interval),
        scope.link(PATH, **_own(visit), **scope.within(bucket.period)),
        _reason(cell),
        _share(cell.compared.share.commits).words if cell.compared else "",
        tuple(
            _row(row, cell.compared) for row in _ROWS if cell.compared and row.name in _IN_INTERVALS
        ),
    )


def _reason(cell: ImpactCell) -> str:
    return WITHHELD[cell.withheld] if cell.withheld else ""
