"""The overview: the five metrics, in total, by service and by interval."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Literal, NamedTuple

from markupsafe import Markup

from theodora.dora.benchmarks.levels import headlines_of
from theodora.dora.metrics.calendar import Bucket, buckets_of
from theodora.dora.metrics.groups import name_of, value_named
from theodora.dora.metrics.report import GroupReport, Report
from theodora.dora.metrics.table import (
    DEPLOYMENT_FREQUENCY,
    DORA_METRICS,
    METRICS,
    Metric,
)
from theodora.errors import Invalid, Problem
from theodora.events import Deployment
from theodora.query import Tag, resolve
from theodora.query.fields import Scalar
from theodora.report.annotations import annotations_of
from theodora.report.benchmark import PARAMETER, benchmark_of
from theodora.report.cards import cards_of, others_of, plotted
from theodora.report.charts import sparkline
from theodora.report.comparison import ComparedGroup, MetricScale, comparison_of
from theodora.report.figures import MOST_FAILURES, figures_of, newest_failed
from theodora.report.goals import goals_for, subject_of
from theodora.report.insight import InsightFacts
from theodora.report.insight_facts import facts_of_period
from theodora.report.insights import insights_of
from theodora.report.intervals import interval_values
from theodora.report.metric_words import CLAUSES, Described
from theodora.report.scope import Scope, service_path
from theodora.storage.facts.settings import MAX_SERVICES
from theodora.storage.metrics.columns import GROUPED
from theodora.storage.metrics.counts import PeriodCounts
from theodora.web.pages.first_run import has_no_event, show_first_run
from theodora.web.pages.parts.clauses import known_field
from theodora.web.pages.parts.csv_download import Cell, csv_download
from theodora.web.pages.parts.freshness import freshness
from theodora.web.pages.parts.latest_deployment import Last, has_value, last_deployments
from theodora.web.pages.parts.listing import AdjacentPage
from theodora.web.pages.parts.sortable_table import SortableColumn, columns, sorted_rows
from theodora.web.pages.shell.page import Answer, View, Visit

GROUPS = ("service", "team")
FIRST_ROWS = 10
MOST_SILENT = 12
PAGE_ROWS = 30
"""Rows of a page of the complete table, which has no charts beside it."""
_ORDER = "-deployments"
_MOST_KEY_CHARACTERS = 200
_ROW_NUMBER = re.compile(r"[0-9]{1,6}")


class GroupRow(NamedTuple):
    """A service, or a team, as a row of the table."""

    name: str
    link: str
    deployments: int
    cells: Sequence[tuple[Described, str]]
    """Each metric, and where it leads."""
    spark: Markup
    last: Last | None


class Silent(NamedTuple):
    """A service without a deployment for a long time."""

    name: str
    link: str
    last: Last


class _TablePart(NamedTuple):
    """The part of the table of groups that is asked for."""

    shows_all: bool
    """Whether the complete table is shown, a page at a time, and no charts."""
    named: str
    """What the names contain; empty for every name."""
    start: int
    """How many rows are on the pages before."""

    @property
    def parameters(self) -> Mapping[str, str | None]:
        """All but the page."""
        return {"show": "all" if self.shows_all else None, "named": self.named or None}

    def has(self, name: str) -> bool:
        return self.named.casefold() in name.casefold()


class _Looked(NamedTuple):
    """Values shown beside the metrics."""

    courses: Mapping[str, Sequence[int]]
    """How many deployments there were of each group, interval by interval."""
    buckets: Sequence[Bucket]
    """These intervals."""
    failed: list[Deployment]

    def spark(self, group: str) -> Markup:
        """The course of a group, drawn."""
        course = self.courses.get(group, [0] * len(self.buckets))
        is_partial = bool(self.buckets) and self.buckets[-1].is_partial
        return sparkline(course, last_is_partial=is_partial)


def show_overview(visit: Visit) -> Answer:
    scope, key, compare = visit.scope, _group_by(visit), _compare_by(visit)
    query = scope.metrics_query(group_by=(key,))
    report = visit.store.metrics.report(visit.organisation, query, scope.tree)
    overall = report.overall
    if not overall.total[DEPLOYMENT_FREQUENCY].count and has_no_event(visit):
        return show_first_run(visit)
    own = _own(visit)
    looked = _look(visit, key)
    annotations = annotations_of(visit.store, visit.organisation, scope)
    goals = goals_for(visit.store.goals.all_of(visit.organisation), *subject_of(scope.tree))
    part = _part(visit)
    has_charts = not (compare or part.shows_all)
    charts = figures_of(overall, scope, looked.failed, annotations.flags, goals)
    return View(
        {
            "title": _title(visit),
            "cards": cards_of(overall, overall.series, scope),
            "others": others_of(overall.total),
            "benchmark": benchmark_of(headlines_of(overall.total), own[PARAMETER] or ""),
            "insights": insights_of(report, key, scope, _insight_facts(visit, looked.failed)),
            "freshness": freshness(visit, overall.total, scope),
            "compared_days": report.previous_period.days(),
            "group_by": key,
            "own": own,
            **_table(visit, report, looked, part),
            **interval_values(overall.series, scope),
            "compared": _compared(visit, report),
            "compare": compare,
            "switches": tuple(_switches(visit, own, compare)),
            "annotations": annotations,
            "figures": tuple(charts) if has_charts else (),
        }
    )


def _own(visit: Visit) -> Mapping[str, str | None]:
    """The page's own parameters, None for what links leave out."""
    key, order = _group_by(visit), _order(visit)
    return {
        "group_by": key if key != GROUPS[0] else None,
        "sort": order if order != _ORDER else None,
        "compare": _compare_by(visit) or None,
        PARAMETER: visit.query_parameters.get(PARAMETER) or None,
    }


