"""How often the sentences about changes are wrong, and what size of change they find.

Worlds are drawn at random, half a year each, and compared like a page of twelve weeks. In a world
without a change, every sentence about one is a false alarm: fewer than 5 % of such worlds may have
any. In the others one service changes after twelve weeks, and is to be found. `python -m
bench.insights 1000` draws so many worlds a row.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from theodora.dora.derivation.stages import STAGES
from theodora.dora.metrics.columns import (
    UNKNOWN_NS,
    DeploymentColumns,
    Labels,
    Selected,
    select_incidents,
    sums_ns,
)
from theodora.dora.metrics.report import make_report
from theodora.dora.metrics.statistics import wilson_interval
from theodora.events.values import DAY_NS, SECOND_NS
from theodora.report.insight import InsightFacts
from theodora.report.insights import Insights, insights_of
from theodora.report.scope import read_scope

WEEKS = 12
"""Of each of the two periods."""
END_NS = 20_600 * DAY_NS
_START_NS = END_NS - 2 * WEEKS * 7 * DAY_NS
_TEAM_SIZE = 5

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """How a world is drawn."""

    services: int
    bursts: float = 0.0
    """How much weeks differ in their deployments: the variance of their relative rates."""
    shared: float = 0.5
    """How alike the lead times of one deployment's commits are, from 0 to 1."""


@dataclass(frozen=True)
class Plant:
    """What changes after twelve weeks, of the first service or of all."""

    metric: str
    factor: float
    per_week: float
    """Deployments of the service before."""
    is_everywhere: bool = False


@dataclass
class _Service:
    """The rates of a service in one period."""

    per_week: float
    failure: float
    recovery_sec: float
    lead_sec: float


