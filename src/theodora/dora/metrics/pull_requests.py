"""Metrics of pull requests, a side view beside the five: a row of the table and a function each.

They are over merged requests by the time of the merge, but for those about deployments, which are
by the end of the deployment that shipped the request first.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from theodora.dora.metrics.calendar import Bucket, Calendar, Interval, Period, buckets_of
from theodora.dora.metrics.calendar import previous_period as period_before
from theodora.dora.metrics.groups import Group, name_of
from theodora.dora.metrics.shapes import Change
from theodora.dora.metrics.significance import durations_within_noise
from theodora.dora.metrics.statistics import Distribution
from theodora.events.pull_requests import PullRequestEvent, ShippingDeployment
from theodora.events.values import SECOND_NS

Unit = Literal["seconds", "commits", "people", "lines"]


class AuthorThroughput(msgspec.Struct, frozen=True, gc=False):
    """Requests deployed per author and day."""

    value: float | None
    """None without authors, and for a period that is yet to come."""
    deployed: int
    """Requests whose author is known."""
    authors: int
    days: float


class FirstShipment(NamedTuple):
    """A pull request, and the first deployment that shipped it in the scope and group."""

    request: PullRequestEvent
    deployment: ShippingDeployment | None


@dataclass(frozen=True, slots=True)
class PullRequestMetric:
    """A row of the table."""

    name: str
    label: str
    about: str
    unit: Unit
    read: Callable[[FirstShipment], float | None]
    """In seconds, or as a number."""
    is_by_deployment: bool = False
    """Whether it counts when the deployment finished, and not when the request was merged."""


def _seconds(span_ns: int | None) -> float | None:
    return None if span_ns is None else span_ns / SECOND_NS


def _time_to_deploy(shipped: FirstShipment) -> float | None:
    request, deployment = shipped
    if deployment is None or request.merged_at_ns is None:
        return None
    span_ns = deployment.started_at_ns - request.merged_at_ns
    return None if span_ns < 0 else span_ns / SECOND_NS


PULL_REQUEST_METRICS: tuple[PullRequestMetric, ...] = (
    PullRequestMetric(
        "cycle_time",
        "Cycle time",
        "From the first commit to the merge.",
        "seconds",
        lambda s: _seconds(s.request.cycle_time_ns),
    ),
    PullRequestMetric(
        "time_to_ready",
        "Time to ready",
        "From the first commit until the request was ready for review.",
        "seconds",
        lambda s: _seconds(s.request.time_to_ready_ns),
    ),
    PullRequestMetric(
        "review_time",
        "Review time",
        "From ready for review to the last approval.",
        "seconds",
        lambda s: _seconds(s.request.review_time_ns),
    ),
    PullRequestMetric(
        "merge_time",
        "Merge time",
        "From the last approval to the merge.",
        "seconds",
        lambda s: _seconds(s.request.merge_time_ns),
    ),
    PullRequestMetric(
        "time_to_deploy",
        "Time to deploy",
        "From the merge to the start of the deployment that shipped the request.",
        "seconds",
        _time_to_deploy,
        is_by_deployment=True,
    ),
    PullRequestMetric(
        "number_of_commits",
        "Commits",
        "Commits of a request.",
        "commits",
        lambda s: s.request.number_of_commits,
    ),
    PullRequestMetric(
        "number_of_reviewers",
        "Reviewers",
        "People other than the author who reviewed a request.",
        "people",
        lambda s: s.request.number_of_reviewers,
    ),
    PullRequestMetric(
        "lines",
        "Lines",
        "Lines that a request adds and deletes.",
        "lines",
        lambda s: s.request.lines,
    ),
)
THROUGHPUT = "deployed_per_author_and_day"

GROUPED: Mapping[str, Callable[[PullRequestEvent, ShippingDeployment | None], str | None]] = {
    "service": lambda _, deployment: deployment and deployment.service,
    "team": lambda _, deployment: deployment and deployment.team,
    "env": lambda _, deployment: deployment and deployment.env,
    "repository_id": lambda request, _: request.repository_id,
    "base": lambda request, _: request.base or None,
}
"""The keys to group by. There is none for people: nobody is ranked."""


class PullRequestQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to compute."""

    period: Period
    as_of_ns: int
    interval: Interval = "total"
    calendar: Calendar = Calendar()
    group_by: tuple[str, ...] = ()

    @property
    def previous_period(self) -> Period:
        return period_before(self.period, self.interval, self.calendar, self.as_of_ns)


class PullRequestFigures(msgspec.Struct, frozen=True):
    """The metrics of some requests in one period."""

    merged: int
    deployed: int
    throughput: AuthorThroughput
    distributions: Mapping[str, Distribution]
    """By the name of the metric."""


class IntervalFigures(NamedTuple):
    bucket: Bucket
    figures: PullRequestFigures


