"""The answer to a metrics query: totals, the previous period, changes and a series, by group."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from theodora.dora.buckets import Bucket, Calendar, Interval, Period, buckets_of, previous_period
from theodora.dora.groups import grouped
from theodora.dora.metrics import (
    Change,
    Granularity,
    Metrics,
    Sample,
    changes,
    measure,
    take_sample,
)
from theodora.dora.rows import DeploymentRow, IncidentRow

Event = TypeVar("Event")


class MetricsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to compute. The events themselves were filtered before."""

    period: Period
    as_of_ns: int
    """The time of the request: what lies after it is yet to come."""
    interval: Interval = "total"
    calendar: Calendar = Calendar()
    group_by: tuple[str, ...] = ()
    """`service`, `team`, `env`, `repository_id` or keys of custom tags."""
    granularity: Granularity = "commit"


class BucketMetrics(msgspec.Struct, frozen=True):
    """The metrics of one interval."""

    bucket: Bucket
    metrics: Metrics


class GroupReport(msgspec.Struct, frozen=True):
    """The metrics of one group of events."""

    group: tuple[str, ...]
    """Its values of the keys grouped by, in their order."""
    total: Metrics
    previous: Metrics
    change: Mapping[str, Change]
    series: tuple[BucketMetrics, ...]
    """Every interval that overlaps the period, in order; empty without an interval."""


class Report(msgspec.Struct, frozen=True):
    """The answer to a query."""

    previous_period: Period
    overall: GroupReport
    """All events, each counted once whatever groups it is in."""
    groups: tuple[GroupReport, ...]
    """Sorted; those with an event in the period or in the one before."""


def make_report(
    query: MetricsQuery, deployments: Iterable[DeploymentRow], incidents: Iterable[IncidentRow]
) -> Report:
    """Answer `query` from the events of its period and of the one before; others are ignored.

    Raises `Invalid` for a period of more intervals than anybody can read.
    """
    reporter = _Reporter(query)
    rows = [row for row in deployments if reporter.concerns(row.finished_at_ns)]
    reported = [row for row in incidents if reporter.concerns(row.started_at_ns)]
    by_group = grouped(rows, query.group_by)
    incidents_by_group = grouped(reported, query.group_by)
    return Report(
        previous_period=reporter.previous,
        overall=reporter.group((), rows, reported),
        groups=tuple(
            reporter.group(group, by_group.get(group, []), incidents_by_group.get(group, []))
            for group in sorted(by_group.keys() | incidents_by_group.keys())
        ),
    )


class _Reporter:
    """Makes the report of one group at a time."""

    def __init__(self, query: MetricsQuery) -> None:
        self._query = query
        self._buckets = buckets_of(query.period, query.interval, query.calendar, query.as_of_ns)
        self._starts = [bucket.covered.start_ns for bucket in self._buckets]
        self.previous = previous_period(
            query.period, query.interval, query.calendar, query.as_of_ns
        )

    def concerns(self, instant_ns: int) -> bool:
        return instant_ns in self._query.period or instant_ns in self.previous

    def group(
        self,
        group: tuple[str, ...],
        deployments: Sequence[DeploymentRow],
        incidents: Sequence[IncidentRow],
    ) -> GroupReport:
        now = self._sample(self._query.period, deployments, incidents)
        before = self._sample(self.previous, deployments, incidents)
        return GroupReport(
            group=group,
            total=measure(now),
            previous=measure(before),
            change=changes(now, before),
            series=tuple(self._series(deployments, incidents)),
        )

    def _sample(
        self,
        period: Period,
        deployments: Iterable[DeploymentRow],
        incidents: Iterable[IncidentRow],
    ) -> Sample:
        return take_sample(
            (row for row in deployments if row.finished_at_ns in period),
            (row for row in incidents if row.started_at_ns in period),
            days=period.days(self._query.as_of_ns),
            calendar=self._query.calendar,
            granularity=self._query.granularity,
        )

    def _series(
        self, deployments: Iterable[DeploymentRow], incidents: Iterable[IncidentRow]
    ) -> Iterator[BucketMetrics]:
        rows = self._placed(deployments, lambda row: row.finished_at_ns)
        reported = self._placed(incidents, lambda row: row.started_at_ns)
        for index, bucket in enumerate(self._buckets):
            of_bucket = self._sample(bucket.covered, rows[index], reported[index])
            yield BucketMetrics(bucket, measure(of_bucket))

    def _placed(
        self, events: Iterable[Event], instant_ns: Callable[[Event], int]
    ) -> defaultdict[int, list[Event]]:
        """The events of the period by the index of their bucket."""
        placed: defaultdict[int, list[Event]] = defaultdict(list)
        for event in events:
            if instant_ns(event) in self._query.period:
                placed[bisect_right(self._starts, instant_ns(event)) - 1].append(event)
        return placed
