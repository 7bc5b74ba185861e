"""The metrics of assisted changes beside those of the others, over one set of deployments."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from theodora.dora.assistance.shipped import ShippedCommit, ShippedDeployment
from theodora.dora.assistance.sides import SIDES, Side, Sides
from theodora.dora.assistance.weighted import (
    ComparedRates,
    WeightedDeployment,
    WeightedRate,
    compare_rates,
)
from theodora.dora.metrics.shapes import Change, DistributionWithOpen, Rate
from theodora.dora.metrics.significance import count_within_noise, durations_within_noise
from theodora.dora.metrics.statistics import (
    Distribution,
    Durations,
    distributions,
    wilson_interval,
)

FEWEST_PEOPLE = 5
"""Figures of fewer people are not shown."""

MetricName = Literal[
    "deployment_frequency",
    "change_lead_time",
    "change_failure_rate",
    "failed_deployment_recovery_time",
    "deployment_rework_rate",
    "request_throughput",
    "request_cycle_time",
]

_COMPARED: tuple[Side, Side] = "assisted", "not_assisted"
_NO_CHANGE = Change(None, None, within_noise=True)


class DeploymentCount(msgspec.Struct, frozen=True, gc=False):
    """Deployments, and their rate over the exact length of the period."""

    count: int
    per_day: float | None
    """None for a period that is yet to come."""


class Throughput(msgspec.Struct, frozen=True, gc=False):
    """Pull requests deployed, by the people who wrote their commits."""

    count: int
    authors: int
    per_author_and_day: float | None


class SideMetrics(msgspec.Struct, frozen=True, gc=False):
    """The metrics of one side."""

    people: int
    """Authors of its commits; one may have commits on both sides."""
    commits: int
    deployment_frequency: DeploymentCount
    change_lead_time: Distribution | None
    """None, as the two of requests, where that would be of fewer than five people."""
    change_failure_rate: WeightedRate
    failed_deployment_recovery_time: DistributionWithOpen
    deployment_rework_rate: WeightedRate
    request_throughput: Throughput | None
    request_cycle_time: Distribution | None


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """Commits whose authors no activity was reported of."""

    people: int
    commits: int


class Share(msgspec.Struct, frozen=True, gc=False):
    """Assisted commits and pull requests, as shares of those that are known."""

    commits: Rate
    requests: Rate | None
    """None where that would be of fewer than five people."""


class ComparedSides(msgspec.Struct, frozen=True, gc=False):
    """The comparison over one set of deployments."""

    share: Share
    assisted: SideMetrics
    not_assisted: SideMetrics
    change: Mapping[MetricName, Change]
    """How `assisted` differs from `not_assisted`."""


class DeployedRequest(NamedTuple):
    """A pull request that was deployed."""

    side: Side
    authors: frozenset[str]
    cycle_ns: int | None


RequestKey = tuple[str, int]
"""The match key of the repository, and the number."""


class Sorted:
    """Commits and deployments of one period by their sides."""

    def __init__(
        self,
        deployments: Iterable[ShippedDeployment],
        requests: Iterable[DeployedRequest],
        sides: Sides,
    ) -> None:
        self.requests = list(requests)
        self.bots = 0
        """Commits that are bots'."""
        self.commits: Counter[Side] = Counter()
        self.people: Mapping[Side, set[str]] = {side: set() for side in SIDES}
        self.lead_times_ns: Mapping[Side, list[int]] = {side: [] for side in SIDES}
        self.measured_people: Mapping[Side, set[str]] = {side: set() for side in SIDES}
        """Authors of commits with a lead time."""
        self.deployments: list[tuple[ShippedDeployment, Counter[Side]]] = []
        for deployment in deployments:
            counted: Counter[Side] = Counter()
            for commit in deployment.commits:
                side = sides.of(commit.authorship)
                if side is None:
                    self.bots += 1
                else:
                    counted[side] += 1
                    self._add(commit, side)
            if counted:
                self.deployments.append((deployment, counted))

    def _add(self, commit: ShippedCommit, side: Side) -> None:
        self.commits[side] += 1
        author = commit.authorship.author
        if author:
            self.people[side].add(author)
        if commit.lead_time_ns is not None:
            self.lead_times_ns[side].append(commit.lead_time_ns)
            if author:
                self.measured_people[side].add(author)

    def of_side(self, side: Side) -> list[ShippedDeployment]:
        """Deployments with an assisted commit; with none, but an unknown one; or with neither."""
        return [each for each, counted in self.deployments if _side_of(counted) == side]

    def weighted(self, hits: Mapping[str, bool]) -> ComparedRates:
        """The rates of the deployments whose outcome is known, by their ids."""
        return compare_rates(
            [
                WeightedDeployment(
                    counted["assisted"] / counted.total(),
                    counted["not_assisted"] / counted.total(),
                    hits[each.id],
                )
                for each, counted in self.deployments
                if each.id in hits
            ]
        )


