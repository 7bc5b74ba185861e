"""`is:production` finds the same events as the matcher, by the settings of the organisation."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from random import Random, SystemRandom
from typing import Any

import pytest

from actors import TESTER
from settling import STATES
from theodora.dora import MetricsQuery, Period
from theodora.events import Deployment, Failure
from theodora.query import (
    Event,
    Kind,
    Production,
    Query,
    all_of,
    any_of,
    complement,
    matches,
    parse,
    sort_key,
    to_text,
)
from theodora.storage import Organisation, Selection, Store
from theodora.storage.engine.cursor import Cursor
from theodora.storage.facts import settings as module
from theodora.web.pages.parts.clauses import known_field

EVER = Period(0, 10**18)
ALL = MetricsQuery(period=EVER, as_of_ns=10**18)
SERVICES = ("web", "pay", "search")
ENVS = ("production", "Prod", "PROD", "live", "Blue", "blue", "staging")
VERSION = known_field("version")
OTHERS = (
    "env:Prod",
    "env:staging",
    "service:web",
    "-service:pay",
    "team:*",
    "web",
    "version:*",
    "*",
)


def deployment(rng: Random, number: int) -> Deployment:
    return Deployment(
        id=f"d{number}",
        service=rng.choice(SERVICES),
        env=rng.choice((None, *ENVS)),
        team=rng.choice((None, "core")),
        started_at_ns=number,
        finished_at_ns=number,
    )


def failure(rng: Random, number: int) -> Failure:
    return Failure(
        id=f"f{number}",
        services=tuple(rng.sample(SERVICES, rng.randrange(3))),
        team="core",
        env=rng.choice((None, *ENVS)),
        started_at_ns=number,
    )


def random_query(rng: Random) -> Query:
    parts: list[Query] = [Production()]
    parts += [parse(each) for each in rng.sample(OTHERS, rng.randrange(3))]
    rng.shuffle(parts)
    query = rng.choice((all_of, any_of))(parts)
    return complement(query) if rng.random() < 0.3 else query


def settings(store: Store, org: Organisation, rng: Random) -> None:
    for service in ("", *rng.sample(SERVICES, rng.randrange(3))):
        envs = rng.sample(("production", "prod", "live", "blue"), rng.randrange(4))
        given = {"production_envs": envs} if rng.random() < 0.8 else {}
        store.settings.put(org, given, *([service] if service else []), actor=TESTER).result()


@pytest.mark.parametrize("index", STATES, indirect=True)
def test_lists_and_metrics_agree_with_the_matcher(store: Store) -> None:
    seed = SystemRandom().randrange(2**32)
    rng = Random(seed)
    numbers = count(1)
    for world in range(4):
        org = store.keys.ensure_organisation(f"org{world}", 1, actor=TESTER).result()
        settings(store, org, rng)
        deployments = [deployment(rng, next(numbers)) for _ in range(40)]
        failures = [failure(rng, next(numbers)) for _ in range(40)]
        for each in deployments:
            store.deployments.add(org, each, 1, actor=TESTER)
        for each in failures:
            store.failures.add(org, each, 1, actor=TESTER).result()
        envs = store.settings.production_envs(org)
        for _ in range(12):
            query = random_query(rng)
            said = f"seed {seed}: {to_text(query)} {envs}"
            expected = {e.id for e in (*deployments, *failures) if matches(query, e, envs)}
            assert listed(store, org, query) == expected, said
            total = store.metrics.report(org, ALL, query).overall.total
            incidents = total.incident_time_to_restore
            counted = total.deployment_frequency.count, incidents.n + incidents.open
            assert counted == by_kind(expected), said
            counts = store.metrics.value_counts(org, EVER, query, VERSION, 9)
            assert sum(each for _, each in counts) == by_kind(expected)[0], said


def by_kind(ids: set[str]) -> tuple[int, int]:
    deployments = sum(id_.startswith("d") for id_ in ids)
    return deployments, len(ids) - deployments


def listed(store: Store, org: Organisation, query: Query) -> set[str]:
    found: list[Event] = []
    for kind, events in ((Kind.DEPLOYMENT, store.deployments), (Kind.FAILURE, store.failures)):
        sort = sort_key("started_at", kind)
        assert sort
        selection = Selection(query=query, sort=sort, limit=1000)
        selected = events.select(org, selection)
        documents = events.documents(org, selection).documents
        assert [id_ for id_, *_ in documents] == [each.id for each in selected]
        found += selected
    return {each.id for each in found}


def test_what_settings_say_changes_with_them(store: Store, org: Organisation) -> None:
    store.deployments.add(org, deployment(Random(1), 1), 1, actor=TESTER).result()
    blue = Deployment(id="blue", service="web", env="Blue", started_at_ns=5, finished_at_ns=5)
    store.deployments.add(org, blue, 1, actor=TESTER).result()
    assert "blue" not in listed(store, org, Production())
    store.settings.put(org, {"production_envs": ["blue"]}, actor=TESTER).result()
    assert listed(store, org, Production()) == {"blue"}
    store.settings.put(org, {"production_envs": ["green"]}, "web", actor=TESTER).result()
    assert listed(store, org, Production()) == set()


class World:
    """Two stores on one database, as two processes have them, and what was written to it."""

    def __init__(self, stores: list[Store], org: Organisation, rng: Random) -> None:
        self.stores = stores
        self.org = org
        self.rng = rng
        self.events: dict[str, Event] = {}
        self._numbers = count(1)

    def step(self) -> None:
        """Writes something through either store."""
        rng, store = self.rng, self.rng.choice(self.stores)
        number = next(self._numbers)
        changes: list[Callable[[], None]] = [
            lambda: self._put(store.deployments, deployment(rng, number)),
            lambda: self._put(store.failures, failure(rng, number)),
            lambda: self._delete(store),
            lambda: self._delete(store),
            lambda: settings(store, self.org, rng),
        ]
        rng.choice(changes)()

    def check(self) -> None:
        for store in self.stores:
            envs = store.settings.production_envs(self.org)
            every = self.events.values()
            expected = {each.id for each in every if matches(Production(), each, envs)}
            assert listed(store, self.org, Production()) == expected
            assert counted(store, self.org) == len(expected)
            assert store.settings.has_production(self.org) or not expected

    def _put(self, events: Any, event: Event) -> None:
        events.add(self.org, event, 1, actor=TESTER).result()
        self.events[event.id] = event

    def _delete(self, store: Store) -> None:
        if self.events:
            event = self.events.pop(self.rng.choice(list(self.events)))
            events = store.deployments if isinstance(event, Deployment) else store.failures
            events.delete(self.org, event.id, actor=TESTER).result()


def counted(store: Store, org: Organisation) -> int:
    total = store.metrics.report(org, ALL, Production()).overall.total
    incidents = total.incident_time_to_restore
    return total.deployment_frequency.count + incidents.n + incidents.open


@pytest.mark.parametrize("index", STATES, indirect=True)
def test_every_store_follows_what_another_writes(
    database: str, store: Store, org: Organisation
) -> None:
    seed = SystemRandom().randrange(2**32)
    with Store(database) as other:
        world = World([store, other], org, Random(seed))
        for _ in range(25):
            world.step()
            try:
                world.check()
            except AssertionError as error:
                raise AssertionError(f"seed {seed}") from error


def test_one_moment_keeps_its_meaning_while_another_changes_it(
    store: Store, org: Organisation
) -> None:
    store.deployments.add(org, deployment_in("blue"), 1, actor=TESTER).result()
    store.deployments.add(org, deployment_in("live"), 1, actor=TESTER).result()

    def elsewhere(work: Callable[[], Any]) -> Any:
        with ThreadPoolExecutor(1) as executor:
            return executor.submit(work).result()

    def work() -> list[set[str]]:
        seen = [listed(store, org, Production())]
        elsewhere(store.settings.put(org, {"production_envs": ["blue"]}, actor=TESTER).result)
        assert elsewhere(lambda: listed(store, org, Production())) == {"in blue"}
        return [*seen, listed(store, org, Production())]

    assert store.at_one_moment(work) == [{"in live"}] * 2
    assert listed(store, org, Production()) == {"in blue"}


def deployment_in(env: str) -> Deployment:
    return Deployment(id=f"in {env}", service="web", env=env, started_at_ns=5, finished_at_ns=5)


def test_it_is_found_out_once_until_something_changes(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[Organisation] = []
    find_out = module._production_tree

    def counted_run(cursor: Cursor, org: Organisation) -> Query:
        runs.append(org)
        return find_out(cursor, org)

    monkeypatch.setattr(module, "_production_tree", counted_run)
    store.deployments.add(org, deployment_in("live"), 1, actor=TESTER).result()
    for _ in range(3):
        assert listed(store, org, Production()) == {"in live"}
        assert store.settings.has_production(org)
        assert counted(store, org) == 1
    assert len(runs) == 1
    store.settings.put(org, {"production_envs": ["green"]}, actor=TESTER).result()
    assert listed(store, org, Production()) == set()
    assert len(runs) == 2


def test_of_many_organisations_only_some_are_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_LEAVES", 3)
    production = module.ProductionTrees()
    orgs = [
        store.keys.ensure_organisation(f"org{number}", 1, actor=TESTER).result()
        for number in range(4)
    ]
    for org in orgs:
        store.deployments.add(org, deployment_in("live"), 1, actor=TESTER).result()
        store.deployments.add(org, deployment_in("prod"), 1, actor=TESTER).result()
    expected = parse("env:(live OR prod)")
    for org in (*orgs, *orgs):
        tree = store._database.read(partial(production.tree, org=org))
        assert tree == expected
        assert [each for each in orgs if production._known.get(each.key)] == [org]