def _insight_facts(visit: Visit, failed: Sequence[Deployment]) -> InsightFacts:
    return replace(
        facts_of_period(visit.store, visit.organisation, visit.scope, failed),
        silent=visit.attention.silent,
        not_derived=visit.attention.parked,
    )


def _part(visit: Visit) -> _TablePart:
    named = visit.query_parameters.get("named", "").strip()
    start = visit.query_parameters.get("start", "")
    shows_all = bool(named) or visit.query_parameters.get("show") == "all"
    return _TablePart(shows_all, named, int(start) if _ROW_NUMBER.fullmatch(start) else 0)


def _table(visit: Visit, report: Report, looked: _Looked, part: _TablePart) -> Mapping[str, Any]:
    """The first groups in the order asked for, or a page of them, and the silent services."""
    key, order = _group_by(visit), _order(visit)
    groups = sorted_rows(report.groups, SORTS, order)
    found = [each for each in groups if part.has(each.group[0])]
    size = PAGE_ROWS if part.shows_all else FIRST_ROWS
    shown = found[part.start : part.start + size]
    is_last = part.start + size >= len(found)
    silent = _silent(visit, report, part) if key == "service" and is_last else ()
    values = {*(value_named(each.group[0]) for each in shown), *silent}
    last = last_deployments(visit, visit.scope.tree, known_field(key), values)
    return {
        "columns": tuple(columns(SORTS, order)),
        "rows": tuple(_rows(visit, shown, looked, last)),
        "silent": tuple(_with_last(visit, silent, last)),
        "count": len(groups),
        "found": len(found),
        "part": part,
        "pages": tuple(_pages(visit, part, len(found))) if part.shows_all else (),
    }


_STEPS: Sequence[tuple[Literal["next", "prev"], int]] = (("prev", -PAGE_ROWS), ("next", PAGE_ROWS))


def _pages(visit: Visit, part: _TablePart, found: int) -> Iterator[AdjacentPage]:
    for rel, step in _STEPS:
        begin = max(part.start + step, 0)
        if begin != part.start and begin < found:
            own = {**_own(visit), **part.parameters, "start": str(begin) if begin else None}
            words = f"{begin + 1} to {min(begin + PAGE_ROWS, found)}"
            yield AdjacentPage(words, f"{visit.scope.link('/', **own)}#services", rel)


def _silent(visit: Visit, report: Report, part: _TablePart) -> list[str]:
    """Services that are known, but were deployed in neither period; a bounded few."""
    active = {value_named(group.group[0]) for group in report.groups}
    limit = MAX_SERVICES if part.named else len(active) + MOST_SILENT
    known = visit.store.settings.services(visit.organisation, limit=limit)
    silent = (each.name for each in known if each.name not in active and part.has(each.name))
    return list(islice(silent, MOST_SILENT))


def _with_last(
    visit: Visit, services: Sequence[str], last: Mapping[Scalar | None, Last]
) -> Iterator[Silent]:
    """Those with a deployment that matches the search, however old."""
    for name in services:
        if name in last:
            yield Silent(name, visit.scope.link(service_path(name), query=None), last[name])


_CSV = tuple((metric, figure) for metric in METRICS for figure in metric.columns)
"""The figures of `/services.csv`, behind the name."""


def services_csv(visit: Visit) -> Answer:
    """Every row of the table, with the numbers unrounded."""
    key = _group_by(visit)
    query = visit.scope.metrics_query(group_by=(key,), interval="total")
    report = visit.store.metrics.report(visit.organisation, query, visit.scope.tree)
    head = (key, *(metric.columns[figure] for metric, figure in _CSV))
    rows = ((group.group[0], *_csv_cells(group)) for group in report.groups)
    return csv_download(f"{key}s.csv", head, rows)


def _csv_cells(group: GroupReport) -> Iterator[Cell]:
    return (metric.read(group.total[metric], figure) for metric, figure in _CSV)


