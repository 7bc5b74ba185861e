"""What holds for the metrics of any events at all.

The seed is fresh in every run and shown on failure.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from lengths import short_and_long
from oracle.comparing import answer_of, report_of
from oracle.intervals import DAY_NS, Question
from oracle.questions import random_question
from oracle.worlds import SCENES, SERVICES, Scene, fresh_seed, random_deployments, random_incidents

SHORT, LONG = 3, 10
"""Questions of each law in each scene."""
COUNTS = {
    "deployment_frequency": ("count",),
    "change_lead_time": ("n",),
    "change_failure_rate": ("failed", "evaluated", "pending"),
    "failed_deployment_recovery_time": ("n", "unresolved"),
    "deployment_rework_rate": ("rework", "evaluated"),
    "incident_time_to_restore": ("n", "open"),
}
INCIDENTS = "incident_time_to_restore"

Event = dict[str, Any]


@dataclass(frozen=True)
class World:
    """Random events of a scene, and the seed they came from, to be seen when a test fails."""

    seed: int
    rng: Random
    scene: Scene
    deployments: list[Event]
    incidents: list[Event]
    asked: int

    def questions(self) -> Iterator[Question]:
        edges_ns = [each["finished_at_ns"] for each in self.deployments]
        for _ in range(self.asked):
            yield random_question(self.rng, self.scene, edges_ns)

    def ask(self, question: Question) -> dict[str, Any]:
        return answer_of(report_of(question, self.deployments, self.incidents))

    def __repr__(self) -> str:
        return f"THEODORA_TEST_SEED={self.seed}, {self.scene}"


pytestmark = [
    pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.instant),
    short_and_long("asked", SHORT, LONG),
]


@pytest.fixture
def world(scene: Scene, asked: int) -> World:
    seed = fresh_seed()
    rng = Random(f"{seed} {scene}")
    deployments = random_deployments(rng, scene, 60)
    return World(seed, rng, scene, deployments, random_incidents(rng, scene, 15), asked)


def test_totals_come_from_events_and_not_from_groups(world: World):
    for question in world.questions():
        total = _counts(world.ask(question)["overall"]["total"])
        assert _counts(world.ask(replace(question, group_by=()))["overall"]["total"]) == total
        assert _added_up(world, question, "region") >= total, world


def test_a_deployment_is_of_one_service_so_that_services_add_up(world: World):
    """An incident may be of several."""
    for question in world.questions():
        total = _counts(world.ask(question)["overall"]["total"])
        services = _added_up(world, question, "service")
        assert services >= total, world
        assert _of_deployments(services) == _of_deployments(total), world


def test_an_unrelated_event_changes_nothing(world: World):
    """One outside the range and the one before it."""
    away_ns = 3_000 * DAY_NS
    instants_ns = (world.scene.instant_ns - away_ns, world.scene.instant_ns + away_ns)
    unrelated = [
        each | {"finished_at_ns": instant_ns}
        for each in world.deployments
        for instant_ns in instants_ns
    ]
    more = replace(world, deployments=[*world.deployments, *unrelated])
    for question in world.questions():
        assert more.ask(question) == world.ask(question), world


def test_splitting_a_range_adds_counts_up(world: World):
    for question in world.questions():
        middle_ns = world.rng.randint(question.from_ns, question.to_ns)
        parts = (replace(question, to_ns=middle_ns), replace(question, from_ns=middle_ns))
        added = _sum(world.ask(each)["overall"]["total"] for each in parts)
        assert added == _counts(world.ask(question)["overall"]["total"]), world


def test_a_series_adds_up_to_its_total(world: World):
    for question in world.questions():
        overall = world.ask(replace(question, interval="week"))["overall"]
        assert _sum(overall["series"]) == _counts(overall["total"]), world


def test_the_order_of_events_is_irrelevant(world: World):
    shuffled = replace(
        world,
        deployments=world.rng.sample(world.deployments, len(world.deployments)),
        incidents=world.rng.sample(world.incidents, len(world.incidents)),
    )
    for question in world.questions():
        assert shuffled.ask(question) == world.ask(question), world


def test_renaming_services_permutes_groups(world: World):
    renamed = dict(zip(SERVICES, (*SERVICES[1:], SERVICES[0]), strict=True))
    other = replace(
        world,
        deployments=[each | {"service": renamed[each["service"]]} for each in world.deployments],
        incidents=[
            each | {"services": [renamed[name] for name in each["services"]]}
            for each in world.incidents
        ],
    )
    for question in world.questions():
        by_service = replace(question, group_by=("service", "env"))
        before, after = world.ask(by_service), other.ask(by_service)
        assert after["overall"] == before["overall"], world
        assert after["groups"] == {
            (renamed.get(service, service), env): group
            for (service, env), group in before["groups"].items()
        }, world


def _added_up(world: World, question: Question, key: str) -> Counter[tuple[str, str]]:
    groups = world.ask(replace(question, group_by=(key,)))["groups"]
    return _sum(group["total"] for group in groups.values())


def _sum(several: Iterator[Mapping[str, Any]]) -> Counter[tuple[str, str]]:
    return sum(map(_counts, several), Counter())


def _counts(metrics: Mapping[str, Any]) -> Counter[tuple[str, str]]:
    pairs = ((metric, name) for metric, names in COUNTS.items() for name in names)
    return Counter({(metric, name): metrics[metric][name] for metric, name in pairs})


def _of_deployments(counts: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    return Counter({key: count for key, count in counts.items() if key[0] != INCIDENTS})
