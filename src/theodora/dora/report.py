"""The answer to a metrics query: totals, the previous period, changes and a series, by group."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Generic, TypeVar, overload

import msgspec

from theodora.dora.buckets import Bucket, Calendar, Interval, Period, buckets_of, previous_period
from theodora.dora.columns import (
    DeploymentColumns,
    IncidentColumns,
    Ints,
    Selected,
)
from theodora.dora.groups import Group, Memberships, grouped, joined, one_group
from theodora.dora.metrics import Change, Granularity, Metrics, Sample, changes
from theodora.dora.tally import Periods, Tally

C = TypeVar("C", DeploymentColumns, IncidentColumns)
T = TypeVar("T")


BEFORE, NOW = range(2)
"""The two periods that are compared, in order of time."""


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
    stages: bool = False
    """Whether totals tell the stages of lead time too."""

    @property
    def previous_period(self) -> Period:
        return previous_period(self.period, self.interval, self.calendar, self.as_of_ns)


class BucketMetrics(msgspec.Struct, frozen=True, gc=False):
    """The metrics of one interval."""

    bucket: Bucket
    metrics: Metrics


class GroupReport(msgspec.Struct, frozen=True):
    """The metrics of one group of events."""

    group: Group
    """Its values of the keys grouped by, in their order."""
    total: Metrics
    previous: Metrics
    change: Mapping[str, Change]
    series: Sequence[BucketMetrics]
    """Every interval that overlaps the period, in order; empty without an interval."""


class OnDemand(Sequence[T], Generic[T]):
    """A sequence whose items are made when they are read: of many, few may be."""

    def __init__(self, count: int, make: Callable[[int], T]) -> None:
        self._made: list[T | None] = [None] * count
        self._make = make

    def __len__(self) -> int:
        return len(self._made)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return [self[each] for each in range(len(self))[index]]
        return self._item(range(len(self))[index])

    def __iter__(self) -> Iterator[T]:
        return map(self._item, range(len(self)))

    def _item(self, number: int) -> T:
        made = self._made[number]
        if made is None:
            made = self._made[number] = self._make(number)
        return made


class _Asked:
    """A query, and the events that it concerns."""

    def __init__(
        self,
        query: MetricsQuery,
        deployments: Selected[DeploymentColumns],
        incidents: Selected[IncidentColumns],
    ) -> None:
        self.query = query
        self.buckets = buckets_of(query.period, query.interval, query.calendar, query.as_of_ns)
        self.two = self._periods([query.previous_period, query.period])
        self.intervals = self._periods([bucket.covered for bucket in self.buckets])
        self.deployments = self._concerned(deployments, deployments.columns.finished_at_ns)
        self.incidents = self._concerned(incidents, incidents.columns.started_at_ns)

    def has_events(self) -> bool:
        return len(self.deployments.places) + len(self.incidents.places) > 0

    def services(self) -> int:
        """How many the deployments of the period are of."""
        columns, places = self.deployments.columns, self.deployments.places
        is_now = self.two.numbers(columns.finished_at_ns[places]) == NOW
        return len(grouped(columns.labels, ("service",), places[is_now]).names)

    def _periods(self, periods: Sequence[Period]) -> Periods:
        return Periods(periods, self.query.as_of_ns, self.query.calendar)

    def _concerned(self, selected: Selected[C], instants_ns: Ints) -> Selected[C]:
        """Those in one of the two periods."""
        instants_ns = instants_ns[selected.places]
        concerns = self.two.numbers(instants_ns) >= 0
        return Selected(selected.columns, selected.places[concerns])


class ChangesOnDemand(Mapping[str, Change]):
    """Changes that are computed when they are read: whoever sorts groups reads none."""

    def __init__(self, now: Sample, before: Sample) -> None:
        self._samples = now, before

    @cached_property
    def _changes(self) -> Mapping[str, Change]:
        return changes(*self._samples)

    def __getitem__(self, name: str) -> Change:
        return self._changes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._changes)

    def __len__(self) -> int:
        return len(self._changes)


class _Part:
    """All groups, or the one that holds everything."""

    def __init__(self, asked: _Asked, deployments: Memberships, incidents: Memberships) -> None:
        self._asked = asked
        self._deployments = asked.deployments, deployments
        self._incidents = asked.incidents, incidents

    def reports(self) -> Sequence[GroupReport]:
        return OnDemand(len(self._deployments[1].names), self._report)

    @cached_property
    def _totals(self) -> Tally:
        return self._tally(self._asked.two, stages=self._asked.query.stages)

    @cached_property
    def _series(self) -> Tally:
        return self._tally(self._asked.intervals, stages=False)

    def _tally(self, periods: Periods, *, stages: bool) -> Tally:
        return Tally(
            periods,
            self._deployments,
            self._incidents,
            self._asked.query.granularity,
            stages=stages,
        )

    def _report(self, group: int) -> GroupReport:
        before, now = (self._totals.sample(group, period) for period in (BEFORE, NOW))
        buckets = self._asked.buckets
        return GroupReport(
            group=self._deployments[1].names[group],
            total=now.metrics,
            previous=before.metrics,
            change=ChangesOnDemand(now, before),
            series=OnDemand(len(buckets), partial(self._bucket, group)),
        )

    def _bucket(self, group: int, number: int) -> BucketMetrics:
        return BucketMetrics(self._asked.buckets[number], self._series.metrics(group, number))


class Report:
    """The answer to a query; figures are computed when they are read first."""

    def __init__(self, asked: _Asked, groups: Sequence[GroupReport] | None = None) -> None:
        everything = (one_group(len(each.places)) for each in (asked.deployments, asked.incidents))
        self._asked = asked
        self._everything = _Part(asked, *everything).reports()
        self._groups = groups

    @property
    def previous_period(self) -> Period:
        return self._asked.query.previous_period

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

    @cached_property
    def services(self) -> int:
        """How many services the period's deployments are of."""
        return self._asked.services()


def make_report(
    query: MetricsQuery,
    deployments: Selected[DeploymentColumns],
    incidents: Selected[IncidentColumns],
) -> Report:
    """Answer `query` from the events of its period and of the one before; others are ignored.

    Raises `Invalid` for a period of more intervals than anybody can read.
    """
    asked = _Asked(query, deployments, incidents)
    if not query.group_by:
        return Report(asked)
    by_kind = (
        grouped(each.columns.labels, query.group_by, each.places)
        for each in (asked.deployments, asked.incidents)
    )
    return Report(asked, _Part(asked, *joined(*by_kind)).reports())