def requests_of(
    deployments: Iterable[ShippedDeployment], sides: Sides
) -> Mapping[RequestKey, DeployedRequest]:
    """The pull requests of deployments; those of bots alone are left out."""
    counted: defaultdict[RequestKey, Counter[Side]] = defaultdict(Counter)
    authors: defaultdict[RequestKey, set[str]] = defaultdict(set)
    cycles_ns: dict[RequestKey, int] = {}
    for deployment in deployments:
        for commit in deployment.commits:
            side = sides.of(commit.authorship)
            if commit.request is not None and side is not None:
                key = deployment.repository, commit.request
                counted[key][side] += 1
                authors[key] |= {commit.authorship.author} - {""}
        for number, cycle_ns in deployment.cycle_times_ns.items():
            key = deployment.repository, number
            cycles_ns[key] = max(cycle_ns, cycles_ns.get(key, cycle_ns))
    return {
        key: DeployedRequest(_side_of(each), frozenset(authors[key]), cycles_ns.get(key))
        for key, each in counted.items()
    }


def compare(found: Sorted, days: float) -> ComparedSides:
    """The metrics of both sides; `days` is the part of the period that has passed."""
    evaluated = [each for each, _ in found.deployments if each.change_failure is not None]
    failures = found.weighted({each.id: each.change_failure is True for each in evaluated})
    rework = found.weighted({each.id: each.is_rework for each in evaluated})
    samples: dict[Side, _Sample] = {side: _sample(found, side) for side in _COMPARED}
    shows_lead_times = _are_enough(*(found.measured_people[side] for side in _COMPARED))
    shows_requests = _are_enough(*(sample.request_authors for sample in samples.values()))
    assisted, not_assisted = (
        SideMetrics(
            people=len(found.people[side]),
            commits=found.commits[side],
            deployment_frequency=_frequency(sample, days),
            change_lead_time=_distribution(sample.lead_times_ns) if shows_lead_times else None,
            change_failure_rate=failures.of[side],
            failed_deployment_recovery_time=_recoveries(sample),
            deployment_rework_rate=rework.of[side],
            request_throughput=_throughput(sample, days) if shows_requests else None,
            request_cycle_time=_distribution(sample.cycles_ns) if shows_requests else None,
        )
        for side, sample in samples.items()
    )
    changes = _changes(assisted, not_assisted, samples, days)
    changes["change_failure_rate"] = failures.change
    changes["deployment_rework_rate"] = rework.change
    return ComparedSides(
        _share(found, shows_requests=shows_requests), assisted, not_assisted, changes
    )


def compare_nothing() -> ComparedSides:
    """The comparison without any deployment: it has every member."""
    return compare(Sorted((), (), Sides("commit", (), (), range(0))), 0)


class _Sample(NamedTuple):
    """What the metrics of one side are computed from."""

    deployments: int
    lead_times_ns: Durations
    recoveries_ns: Durations
    unresolved: int
    requests: int
    request_authors: Set[str]
    cycles_ns: Durations


def _sample(found: Sorted, side: Side) -> _Sample:
    deployments = found.of_side(side)
    failed = [each for each in deployments if each.change_failure]
    recoveries_ns = [each.recovery_ns for each in failed if each.recovery_ns is not None]
    requests = [each for each in found.requests if each.side == side]
    return _Sample(
        len(deployments),
        _in_order(found.lead_times_ns[side]),
        _in_order(recoveries_ns),
        len(failed) - len(recoveries_ns),
        len(requests),
        {author for each in requests for author in each.authors},
        _in_order([each.cycle_ns for each in requests if each.cycle_ns is not None]),
    )


