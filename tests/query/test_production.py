"""`is:production`: by settings, for an event and as the tree that finds the same."""

from random import Random, SystemRandom

import pytest

from theodora.events import Deployment, Failure
from theodora.query import Event, Production, ProductionEnvs, matches, parse, to_text
from theodora.query.production import names_production, with_production

SERVICES = ("web", "pay", "a", "zz", "é", "we", "webx")
ENVS = ("production", "Production", "PROD", "live", "blue", "Blue", "STRASSE", "staging", "")
SETTINGS = ("production", "prod", "live", "blue", "strasse", "nowhere")


def random_event(rng: Random) -> Event:
    env = rng.choice((None, *ENVS))
    if rng.random() < 0.5:
        return Deployment(service=rng.choice(SERVICES), env=env, started_at_ns=1, finished_at_ns=1)
    services = tuple(rng.sample(SERVICES, rng.randrange(4)))
    return Failure(services=services, env=env, started_at_ns=1)


def random_envs(rng: Random) -> ProductionEnvs:
    def some() -> tuple[str, ...]:
        return tuple(rng.sample(SETTINGS, rng.randrange(4)))

    return ProductionEnvs(some(), {name: some() for name in rng.sample(SERVICES, rng.randrange(4))})


def test_the_tree_finds_what_is_in_production() -> None:
    seed = SystemRandom().randrange(2**32)
    rng = Random(seed)
    for _ in range(3_000):
        envs, event = random_envs(rng), random_event(rng)
        tree = envs.tree({event.env, *rng.sample(ENVS, 4)} - {None})
        assert not names_production(tree)
        assert matches(tree, event) == envs.hold(event), f"seed {seed}: {envs} {event}"
        assert parse(to_text(tree)) == tree


def test_a_failure_is_in_production_if_it_is_for_any_of_its_services() -> None:
    envs = ProductionEnvs(by_service={"web": ("blue",)})
    failure = Failure(services=("web", "pay"), env="production", started_at_ns=1)
    assert envs.hold(failure)
    assert not envs.hold(Failure(services=("web",), env="production", started_at_ns=1))
    assert envs.hold(Failure(services=("web",), env="Blue", started_at_ns=1))
    assert envs.hold(Failure(team="core", env="production", started_at_ns=1))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("is:production", "env:live"),
        ("-is:production web", "-env:live web"),
        ("(is:production web) OR -(pay is:production)", "env:live web OR -(pay env:live)"),
        ("team:a env:b", "team:a env:b"),
    ],
)
def test_settings_take_the_place_of_the_term(query: str, expected: str) -> None:
    found = with_production(parse(query), parse("env:live"))
    assert found == parse(expected)
    assert names_production(parse(query)) == ("is:" in query)


def test_conjunctions_stay_flat() -> None:
    tree = with_production(parse("is:production OR web"), parse("env:live OR env:prod"))
    assert tree == parse("env:live OR env:prod OR web")


def test_the_matcher_takes_settings() -> None:
    event = Deployment(service="web", env="blue", started_at_ns=1, finished_at_ns=1)
    assert not matches(Production(), event)
    assert matches(Production(), event, ProductionEnvs(("blue",)))
    assert not matches(parse("-(is:production OR pay)"), event, ProductionEnvs(("blue",)))