class PullRequestGroup:
    """The metrics of one group, or of all requests, which are computed when they are read first."""

    def __init__(
        self,
        query: "PullRequestQuery",
        buckets: Sequence[Bucket],
        group: Group,
        requests: Sequence[FirstShipment],
    ) -> None:
        self.group = group
        """Its values of the keys grouped by."""
        self._query = query
        self._buckets = buckets
        self._requests = requests

    @cached_property
    def total(self) -> PullRequestFigures:
        return self._figures(self._now, self._query.period)

    @cached_property
    def previous(self) -> PullRequestFigures:
        return self._figures(self._before, self._query.previous_period)

    @cached_property
    def change(self) -> Mapping[str, Change]:
        """Of the medians, by metric."""
        now, before = self._now, self._before
        return {metric.name: _change(metric, now, before) for metric in PULL_REQUEST_METRICS}

    @cached_property
    def series(self) -> Sequence[IntervalFigures]:
        """Every interval that overlaps the period, in order; empty without an interval."""
        return [
            IntervalFigures(
                bucket, self._figures(_in_period(self._requests, bucket.covered), bucket.covered)
            )
            for bucket in self._buckets
        ]

    @property
    def has_any(self) -> bool:
        """Whether a request was merged or deployed in the period or in the one before."""
        return any(any(some) for some in (self._now, self._before))

    @cached_property
    def _now(self) -> "_Some":
        return _in_period(self._requests, self._query.period)

    @cached_property
    def _before(self) -> "_Some":
        return _in_period(self._requests, self._query.previous_period)

    def _figures(self, some: "_Some", period: Period) -> PullRequestFigures:
        return _figures(some, period.days(self._query.as_of_ns))


@dataclass(frozen=True, slots=True)
class PullRequestReport:
    """The answer to a query."""

    previous_period: Period
    buckets: Sequence[Bucket]
    overall: PullRequestGroup
    groups: Sequence[PullRequestGroup]
    """Sorted; those with a request merged or deployed in the period or in the one before."""


Counts = Callable[[PullRequestEvent, ShippingDeployment], bool]
"""Whether a deployment that shipped a request is in the scope."""


def make_pull_request_report(
    query: PullRequestQuery, requests: Iterable[PullRequestEvent], counts: Counts
) -> PullRequestReport:
    """Answers `query` from requests that match the search; others have to be left out before.

    Raises `Invalid` for a period of too many intervals.
    """
    overall: list[FirstShipment] = []
    grouped: dict[Group, list[FirstShipment]] = {}
    for request in requests:
        if request.merged_at_ns is None:
            continue
        counted = [each for each in request.deployments if counts(request, each)]
        overall.append(FirstShipment(request, counted[0] if counted else None))
        for group, shipped in _by_group(query.group_by, request, counted).items():
            grouped.setdefault(group, []).append(shipped)
    buckets = buckets_of(query.period, query.interval, query.calendar, query.as_of_ns)
    groups = [PullRequestGroup(query, buckets, group, grouped[group]) for group in sorted(grouped)]
    return PullRequestReport(
        query.previous_period,
        buckets,
        PullRequestGroup(query, buckets, (), overall),
        [each for each in groups if each.has_any] if query.group_by else [],
    )


def _by_group(
    keys: Sequence[str], request: PullRequestEvent, counted: Sequence[ShippingDeployment]
) -> dict[Group, FirstShipment]:
    """The groups of a request, with the first deployment in each."""
    found: dict[Group, FirstShipment] = {}
    for deployment in counted or (None,):
        group = tuple(name_of(GROUPED[key](request, deployment)) for key in keys)
        found.setdefault(group, FirstShipment(request, deployment))
    return found


class _Some(NamedTuple):
    """The requests of a period."""

    merged: Sequence[FirstShipment]
    deployed: Sequence[FirstShipment]

    def values(self, metric: PullRequestMetric) -> list[float]:
        requests = self.deployed if metric.is_by_deployment else self.merged
        found = (metric.read(each) for each in requests)
        return [value for value in found if value is not None]


def _in_period(requests: Iterable[FirstShipment], period: Period) -> _Some:
    merged: list[FirstShipment] = []
    deployed: list[FirstShipment] = []
    for each in requests:
        if each.request.merged_at_ns is not None and each.request.merged_at_ns in period:
            merged.append(each)
        if each.deployment is not None and each.deployment.finished_at_ns in period:
            deployed.append(each)
    return _Some(merged, deployed)


def _figures(some: _Some, days: float) -> PullRequestFigures:
    return PullRequestFigures(
        len(some.merged),
        len(some.deployed),
        _throughput(some.deployed, days),
        {metric.name: distribution_of(some.values(metric)) for metric in PULL_REQUEST_METRICS},
    )


def _throughput(deployed: Iterable[FirstShipment], days: float) -> AuthorThroughput:
    authors = [each.request.author for each in deployed if each.request.author]
    people = len(set(authors))
    value = len(authors) / people / days if people and days > 0 else None
    return AuthorThroughput(value, len(authors), people, max(days, 0.0))


def distribution_of(values: Sequence[float]) -> Distribution:
    """The mean and the interpolated percentiles of values."""
    if not values:
        return Distribution()
    found = np.array(values, np.float64)
    percentiles = np.percentile(found, (50, 75, 90, 95)).tolist()
    return Distribution(len(values), float(found.mean()), *percentiles)


def _change(metric: PullRequestMetric, now: _Some, before: _Some) -> Change:
    values, former = now.values(metric), before.values(metric)
    median, past = distribution_of(values).p50, distribution_of(former).p50
    delta = None if median is None or past is None else median - past
    return Change(
        delta,
        None if delta is None or not past else delta / past,
        durations_within_noise(np.sort(values), np.sort(former)),
    )