def _changes(
    assisted: SideMetrics,
    not_assisted: SideMetrics,
    samples: Mapping[Side, _Sample],
    days: float,
) -> dict[MetricName, Change]:
    """The changes of counts and durations."""
    ours, theirs = (samples[side] for side in _COMPARED)
    return {
        "deployment_frequency": _change(
            assisted.deployment_frequency.per_day,
            not_assisted.deployment_frequency.per_day,
            is_noise=count_within_noise(ours.deployments, days, theirs.deployments, days),
        ),
        "change_lead_time": _duration_change(
            assisted.change_lead_time,
            not_assisted.change_lead_time,
            (ours.lead_times_ns, theirs.lead_times_ns),
        ),
        "failed_deployment_recovery_time": _duration_change(
            assisted.failed_deployment_recovery_time,
            not_assisted.failed_deployment_recovery_time,
            (ours.recoveries_ns, theirs.recoveries_ns),
        ),
        "request_throughput": _throughput_change(
            assisted.request_throughput, not_assisted.request_throughput, days
        ),
        "request_cycle_time": _duration_change(
            assisted.request_cycle_time,
            not_assisted.request_cycle_time,
            (ours.cycles_ns, theirs.cycles_ns),
        ),
    }


def _throughput_change(now: Throughput | None, other: Throughput | None, days: float) -> Change:
    if now is None or other is None:
        return _NO_CHANGE
    is_noise = count_within_noise(now.count, days * now.authors, other.count, days * other.authors)
    return _change(now.per_author_and_day, other.per_author_and_day, is_noise=is_noise)


def _duration_change(
    now: Distribution | None,
    other: Distribution | None,
    durations: tuple[Durations, Durations],
) -> Change:
    is_noise = durations_within_noise(*durations)
    return _change(now and now.p50, other and other.p50, is_noise=is_noise)


def _change(now: float | None, other: float | None, *, is_noise: bool) -> Change:
    if now is None or other is None:
        return _NO_CHANGE
    return Change(now - other, (now - other) / other if other else None, is_noise)


def _share(found: Sorted, *, shows_requests: bool) -> Share:
    requests: Counter[Side] = Counter(each.side for each in found.requests)
    return Share(_rate(found.commits), _rate(requests) if shows_requests else None)


def _rate(counted: Counter[Side]) -> Rate:
    hits, n = counted["assisted"], counted["assisted"] + counted["not_assisted"]
    low, high = wilson_interval(hits, n) or (None, None)
    return Rate(hits / n if n else None, low, high, hits, n)


def _frequency(sample: _Sample, days: float) -> DeploymentCount:
    return DeploymentCount(sample.deployments, _per(sample.deployments, days))


def _recoveries(sample: _Sample) -> DistributionWithOpen:
    return DistributionWithOpen(**_figures(sample.recoveries_ns), open=sample.unresolved)


def _throughput(sample: _Sample, days: float) -> Throughput:
    authors = len(sample.request_authors)
    return Throughput(sample.requests, authors, _per(sample.requests, days * authors))


def _distribution(durations: Durations) -> Distribution:
    return Distribution(**_figures(durations))


def _figures(durations: Durations) -> Mapping[str, Any]:
    columns = distributions(durations, np.array([0, len(durations)], np.int64))
    return {name: column[0] for name, column in columns._asdict().items()}


def _in_order(durations: Sequence[int]) -> Durations:
    return np.sort(np.array(durations, np.int64))


def _per(count: int, days: float) -> float | None:
    return count / days if days > 0 else None


def _side_of(counted: Counter[Side]) -> Side:
    if counted["assisted"]:
        return "assisted"
    return "unknown" if counted["unknown"] else "not_assisted"


def _are_enough(*groups: Set[str]) -> bool:
    """Whether each group is of nobody, or of enough people."""
    return all(not people or len(people) >= FEWEST_PEOPLE for people in groups)
