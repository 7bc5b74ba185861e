"""AI impact says what its definitions say, of random deployments, commits and activity.

The seed is fresh in every run and shown on failure.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from random import Random
from typing import Any

import numpy as np
import pytest

from oracle.assistance import TOOLS, Weighted, World, random_world, share_of, true_answer
from oracle.comparing import query_of
from oracle.questions import random_question
from oracle.worlds import SCENES, fresh_seed
from theodora.dora import Commit
from theodora.dora.assistance.comparison import SideMetrics
from theodora.dora.assistance.report import ImpactCell, ImpactQuery, ImpactReport, assess
from theodora.dora.assistance.shipped import ActiveDay, ShippedCommit, ShippedDeployment
from theodora.dora.assistance.weighted import WeightedRate
from theodora.dora.derivation.authorship import authorship_of
from theodora.dora.metrics.statistics import Distribution

_WEIGHTED = {"failures": "change_failure_rate", "rework": "deployment_rework_rate"}

SHARDS = 2
QUESTIONS = 40


@pytest.mark.parametrize("shard", range(SHARDS))
def test_the_comparison_and_the_oracle_agree_on_random_deployments(shard: int) -> None:
    seed = fresh_seed()
    rng = Random(f"{seed} {shard}")
    shown = 0
    for number in range(QUESTIONS // SHARDS):
        scene = rng.choice(SCENES)
        world = random_world(rng, scene.instant_ns, min(scene.days, 20))
        question = random_question(
            rng, scene, [each["finished_at_ns"] for each in world.deployments]
        )
        level = rng.choice((None, "commit", "user_day"))
        tools = rng.choice(((), (), TOOLS[:1]))
        keys = rng.choice(((), ("service",), ("team",), ("service", "team")))
        expected = true_answer(world, question, level, tools, keys)
        asked = query_of(question)
        query = ImpactQuery(
            period=asked.period,
            as_of_ns=asked.as_of_ns,
            interval=asked.interval,
            calendar=asked.calendar,
            level=level,
            tools=tools,
            group_by=keys,
        )
        found = list(disagreements(expected, assess(query, *inputs_of(world))))
        assert found == [], f"THEODORA_TEST_SEED={seed}, shard {shard}, number {number}: {question}"
        shown += sum(cell["shown"] for cell in expected["cells"])
    assert shown


def inputs_of(world: World) -> tuple[list[ShippedDeployment], list[ActiveDay]]:
    epoch = date(1970, 1, 1)
    activity = [ActiveDay(who, (day - epoch).days, tool) for who, day, tool in world.activity]
    return [_deployment(each) for each in world.deployments if each["commits"]], activity


def _deployment(told: Mapping[str, Any]) -> ShippedDeployment:
    cycles_ns: dict[int, int] = {}
    for commit in told["commits"]:
        number, cycle_ns = commit["request"], commit["merged_after_ns"]
        if number is not None and cycle_ns is not None:
            cycles_ns[number] = max(cycle_ns, cycles_ns.get(number, 0))
    return ShippedDeployment(
        id=told["id"],
        finished_at_ns=told["finished_at_ns"],
        repository=told["repository"],
        service=told["service"],
        team=told["team"],
        change_failure=told["failed"],
        is_rework=told["rework"],
        recovery_ns=told["recovery_ns"],
        commits=tuple(map(_commit, told["commits"])),
        cycle_times_ns=cycles_ns,
    )


def _commit(told: Mapping[str, Any]) -> ShippedCommit:
    commit = Commit(
        sha="a" * 40,
        author_time_ns=told["authored_at_ns"],
        author_offset_minutes=told["offset_minutes"],
        commit_time_ns=told["authored_at_ns"],
        message=told["message"],
        author_email=told["author"],
    )
    return ShippedCommit(authorship_of(commit), told["lead_time_ns"], told["request"])


def disagreements(expected: Mapping[str, Any], found: ImpactReport) -> Iterator[str]:
    tools = [(each.name, each.by_commit, each.by_user_day) for each in found.tools]
    if (found.level, tools) != (expected["level"], expected["tools"]):
        yield f"{found.level} {tools}, not {expected['level']} {expected['tools']}"
    cells = [found.total, *(each.cell for each in found.series)]
    for at, (told, cell) in enumerate(zip(expected["cells"], cells, strict=True)):
        yield from (f"cell {at}: {each}" for each in _cell(told, cell))
    if [each.group for each in found.groups] != [*expected["groups"]]:
        yield f"groups {[each.group for each in found.groups]}"
    for each in found.groups:
        told = expected["groups"].get(each.group)
        yield from (
            f"group {each.group}: {one}" for one in (_cell(told, each.cell) if told else ())
        )


def _cell(told: Mapping[str, Any], cell: ImpactCell) -> Iterator[str]:
    unknown = cell.unknown and (cell.unknown.people, cell.unknown.commits)
    if (cell.bot_commits, unknown) != (told["bots"], told["unknown"]):
        yield f"bots and unknown: {cell.bot_commits} {unknown}"
    compared = cell.compared
    if (compared is not None) != told["shown"]:
        yield f"withheld: {cell.withheld}"
    if compared is None or not told["shown"]:
        return
    for at, (name, side) in enumerate(
        (("assisted", compared.assisted), ("not_assisted", compared.not_assisted))
    ):
        yield from (f"{name} {each}" for each in _side(told, told["of"][name], side, at))
    for name, is_noise in told["noise"].items():
        shows = {"change_lead_time": told["shows_lead_times"]}
        if name.startswith("request"):
            shows[name] = told["shows_requests"]
        expected = is_noise if compared.change[name].delta is not None else True
        if compared.change[name].within_noise != expected:
            yield f"noise of {name}: {compared.change[name]}"
        if compared.change[name].delta is not None and not shows.get(name, True):
            yield f"{name} gives figures away"
    for name, weighted in (
        ("failures", "change_failure_rate"),
        ("rework", "deployment_rework_rate"),
    ):
        is_noise = told[name].is_noise
        if is_noise is not None and compared.change[weighted].within_noise != is_noise:
            yield f"noise of {weighted}: {compared.change[weighted]}"
    of = told["of"]
    yield from _share(of, "commits", compared.share.commits)
    if told["shows_requests"]:
        yield from _share(of, "requests", compared.share.requests)


def _share(of: Mapping[str, Any], name: str, rate: Any) -> Iterator[str]:
    expected = share_of(of["assisted"][name], of["not_assisted"][name])
    found = (rate.value, rate.low, rate.high, rate.hits, rate.n)
    if found != pytest.approx(expected, abs=1e-6):
        yield f"share of {name}: {found}, not {expected}"


def _side(
    cell: Mapping[str, Any], told: Mapping[str, Any], side: SideMetrics, at: int
) -> Iterator[str]:
    counted = (side.people, side.commits, side.deployment_frequency.count)
    if counted != (told["people"], told["commits"], told["deployments"]):
        yield f"counts: {counted}"
    yield from _durations(
        "lead time", told["lead_times"] if cell["shows_lead_times"] else None, side.change_lead_time
    )
    recovery = side.failed_deployment_recovery_time
    yield from _durations("recovery", told["recoveries"], recovery)
    if recovery.open != told["unresolved"]:
        yield f"unresolved: {recovery.open}"
    cycles = told["cycles"] if cell["shows_requests"] else None
    yield from _durations("cycle time", cycles, side.request_cycle_time)
    throughput = side.request_throughput and (
        side.request_throughput.count,
        side.request_throughput.authors,
    )
    expected = (told["requests"], told["authors"]) if cell["shows_requests"] else None
    if throughput != expected:
        yield f"throughput: {throughput}, not {expected}"
    yield from _rate("failures", cell["failures"], side.change_failure_rate, at)
    yield from _rate("rework", cell["rework"], side.deployment_rework_rate, at)


def _durations(
    name: str, spans_ns: Sequence[int] | None, found: Distribution | None
) -> Iterator[str]:
    if spans_ns is None or found is None:
        if (spans_ns, found) != (None, None):
            yield f"{name}: {found}"
        return
    seconds = np.array(spans_ns) / 10**9
    expected = [len(seconds), *([None] * 5)]
    if len(seconds):
        shares = np.quantile(seconds, (0.5, 0.75, 0.9, 0.95))
        expected = [len(seconds), seconds.mean(), *shares]
    figures = (found.n, found.mean, found.p50, found.p75, found.p90, found.p95)
    if figures != pytest.approx(tuple(expected), abs=1e-6):
        yield f"{name}: {figures}, not {expected}"


def _rate(name: str, told: Weighted, found: WeightedRate, side: int) -> Iterator[str]:
    value = told.value(side)
    if found.value != pytest.approx(value, abs=1e-9) or found.deployments != told.deployments[side]:
        yield f"{name}: {found}, not {value}"
    elif value is not None:
        low, high = told.bounds(side, 0.003, 0.06), told.bounds(side, 0.94, 0.997)
        assert found.low is not None
        assert found.high is not None
        if not low[0] - 1e-9 <= found.low <= low[1] + 1e-9:
            yield f"{name}: {found}, its lower end not in {low}"
        if not high[0] - 1e-9 <= found.high <= high[1] + 1e-9:
            yield f"{name}: {found}, its upper end not in {high}"