def _column(metric: Metric[Any]) -> SortableColumn[GroupReport]:
    return SortableColumn(metric.key, metric.short, lambda group: plotted(group.total[metric]))


SORTS: tuple[SortableColumn[GroupReport], ...] = (
    SortableColumn("name", "Name", lambda group: group.group[0].casefold(), is_number=False),
    *map(_column, DORA_METRICS),
)
"""The sort keys of the table, in the order of its columns."""


def _group_by(visit: Visit) -> str:
    key = visit.query_parameters.get("group_by") or GROUPS[0]
    if key not in GROUPS:
        raise Invalid(Problem(f'must be one of "{" ".join(GROUPS)}"', parameter="group_by"))
    return key


def _compare_by(visit: Visit) -> str:
    """The key whose groups are beside each other; empty for the charts of everything."""
    key = visit.query_parameters.get("compare", "").strip().removeprefix("@")
    if len(key) > _MOST_KEY_CHARACTERS:
        detail = f"must have at most {_MOST_KEY_CHARACTERS} characters"
        raise Invalid(Problem(detail, parameter="compare"))
    return key


class Switch(NamedTuple):
    """A way to look at the charts."""

    words: str
    link: str
    is_chosen: bool


def _switches(visit: Visit, own: Mapping[str, str | None], compare: str) -> Iterator[Switch]:
    known = {"": "All", **{key: f"Each {key}" for key in GROUPS}}
    for key, words in {**known, compare: known.get(compare) or f"Each {compare}"}.items():
        link = visit.scope.link("/", **{**own, "compare": key or None})
        yield Switch(words, f"{link}#intervals", key == compare)


class ComparedRow(NamedTuple):
    """A group with its small multiples, and where it leads."""

    group: ComparedGroup
    link: str


class Compared(NamedTuple):
    """A comparison with the links of its rows."""

    scales: Sequence[MetricScale]
    rows: Sequence[ComparedRow]
    left_out: int


def _compared(visit: Visit, report: Report) -> Compared | None:
    """`report` is that of the table, which may be grouped by the same key."""
    key = _compare_by(visit)
    if not key:
        return None
    if key != _group_by(visit):
        query = visit.scope.metrics_query(group_by=(key,))
        report = visit.store.metrics.report(visit.organisation, query, visit.scope.tree)
    found = comparison_of(report.groups)
    rows = [ComparedRow(each, _group_link(visit.scope, key, each.name)) for each in found.groups]
    return Compared(found.scales, rows, found.left_out)


def _group_link(scope: Scope, key: str, name: str) -> str:
    """The page of a service, or the overview of only this group."""
    value = value_named(name)
    if key == "service" and value is not None:
        return scope.link(service_path(value), query=None)
    target = resolve(key) if key in GROUPED else Tag(key)
    return scope.link("/", query=scope.also(has_value(target, value)))


def _order(visit: Visit) -> str:
    return visit.query_parameters.get("sort", _ORDER)


def _title(visit: Visit) -> tuple[str, str]:
    """The subject of the page, in words."""
    query = visit.scope.query
    if not query:
        return "All services", "in every environment"
    if query == visit.scope.defaults.query:
        return "All services", "in production"
    return "Services", "that match the search"


def _look(visit: Visit, key: str) -> _Looked:
    scope = visit.scope
    buckets = buckets_of(scope.period, scope.interval, scope.calendar, scope.now_ns)

    def look(those: PeriodCounts) -> _Looked:
        found = those.series(scope.tree, known_field(key), [each.covered for each in buckets])
        courses = {
            name_of(None if value is None else str(value)): course
            for value, course in found.items()
        }
        return _Looked(courses, buckets, newest_failed(those, scope, MOST_FAILURES))

    return visit.store.metrics.in_period(visit.organisation, scope.period, look)


def _rows(
    visit: Visit,
    groups: Sequence[GroupReport],
    looked: _Looked,
    last: Mapping[Scalar | None, Last],
) -> Iterator[GroupRow]:
    scope, key = visit.scope, _group_by(visit)
    field = known_field(key)
    for group in groups:
        name = group.group[0]
        value = value_named(name)
        query = scope.also(has_value(field, value))
        yield GroupRow(
            name,
            _group_link(scope, key, name),
            group.total[DEPLOYMENT_FREQUENCY].count,
            [
                (Described(metric, group.total), _link(scope, metric, query))
                for metric in DORA_METRICS
            ],
            looked.spark(name),
            last.get(value),
        )


def _link(scope: Scope, metric: Metric[Any], query: str) -> str:
    """A link to the events behind a count or a rate."""
    if metric.shape.unit == "seconds":
        return ""
    narrowed = replace(scope, query=query).also(CLAUSES[metric]) if metric in CLAUSES else query
    return scope.link("/deployments", query=narrowed)
