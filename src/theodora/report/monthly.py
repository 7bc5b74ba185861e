"""The content of a monthly report, for one team or for all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from markupsafe import Markup

from theodora.dora.benchmarks.levels import headlines_of
from theodora.dora.metrics.calendar import Calendar, Period
from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.report import BucketMetrics, GroupReport
from theodora.dora.metrics.table import DEPLOYMENT_FREQUENCY, DORA_METRICS, Metric
from theodora.events import Deployment, format_rfc3339
from theodora.query import Everything, Production, Query, all_of, parse, to_text
from theodora.query.fields import resolve
from theodora.query.operands import equals
from theodora.report.annotations import ChartAnnotations, annotations_of
from theodora.report.benchmark import ChosenBenchmark, benchmark_of
from theodora.report.cards import Card, cards_of, deployments_spark, others_of
from theodora.report.figures import MOST_FAILURES, CaptionedChart, failed_deployments, figures_of
from theodora.report.goals import goals_for
from theodora.report.insight_facts import facts_of_period
from theodora.report.insights import Insights, insights_of
from theodora.report.metric_words import Described
from theodora.report.scope import Scope, read_scope
from theodora.storage import Organisation, Store

MONTHS = 12
"""Months in the trend, including the month itself."""

MOST_ROWS = 50
"""Most failed deployments that are listed."""


class ServiceRow(NamedTuple):
    """A service in the month, and its deployments month by month."""

    name: str
    cells: Sequence[Described]
    spark: Markup


class FailedRow(NamedTuple):
    """A failed deployment of the month, with the time since then if it has no remediation."""

    deployment: Deployment
    open_sec: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthReport:
    """All numbers are those of the metrics endpoint."""

    title: str
    """`October 2026`."""
    before: str
    """The month it is compared with, or as much of it as has passed of this one."""
    team: str | None
    scope: Scope
    year: Scope
    total: Metrics
    course: Sequence[BucketMetrics]
    """The month, and those before it."""
    cards: Sequence[Card]
    insights: Insights
    """What changed since the previous month, and what needs attention of this one."""
    benchmark: ChosenBenchmark
    services: Sequence[ServiceRow]
    failed: Sequence[FailedRow]
    figures: Sequence[CaptionedChart]
    annotations: ChartAnnotations

    @property
    def metrics(self) -> Sequence[Metric[Any]]:
        """The columns of the table of services."""
        return DORA_METRICS

    @property
    def others(self) -> Sequence[Described]:
        return others_of(self.total)

    @property
    def is_running(self) -> bool:
        return self.scope.now_ns < self.scope.period.end_ns


def month_report(
    store: Store, org: Organisation, month: "Month", *, team: str | None, query: str | None
) -> MonthReport:
    """`query` narrows the events, instead of to production environments."""
    tree = _tree(store, org, team, query)
    scope, year = month.scope(1, tree), month.scope(MONTHS, tree)
    of_month = store.metrics.report(org, scope.metrics_query(group_by=("service",)), tree)
    of_year = store.metrics.report(org, year.metrics_query(group_by=("service",)), tree)
    total, course = of_month.overall.total, of_year.overall.series
    courses = {group.group: group.series for group in of_year.groups}
    cards = cards_of(of_month.overall, course, scope)
    before = of_month.previous_period
    failed = failed_deployments(store, org, scope, MOST_FAILURES)
    facts = facts_of_period(store, org, scope, failed)
    of_trend = failed_deployments(store, org, year, MOST_FAILURES)
    annotations = annotations_of(store, org, year)
    goals = goals_for(store.goals.all_of(org), "", team or "")
    return MonthReport(
        title=month.name,
        before=_name(before, month.calendar),
        team=team,
        scope=scope,
        year=year,
        total=total,
        course=course,
        cards=cards,
        insights=insights_of(of_month, "service", scope, facts),
        benchmark=benchmark_of(headlines_of(total), ""),
        services=tuple(_service_rows(of_month.groups, courses)),
        failed=tuple(
            FailedRow(each, (scope.now_ns - each.finished_at_ns) / 10**9)
            for each in failed[:MOST_ROWS]
        ),
        figures=tuple(figures_of(of_year.overall, year, of_trend, annotations.flags, goals)),
        annotations=annotations,
    )


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month, seen at some instant."""

    first: date
    calendar: Calendar
    zone: str
    as_of_ns: int
    url: str
    """The URL of the dashboard that numbers link to; empty for none."""

    @property
    def name(self) -> str:
        return f"{self.first:%B %Y}"

    def scope(self, months: int, tree: Query) -> Scope:
        """The scope of a page for this month, or for so many months that end with it."""
        start_ns = self.calendar.midnight_ns(self.first)
        end_ns = next(self.calendar.intervals(Period(start_ns, start_ns + 1), "month")).end_ns
        given = {
            "from": format_rfc3339(self.calendar.start_of_last(months, "month", start_ns)),
            "to": format_rfc3339(end_ns),
            "interval": "month",
            "query": "" if tree == Everything() else to_text(tree),
            "timezone": self.zone,
        }
        return read_scope(given, self.as_of_ns, prefix=self.url)


def _tree(store: Store, org: Organisation, team: str | None, query: str | None) -> Query:
    if query is not None:
        tree = parse(query)
    else:
        tree = Production() if store.settings.has_production(org) else Everything()
    clauses = [] if tree == Everything() else [tree]
    if team is not None:
        clauses.append(equals(resolve("team"), team))
    return all_of(clauses) if clauses else Everything()


def _name(period: Period, calendar: Calendar) -> str:
    """`September 2026`, or the days of it that are compared."""
    first, after = calendar.local_date(period.start_ns), calendar.local_date(period.end_ns)
    if (after.year, after.month) != (first.year, first.month):
        return f"{first:%B %Y}"
    return f"1 to {calendar.local_date(period.end_ns - 1).day} {first:%B %Y}"


def _service_rows(
    groups: Sequence[GroupReport], courses: Mapping[tuple[str, ...], Sequence[BucketMetrics]]
) -> Iterator[ServiceRow]:
    ordered = sorted(groups, key=lambda group: -group.total[DEPLOYMENT_FREQUENCY].count)
    for group in ordered:
        spark = deployments_spark(courses.get(group.group, ()))
        cells = [Described(metric, group.total) for metric in DORA_METRICS]
        yield ServiceRow(group.group[0], cells, spark)
