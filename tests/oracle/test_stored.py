"""The engine says what the definitions say of events that a server was sent.

The seed is fresh in every run and shown on failure.
"""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from starlette.testclient import TestClient

from asking import make_tenant
from databases import ON_POSTGRESQL, ON_SQLITE
from lengths import short_and_long
from oracle.answers import answer
from oracle.comparing import answer_of, disagreements, query_of
from oracle.filters import EVERYTHING, Filter, random_filter
from oracle.intervals import Question
from oracle.questions import random_question
from oracle.sent_world import World
from oracle.worlds import ENVS, SCENES, SERVICES, Scene, fresh_seed
from theodora.app import Built
from theodora.query import parse

QUESTIONS = 8

Shared = tuple[Built, TestClient]

every_scene = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.instant)
some_scenes = short_and_long("asked", (1, 24), (len(SCENES), 60))
"""How many scenes, of how many deployments.

On PostgreSQL few: scenes differ in their calendars, which no database has to do with."""


def _world(shared: Shared, rng: Random, scene: Scene) -> World:
    return World(make_tenant(*shared), rng, scene)


@ON_SQLITE
@short_and_long("deployments", 24, 60)
@every_scene
def test_the_engine_and_the_oracle_agree_whatever_happens(
    shared_server: Shared, scene: Scene, deployments: int
):
    """Another organisation's events, told between, are of no concern to it."""
    assert_agreement(shared_server, scene, deployments, fresh_seed())


@ON_POSTGRESQL
@some_scenes
def test_the_engine_and_the_oracle_agree_on_postgresql(
    shared_server: Shared, asked: tuple[int, int]
):
    """In one scene, another in each run."""
    scenes, deployments = asked
    seed = fresh_seed()
    for scene in Random(seed).sample(SCENES, scenes):
        assert_agreement(shared_server, scene, deployments, seed)


def assert_agreement(shared_server: Shared, scene: Scene, deployments: int, seed: int) -> None:
    rng = Random(f"{seed} {scene}")
    world, stranger = (_world(shared_server, rng, scene) for _ in range(2))
    world.tell(deployments, incidents=deployments // 5)
    stranger.tell(deployments=10, incidents=4)
    for state in ("told", "changed", "changed again"):
        true_deployments, true_incidents = world.true_deployments(), world.true_incidents()
        for _ in range(QUESTIONS):
            question = random_question(rng, scene, world.instants_ns())
            filter_ = rng.choice((EVERYTHING, random_filter(rng)))
            expected = answer(
                filter(filter_.finds, true_deployments),
                filter(filter_.finds, true_incidents),
                question,
            )
            found = disagreements(expected, _ask(world, question, filter_))
            assert found == [], f"THEODORA_TEST_SEED={seed}, {state}: {filter_.text!r} {question}"
        world.change()
        stranger.change()


@ON_SQLITE
@short_and_long("deployments", 24, 40)
@every_scene
def test_order_of_arrival_is_irrelevant_and_a_service_is_but_a_name(
    shared_server: Shared, scene: Scene, deployments: int
):
    """Told again in another order, each service by another's name: groups change names alone."""
    assert_order_is_irrelevant(shared_server, scene, deployments, fresh_seed())


@ON_POSTGRESQL
@some_scenes
def test_order_of_arrival_is_irrelevant_on_postgresql(
    shared_server: Shared, asked: tuple[int, int]
):
    scenes, deployments = asked
    seed = fresh_seed()
    for scene in Random(seed).sample(SCENES, scenes):
        assert_order_is_irrelevant(shared_server, scene, deployments, seed)


def assert_order_is_irrelevant(
    shared_server: Shared, scene: Scene, deployments: int, seed: int
) -> None:
    world = _world(shared_server, Random(f"{seed} {scene}"), scene)
    world.tell(deployments, incidents=deployments // 4)
    renamed = dict(zip(SERVICES, (*SERVICES[1:], SERVICES[0]), strict=True))
    copy = world.sent_again(make_tenant(*shared_server), renamed)
    for _ in range(QUESTIONS):
        question = random_question(world.rng, scene, world.instants_ns())
        groups = [
            _ask(each, replace(question, group_by=("service", "env"))) for each in (world, copy)
        ]
        assert groups[0]["overall"] == groups[1]["overall"], f"THEODORA_TEST_SEED={seed}"
        assert {
            (renamed.get(service, service), env): group
            for (service, env), group in groups[0]["groups"].items()
        } == groups[1]["groups"], f"THEODORA_TEST_SEED={seed}"


def test_a_write_is_seen_by_the_next_question(shared_server: Shared):
    world = _world(shared_server, Random(1), SCENES[0])
    question = Question(0, world.scene.instant_ns + 1, world.scene.instant_ns + 1)
    at_ns = dict.fromkeys(("started_at", "finished_at"), world.scene.instant_ns)
    for number, env in enumerate(ENVS):
        newest = at_ns | {"id": f"newest-{number:010}", "service": "web", "env": env, "git": None}
        world.send_deployment(newest)
        assert _count(world, question) == number + 1
    for left, id_ in reversed([*enumerate(world.deployments)]):
        world.tenant.delete(id_)
        assert _count(world, question) == left


def _count(world: World, question: Question) -> int:
    return _ask(world, question)["overall"]["total"]["deployment_frequency"]["count"]


def _ask(world: World, question: Question, filter_: Filter = EVERYTHING) -> dict[str, Any]:
    return answer_of(
        world.store.metrics.report(world.organisation, query_of(question), parse(filter_.text))
    )