def draw(rng: Generator, world: World, plant: Plant | None = None) -> Insights:
    """The sentences about a random world."""
    deployments = _columns(rng, world, plant)
    ends = {"from": str((END_NS - WEEKS * 7 * DAY_NS) // SECOND_NS), "to": str(END_NS // SECOND_NS)}
    scope = read_scope(ends, END_NS)
    query = scope.metrics_query(group_by=("service",))
    return insights_of(
        make_report(query, deployments, select_incidents(())), "service", scope, InsightFacts()
    )


def _columns(rng: Generator, world: World, plant: Plant | None) -> Selected[DeploymentColumns]:
    parts = [
        _period(rng, world, service, number, period)
        for number in range(world.services)
        for period, service in enumerate(_service(rng, number, plant))
    ]
    codes, instants, failed, rework, recoveries, counts, leads = (
        np.concatenate(each) for each in zip(*parts, strict=True)
    )
    columns = DeploymentColumns(
        finished_at_ns=instants,
        verdict=failed.astype(np.int8),
        is_rework=rework,
        recovery_ns=recoveries,
        lead_times_ns=leads,
        commit_offsets=np.concatenate((np.zeros(1, np.int64), np.cumsum(counts))),
        lead_time_sums_ns=sums_ns(leads, counts),
        stage_sums_ns=np.zeros((len(counts), len(STAGES))),
        stages_ns=None,
        labels={"service": Labels([f"service-{n}" for n in range(world.services)], codes)},
    )
    return Selected(columns, np.arange(len(instants)))


def _service(rng: Generator, number: int, plant: Plant | None) -> Sequence[_Service]:
    """A service in both periods."""
    before = _Service(
        per_week=float(rng.lognormal(1.0, 0.8)),
        failure=float(rng.beta(2, 18)),
        recovery_sec=float(rng.lognormal(8.5, 0.7)),
        lead_sec=float(rng.lognormal(11, 0.8)),
    )
    if plant is None or (number and not plant.is_everywhere):
        return before, before
    if not plant.is_everywhere:
        before = replace(before, per_week=plant.per_week, failure=0.08)
    changed = replace(before, **{plant.metric: getattr(before, plant.metric) * plant.factor})
    return before, changed


def _period(
    rng: Generator, world: World, service: _Service, number: int, period: int
) -> tuple[NDArray[np.generic], ...]:
    """One service in one period: the columns of its deployments."""
    start_ns = _START_NS + period * WEEKS * 7 * DAY_NS
    weights = rng.gamma(1 / world.bursts, world.bursts, WEEKS) if world.bursts else np.ones(WEEKS)
    weekly = rng.poisson(service.per_week * weights)
    weeks = np.repeat(np.arange(WEEKS), weekly)
    n = len(weeks)
    instants = start_ns + ((weeks + rng.random(n)) * 7 * DAY_NS).astype(np.int64)
    failed = rng.random(n) < service.failure
    # Most failures are fixed by the next deployment, which is rework.
    rework = np.roll(failed, 1) & (rng.random(n) < 0.9)
    spans = service.recovery_sec * rng.lognormal(0, 1.0, n) * SECOND_NS
    recoveries = np.where(failed, spans.astype(np.int64), UNKNOWN_NS)
    counts = rng.geometric(0.25, n)
    common = np.repeat(rng.normal(0, 1.2, n), counts)
    own = rng.normal(0, 1.2, len(common))
    noise = np.sqrt(world.shared) * common + np.sqrt(1 - world.shared) * own
    leads = (service.lead_sec * np.exp(noise) * SECOND_NS).astype(np.int64)
    return np.full(n, number, np.int32), instants, failed, rework, recoveries, counts, leads


QUIET: Sequence[tuple[str, World]] = (
    ("3 services", World(3)),
    ("20 services", World(20)),
    ("100 services", World(100)),
    ("20 services, deployments in bursts", World(20, bursts=0.5)),
    ("20 services, commits of a deployment alike", World(20, shared=0.9)),
    ("100 services, bursts and alike", World(100, bursts=0.5, shared=0.9)),
)
"""Worlds without a change."""

PLANTS: Sequence[tuple[str, Plant]] = tuple(
    (f"{words} x {factor:g}, {per_week:g} a week", Plant(metric, factor, per_week))
    for metric, words, factors in (
        ("failure", "failure rate 8 %", (2, 3, 4)),
        ("recovery_sec", "recovery", (3, 6)),
        ("lead_sec", "lead time", (1.5, 2, 3)),
        ("per_week", "deployments", (0.25, 0.5, 2, 3)),
    )
    for factor in factors
    for per_week in (2, 6, 20)
)
"""One service of twenty changes."""

METRIC_OF = {
    "failure": "change_failure_rate",
    "recovery_sec": "failed_deployment_recovery_time",
    "lead_sec": "change_lead_time",
    "per_week": "deployment_frequency",
}


def false_alarms(world: World, count: int, seed: int) -> int:
    """How many of so many worlds without a change have a sentence about one."""
    return sum(bool(draw(each, world).changes) for each in _generators(count, seed))


def found(world: World, plant: Plant, count: int, seed: int) -> int:
    """In how many of so many worlds the change is reported, of the service that it is of."""
    group = None if plant.is_everywhere else "service-0"
    wanted = METRIC_OF[plant.metric], group
    return sum(
        wanted in {(each.kind, each.group) for each in draw(rng, world, plant).changes}
        for rng in _generators(count, seed)
    )


def _generators(count: int, seed: int) -> Iterator[Generator]:
    return (np.random.default_rng((seed, number)) for number in range(count))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    print("| worlds without a change | false alarms | 95 % interval |\n|---|---|---|")
    for words, world in QUIET:
        alarms = false_alarms(world, count, seed=1)
        low, high = wilson_interval(alarms, count) or (0.0, 1.0)
        print(f"| {words} | {alarms / count:.1%} | {low:.1%} to {high:.1%} |", flush=True)
    print("\n| one service of 20 changes | found |\n|---|---|")
    for words, plant in PLANTS:
        hits = found(World(20, bursts=0.1), plant, count // 5, seed=2)
        print(f"| {words} | {hits / (count // 5):.0%} |", flush=True)


if __name__ == "__main__":
    main()
