"""The overview: the five metrics, every service's, and how they went interval by interval."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from theodora.dora.benchmarks.levels import measured
from theodora.dora.metrics.calendar import Bucket, buckets_of
from theodora.dora.metrics.groups import name_of, value_named
from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.report import GroupReport, Report
from theodora.errors import Invalid, Problem
from theodora.events import Deployment
from theodora.query import Exists, Query, complement
from theodora.query.fields import resolve
from theodora.query.operands import equals
from theodora.report.benchmark import PARAMETER, benchmark_of
from theodora.report.cards import FAILED, REWORK, cards_of
from theodora.report.charts import sparkline
from theodora.report.figures import MOST_FAILURES, figures_of, newest_failed
from theodora.report.intervals import ADVERBS, COLUMNS, interval_rows
from theodora.report.scope import service_path
from theodora.storage.metrics.counts import PeriodCounts
from theodora.web.pages.first_run import has_no_event, show_first_run
from theodora.web.pages.parts.clauses import known_field
from theodora.web.pages.parts.csv_download import Cell, csv_download
from theodora.web.pages.parts.freshness import freshness
from theodora.web.pages.parts.latest_deployment import Last, last_deployment
from theodora.web.pages.parts.sortable_table import Column, columns, sorted_rows
from theodora.web.pages.shell.page import Answer, View, Visit

GROUPS = ("service", "team")
FIRST_ROWS = 12
MOST_SILENT = 12


class GroupRow(NamedTuple):
    """A service, or a team, as a row of the table."""

    name: str
    link: str
    report: GroupReport
    spark: Markup
    deployments_link: str
    failed_link: str
    rework_link: str
    last: Last | None


class Silent(NamedTuple):
    """A service that nothing was deployed of for long."""

    name: str
    link: str
    last: Last


class _Looked(NamedTuple):
    """What is shown beside the metrics."""

    courses: Mapping[str, Sequence[int]]
    """How many deployments there were of each group, interval by interval."""
    failed: list[Deployment]


def show_overview(visit: Visit) -> Answer:
    scope = visit.scope
    key = _group_by(visit)
    tree = scope.tree
    query = scope.metrics_query(group_by=(key,))
    report = visit.store.metrics.report(visit.organisation, query, tree)
    overall = report.overall
    if not overall.total.deployment_frequency.count and has_no_event(visit):
        return show_first_run(visit)
    order = visit.query_parameters.get("sort", "-deployments")
    levels = visit.query_parameters.get(PARAMETER, "")
    groups = sorted_rows(report.groups, SORTS, order)
    shows_all = visit.query_parameters.get("show") == "all"
    shown = groups if shows_all else groups[:FIRST_ROWS]
    silent = _silent(visit, report, tree) if key == "service" else ()
    buckets = buckets_of(scope.period, scope.interval, scope.calendar, scope.now_ns)
    looked = _look(visit, key, buckets)
    return View(
        {
            "title": _title(visit),
            "cards": cards_of(overall, overall.series, scope),
            "total": overall.total,
            "benchmark": benchmark_of(measured(overall.total), levels),
            "freshness": freshness(visit, overall.total, scope),
            "compared_days": report.previous_period.days(),
            "group_by": key,
            "own": {
                "group_by": key if key != "service" else None,
                "sort": _kept(order),
                PARAMETER: levels or None,
            },
            "columns": tuple(columns(SORTS, order)),
            "rows": tuple(_rows(visit, key, shown, looked.courses, buckets)),
            "silent": silent,
            "count": len(groups),
            "interval_columns": COLUMNS,
            "intervals": tuple(interval_rows(overall.series, scope)),
            "figures": tuple(figures_of(overall, scope, looked.failed)),
            "adverb": ADVERBS[scope.interval],
        }
    )


def _silent(visit: Visit, report: Report, tree: Query) -> tuple[Silent, ...]:
    """Services that are known and match, but were deployed in neither period; a bounded few."""
    active = {value_named(group.group[0]) for group in report.groups}
    known = visit.store.settings.services(visit.organisation, limit=len(active) + MOST_SILENT)
    found: list[Silent] = []
    silent = [service.name for service in known if service.name not in active]
    for name in silent[:MOST_SILENT]:
        last = last_deployment(visit, (tree, equals(resolve("service"), name)))
        if last is not None:
            found.append(Silent(name, visit.scope.link(service_path(name), query=None), last))
    return tuple(found)


CSV_HEAD = (
    *("deployments", "per_day", "active_days"),
    *("lead_time_p50_sec", "lead_time_p90_sec", "commits"),
    *("failure_rate", "failed", "evaluated", "pending"),
    *("recovery_p50_sec", "remedied", "unresolved"),
    *("rework_rate", "rework"),
    *("time_to_restore_p50_sec", "restored", "open_incidents"),
)
"""Of `/services.csv`, behind the name."""


def services_csv(visit: Visit) -> Answer:
    """Every row of the table, with the numbers unrounded."""
    key = _group_by(visit)
    query = visit.scope.metrics_query(group_by=(key,), interval="total")
    report = visit.store.metrics.report(visit.organisation, query, visit.scope.tree)
    rows = ((group.group[0], *_csv_cells(group.total)) for group in report.groups)
    return csv_download(f"{key}s.csv", (key, *CSV_HEAD), rows)


def _csv_cells(metrics: Metrics) -> tuple[Cell, ...]:
    frequency, lead = metrics.deployment_frequency, metrics.change_lead_time
    rate, recovery = metrics.change_failure_rate, metrics.failed_deployment_recovery_time
    rework, restore = metrics.deployment_rework_rate, metrics.incident_time_to_restore
    return (
        *(frequency.count, frequency.per_day, frequency.active_days),
        *(lead.p50, lead.p90, lead.n),
        *(rate.value, rate.failed, rate.evaluated, rate.pending),
        *(recovery.p50, recovery.n, recovery.unresolved),
        *(rework.value, rework.rework),
        *(restore.p50, restore.n, restore.open),
    )


SORTS: tuple[Column[GroupReport], ...] = (
    Column("name", "Name", lambda group: group.group[0].casefold(), is_number=False),
    Column("deployments", "Deployments", lambda group: group.total.deployment_frequency.count),
    Column("lead_time", "Lead time", lambda group: group.total.change_lead_time.p50),
    Column("recovery", "Recovery", lambda group: group.total.failed_deployment_recovery_time.p50),
    Column("failure_rate", "Failure rate", lambda group: group.total.change_failure_rate.value),
    Column("rework_rate", "Rework rate", lambda group: group.total.deployment_rework_rate.value),
)
"""What the table may be sorted by, in the order of its columns."""


def _group_by(visit: Visit) -> str:
    key = visit.query_parameters.get("group_by") or GROUPS[0]
    if key not in GROUPS:
        raise Invalid(Problem(f'must be one of "{" ".join(GROUPS)}"', parameter="group_by"))
    return key


def _kept(order: str) -> str | None:
    return None if order == "-deployments" else order


def _title(visit: Visit) -> tuple[str, str]:
    """What is looked at, in words where they are known."""
    query = visit.scope.query
    if not query:
        return "All services", "in every environment"
    if query == visit.scope.defaults.query:
        return "All services", "in production"
    return "Services", "that match the search"


def _look(visit: Visit, key: str, buckets: Sequence[Bucket]) -> _Looked:
    field, periods = known_field(key), [each.covered for each in buckets]

    def look(those: PeriodCounts) -> _Looked:
        courses = those.series(visit.scope.tree, field, periods)
        return _Looked(
            {
                name_of(None if value is None else str(value)): course
                for value, course in courses.items()
            },
            newest_failed(those, visit.scope, MOST_FAILURES),
        )

    return visit.store.metrics.in_period(visit.organisation, visit.scope.period, look)


def _rows(
    visit: Visit,
    key: str,
    groups: Sequence[GroupReport],
    courses: Mapping[str, Sequence[int]],
    buckets: Sequence[Bucket],
) -> Iterator[GroupRow]:
    scope, tree = visit.scope, visit.scope.tree
    last_is_partial = bool(buckets) and buckets[-1].is_partial
    target = resolve(key)
    for group in groups:
        name = group.group[0]
        value = value_named(name)
        clause = complement(Exists(target)) if value is None else equals(target, value)
        query = scope.also(clause)
        yield GroupRow(
            name,
            scope.link(service_path(value), query=None)
            if key == "service" and value is not None
            else scope.link("/", query=query),
            group,
            sparkline(courses.get(name, [0] * len(buckets)), last_is_partial=last_is_partial),
            scope.link("/deployments", query=query),
            scope.link("/deployments", query=scope.also(clause, FAILED)),
            scope.link("/deployments", query=scope.also(clause, REWORK)),
            last_deployment(visit, (tree, clause)),
        )
