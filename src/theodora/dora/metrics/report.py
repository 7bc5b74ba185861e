"""The answer to a metrics query: totals, the previous period, changes and a series, by group."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

import msgspec

from theodora.dora.metrics.calendar import (
    Bucket,
    Calendar,
    Interval,
    Period,
    buckets_of,
    previous_period,
)
from theodora.dora.metrics.columns import (
    DeploymentColumns,
    Flags,
    IncidentColumns,
    Ints,
    Selected,
    chosen,
)
from theodora.dora.metrics.groups import (
    Group,
    Memberships,
    grouped,
    have_several_values,
    joined_memberships,
    one_group,
)
from theodora.dora.metrics.metrics import CellMetrics, Metrics, change, p_value
from theodora.dora.metrics.shapes import Change
from theodora.dora.metrics.stage_means import StageMeans, stage_means
from theodora.dora.metrics.table import METRICS, Metric
from theodora.dora.metrics.tally import Granularity, Periods, Tally

C = TypeVar("C", DeploymentColumns, IncidentColumns)


class MetricsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to compute; the events are already filtered."""

    period: Period
    as_of_ns: int
    """The time of the request: what lies after it is yet to come."""
    interval: Interval = "total"
    calendar: Calendar = Calendar()
    group_by: tuple[str, ...] = ()
    """`service`, `team`, `env`, `repository_id` or keys of custom tags."""
    granularity: Granularity = "commit"
    stages: bool = False
    """Whether totals include the stages of lead time."""

    @property
    def previous_period(self) -> Period:
        return previous_period(self.period, self.interval, self.calendar, self.as_of_ns)


class BucketMetrics(msgspec.Struct, frozen=True, gc=False):
    """The metrics of one interval."""

    bucket: Bucket
    metrics: Metrics


class GroupReport:
    """The metrics of one group of events; figures are computed when they are read first."""

    def __init__(self, part: "_Part", number: int) -> None:
        self._part = part
        self._number = number

    @property
    def group(self) -> Group:
        """Its values of the keys grouped by, in their order."""
        return self._part.names[self._number]

    @property
    def total(self) -> Metrics:
        return self._part.now.totals[self._number]

    @property
    def previous(self) -> Metrics:
        return self._part.before.totals[self._number]

    @cached_property
    def change(self) -> Mapping[str, Change]:
        """How each metric differs from the previous period, by the metric's name."""
        return {metric.name: self.change_of(metric) for metric in METRICS}

    def change_of(self, metric: Metric[Any]) -> Change:
        """How one metric differs, without the work for the others."""
        return change(metric, self._part.now, self._part.before, self._number)

    def p_value(self, metric: Metric[Any]) -> float:
        """How likely chance alone makes a metric differ so from the previous period.

        Computed from independent observations: lead times from the mean of each deployment,
        numbers of deployments with regard to bursts.
        """
        return p_value(metric, self._part.now, self._part.before, self._number)

    @cached_property
    def series(self) -> Sequence[BucketMetrics]:
        """Every interval that overlaps the period, in order; empty without an interval."""
        buckets = self._part.buckets
        if not buckets:
            return ()
        return list(map(BucketMetrics, buckets, self._part.series.of_group(self._number)))

    @property
    def stage_means(self) -> Sequence[StageMeans]:
        """Of the same intervals."""
        count = len(self._part.buckets)
        return self._part.stage_means[self._number * count : (self._number + 1) * count]


class _ConcernedEvents:
    """A query, and the events that it concerns."""

    def __init__(
        self,
        query: MetricsQuery,
        deployments: Selected[DeploymentColumns],
        incidents: Selected[IncidentColumns],
    ) -> None:
        self.query = query
        self.buckets = buckets_of(query.period, query.interval, query.calendar, query.as_of_ns)
        self.previous_period = query.previous_period
        self.deployments = self._concerned(deployments, deployments.columns.finished_at_ns)
        self.incidents = self._concerned(incidents, incidents.columns.started_at_ns)

    def has_events(self) -> bool:
        return len(self.deployments.positions) + len(self.incidents.positions) > 0

    def spans_services(self) -> bool:
        """Whether the deployments of the period are of several."""
        columns, positions = self.deployments.columns, self.deployments.positions
        is_now = _lies_in(self.query.period, columns.finished_at_ns[positions])
        return have_several_values(columns.labels, "service", positions[chosen(is_now)])

    def _concerned(self, selected: Selected[C], instants_ns: Ints) -> Selected[C]:
        """The selected events in one of the two periods."""
        instants_ns = instants_ns[selected.positions]
        is_now = _lies_in(self.query.period, instants_ns)
        concerns = is_now | _lies_in(self.previous_period, instants_ns)
        return Selected(selected.columns, selected.positions[chosen(concerns)])


class _Part:
    """All groups, or the one that holds everything."""

    def __init__(
        self, asked: _ConcernedEvents, deployments: Memberships, incidents: Memberships
    ) -> None:
        self._asked = asked
        self._deployments = asked.deployments, deployments
        self._incidents = asked.incidents, incidents
        self.names = deployments.names
        self.buckets = asked.buckets

    def reports(self) -> Sequence[GroupReport]:
        return [GroupReport(self, number) for number in range(len(self.names))]

    @cached_property
    def now(self) -> CellMetrics:
        return self._counted(self._asked.query.period)

    @cached_property
    def before(self) -> CellMetrics:
        return self._counted(self._asked.previous_period)

    @cached_property
    def series(self) -> CellMetrics:
        return CellMetrics(self._by_interval)

    @cached_property
    def stage_means(self) -> Sequence[StageMeans]:
        return stage_means(self._by_interval) if self.buckets else ()

    @cached_property
    def _by_interval(self) -> Tally:
        return self._tally([bucket.covered for bucket in self.buckets], stages=False)

    def _counted(self, period: Period) -> CellMetrics:
        return CellMetrics(self._tally([period], stages=self._asked.query.stages))

    def _tally(self, periods: Sequence[Period], *, stages: bool) -> Tally:
        query = self._asked.query
        return Tally(
            Periods(periods, query.as_of_ns, query.calendar),
            self._deployments,
            self._incidents,
            query.granularity,
            stages=stages,
        )


class Report:
    """The answer to a query."""

    def __init__(
        self, asked: _ConcernedEvents, groups: Sequence[GroupReport] | None = None
    ) -> None:
        everything = (
            one_group(len(each.positions)) for each in (asked.deployments, asked.incidents)
        )
        self._asked = asked
        self._everything = _Part(asked, *everything).reports()
        self._groups = groups

    @property
    def previous_period(self) -> Period:
        return self._asked.previous_period

    @property
    def buckets(self) -> Sequence[Bucket]:
        """The intervals of every series."""
        return self._asked.buckets

    @property
    def overall(self) -> GroupReport:
        """All events, each counted once whatever groups it is in."""
        return self._everything[0]

    @property
    def groups(self) -> Sequence[GroupReport]:
        """Sorted; those with an event in the period or in the one before."""
        if self._groups is None:
            return self._everything if self._asked.has_events() else ()
        return self._groups

    @property
    def spans_services(self) -> bool:
        """Whether the period's deployments are of several services."""
        return self._asked.spans_services()


def _lies_in(period: Period, instants_ns: Ints) -> Flags:
    return (instants_ns >= period.start_ns) & (instants_ns < period.end_ns)


def make_report(
    query: MetricsQuery,
    deployments: Selected[DeploymentColumns],
    incidents: Selected[IncidentColumns],
) -> Report:
    """Answer `query` from the events of its period and of the one before; others are ignored.

    Raises `Invalid` for a period of more than `BUCKET_LIMIT` intervals.
    """
    asked = _ConcernedEvents(query, deployments, incidents)
    if not query.group_by:
        return Report(asked)
    by_kind = (
        grouped(each.columns.labels, query.group_by, each.positions)
        for each in (asked.deployments, asked.incidents)
    )
    return Report(asked, _Part(asked, *joined_memberships(*by_kind)).reports())
