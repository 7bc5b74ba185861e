"""What is kept in memory tells what is in the database, whatever has happened to that.

A second store on the same database, which keeps nothing, reads everything for each question.
The seed is fresh in every run and shown on failure.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, pairwise, product
from random import Random
from typing import Any

import msgspec
import pytest

from actors import TESTER
from databases import ON_SQLITE
from lengths import short_and_long
from repositories import hourly_commits
from theodora.dora import MetricsQuery, Period
from theodora.events import Deployment, Failure, Git
from theodora.query import parse
from theodora.storage import Organisation, OverrideValues, Store
from theodora.storage.events.change_log import prune_changes
from theodora.storage.metrics import columns
from theodora.storage.metrics.cache import ColumnCache, LoadOptions, Snapshots
from theodora.storage.metrics.columns import TooLarge
from theodora.storage.open import open_database

HOUR_NS = 3_600 * 10**9
START_NS = 1_700_000_000 * 10**9
HOURS = 24 * 20
SHAS = [f"{number:040x}" for number in range(12)]
REPOSITORY_ID = "github.com/acme/shop"
QUERY = MetricsQuery(
    period=Period(START_NS + HOURS // 2 * HOUR_NS, START_NS + HOURS * HOUR_NS),
    as_of_ns=2**62,
    interval="day",
    stages=True,
)
QUESTIONS = [
    (("service",), ""),
    (("region", "env"), "team:(a OR b)"),
    (("team",), "region:eu OR change_failure:true"),
    ((), "NOT version:v1 deployment_type:rollback"),
]


@pytest.fixture
def reader(database: str, store: Store) -> Iterator[Store]:
    """A store that keeps nothing in memory, on the database of `store`."""
    with Store(database, metrics_memory_mib=0) as reader:
        yield reader


@dataclass
class World:
    """Random events, written through one store or another."""

    stores: list[Store]
    org: Organisation
    rng: Random
    ids: set[str] = field(default_factory=set)
    incidents: set[str] = field(default_factory=set)

    def step(self) -> None:
        """Something happens."""
        changes: list[Callable[[Store], Any]] = [
            *[self.put] * 5,
            *(self.delete, self.judge, self.put_incident, self.delete_incident, self.give_team),
            lambda store: store.derivations.derive_all_queued(actor=TESTER),
        ]
        self.rng.choice(changes)(self.rng.choice(self.stores))

    def put(self, store: Store) -> None:
        rng = self.rng
        id_ = f"deployment-{rng.randrange(25)}"
        at_ns = START_NS + rng.randrange(HOURS * 3_600) * 10**9 + rng.randrange(10**9)
        event = Deployment(
            id=id_,
            service=rng.choice(("web", "pay")),
            env=rng.choice(("production", None)),
            team=rng.choice(("a", "b", None)),
            version=f"v{rng.randrange(4)}",
            started_at_ns=at_ns - rng.randrange(HOUR_NS),
            finished_at_ns=at_ns,
            git=rng.choice((None, Git(rng.choice(SHAS), f"https://{REPOSITORY_ID}"))),
            custom_tags=self.tags(),
        )
        # The id asked for may be another service's.
        added = store.deployments.add(self.org, event, 1, actor=TESTER).result()
        self.ids.add(added.now.event.id)

    def tags(self) -> tuple[str, ...]:
        tags = ("region:eu", "region:us", "region:1", "rework:true", 'x,"rework:true')
        return tuple(self.rng.sample(tags, self.rng.randrange(3)))

    def delete(self, store: Store) -> None:
        if self.ids:
            store.deployments.delete(self.org, self.taken(self.ids), actor=TESTER).result()

    def judge(self, store: Store) -> None:
        if len(self.ids) > 1:
            judged, other = self.rng.sample(sorted(self.ids), 2)
            remedy = self.rng.choice((None, other))
            verdict = OverrideValues(
                self.rng.random() < 0.8, remedy, None, "rollback" if remedy else None
            )
            store.deployments.update(self.org, judged, verdict, now_ns=1, actor=TESTER).result()

    def put_incident(self, store: Store) -> None:
        rng = self.rng
        id_ = f"incident-{rng.randrange(8)}"
        at_ns = START_NS + rng.randrange(HOURS) * HOUR_NS
        event = Failure(
            id=id_,
            services=tuple(rng.sample(("web", "pay"), rng.randrange(1, 3))),
            env="production",
            started_at_ns=at_ns,
            finished_at_ns=rng.choice((None, at_ns + HOUR_NS, at_ns - 1)),
            custom_tags=self.tags(),
        )
        added = store.failures.add(self.org, event, 1, actor=TESTER).result()
        self.incidents.add(added.now.event.id)

    def delete_incident(self, store: Store) -> None:
        if self.incidents:
            store.failures.delete(self.org, self.taken(self.incidents), actor=TESTER).result()

    def taken(self, ids: set[str]) -> str:
        id_ = self.rng.choice(sorted(ids))
        ids.remove(id_)
        return id_

    def give_team(self, store: Store) -> None:
        given = {"team": self.rng.choice(("a", "c"))}
        store.settings.put(self.org, given, "web", actor=TESTER).result()


def answers(store: Store, org: Organisation) -> list[Any]:
    return [
        told(
            store,
            org,
            msgspec.structs.replace(QUERY, group_by=group_by, granularity=granularity),
            query,
        )
        for (group_by, query), granularity in zip(QUESTIONS, cycle(("deployment", "commit")))
    ]


def at_one_time(stores: list[Store], reader: Store, org: Organisation) -> tuple[list[Any], Any]:
    """Answers of `stores` and of `reader`: the same, or with no upkeep between them.

    It gives failures the team of their services a moment after that was set.
    """
    while True:
        before = answers(reader, org)
        found = [answers(each, org) for each in stores]
        if all(each == before for each in found) or answers(reader, org) == before:
            return found, before


def told(store: Store, org: Organisation, query: MetricsQuery, search: str = "") -> Any:
    found = store.metrics.report(org, query, parse(search))
    return [
        {
            "group": group.group,
            "total": msgspec.to_builtins(group.total),
            "previous": msgspec.to_builtins(group.previous),
            "change": msgspec.to_builtins(dict(group.change)),
            "series": [msgspec.to_builtins(each.metrics) for each in group.series],
            "stages": group.stage_means,
        }
        for group in (found.overall, *found.groups)
    ]


def count(store: Store, org: Organisation) -> int:
    return store.metrics.report(org, QUERY).overall.total.deployment_frequency.count


def deployment(id_: str, service: str = "web") -> Deployment:
    at_ns = QUERY.period.start_ns
    return Deployment(id=id_, service=service, started_at_ns=at_ns, finished_at_ns=at_ns)


def tell_commits(store: Store, org: Organisation) -> None:
    store.commits.add_commits(
        org, REPOSITORY_ID, hourly_commits(SHAS, START_NS), actor=TESTER
    ).result()


@short_and_long("steps", 25, 100)
def test_two_stores_are_in_step_whatever_is_written_through_either(
    database: str, store: Store, reader: Store, org: Organisation, steps: int
):
    seed = int(os.environ.get("THEODORA_TEST_SEED") or Random().randrange(2**32))
    tell_commits(store, org)
    with Store(database) as other:
        world = World([store, other], org, Random(seed))
        for step in range(steps):
            world.step()
            found, expected = at_one_time(world.stores, reader, org)
            for each in found:
                assert each == expected, f"THEODORA_TEST_SEED={seed}, step {step}"


def test_another_organisations_events_change_nothing(store: Store, org: Organisation):
    stranger = store.keys.ensure_organisation("stranger", 1, actor=TESTER).result()
    store.deployments.add(org, deployment("one"), 1, actor=TESTER).result()
    before = answers(store, org)
    store.deployments.add(stranger, deployment("two"), 1, actor=TESTER).result()
    assert answers(store, org) == before
    assert count(store, stranger) == 1


def test_what_the_log_has_forgotten_is_read_anew(database: str, store: Store, org: Organisation):
    with Store(database) as other:
        assert count(store, org) == 0
        for number in range(2_000):
            other.deployments.add(org, deployment(f"one-{number}"), 1, actor=TESTER)
        other.deployments.delete(org, "one-0", actor=TESTER).result()
        database_of_other = open_database(database, lambda *_: (), lambda _: None)
        pruning = partial(prune_changes, org=org, most=10)
        database_of_other.write(pruning, TESTER, org=org.key).result()
        database_of_other.close()
    assert count(store, org) == 1_999


def test_many_changes_are_put_in_order_and_nothing_is_lost(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(columns, "_FEWEST_LOOSE", 100)
    assert count(store, org) == 0
    for number in range(300):
        event = deployment(f"one-{number % 150}", f"s{number % 150}")
        store.deployments.add(
            org, msgspec.structs.replace(event, version=f"v{number}"), 1, actor=TESTER
        )
    store.deployments.delete(org, "one-0", actor=TESTER).result()
    assert count(store, org) == 149
    store.deployments.delete(org, "one-1", actor=TESTER).result()
    assert count(store, org) == 148


def test_deployments_of_a_service_in_an_environment_lie_side_by_side(
    database: str, store: Store, org: Organisation
):
    sequences = [*product(("pay", "web"), ("production", "staging", None))]
    for number in range(3):
        for service, env in sequences:
            event = msgspec.structs.replace(
                deployment(f"{service}-{env}-{number}", service),
                env=env,
                finished_at_ns=QUERY.period.start_ns + number,
            )
            store.deployments.add(org, event, 1, actor=TESTER).result()
    reading = open_database(database, lambda *_: (), lambda _: None)
    found = reading.read(lambda cursor: ColumnCache(2**30).snapshots(cursor, org, LoadOptions()))
    labels = (found.deployments.fields[name] for name in ("service", "env"))
    lying = [*zip(*(each.codes.tolist() for each in labels), strict=True)]
    assert len(lying) == 3 * len(sequences)
    assert 1 + sum(one != other for one, other in pairwise(lying)) == len(sequences)
    reading.close()


@ON_SQLITE
def test_no_more_is_kept_than_fits_and_what_was_asked_about_last(database: str, store: Store):
    orgs = [
        store.keys.ensure_organisation(f"org-{each}", 1, actor=TESTER).result() for each in range(3)
    ]
    for org in orgs:
        for number in range(300):
            store.deployments.add(org, deployment(f"one-{number}"), 1, actor=TESTER)
        store.deployments.delete(org, "one-0", actor=TESTER).result()
    count(store, orgs[0])
    of_one = store.metrics.memory_bytes
    kept = ColumnCache(2 * of_one)
    reading = open_database(database, lambda *_: (), lambda _: None)
    for org in (*orgs, *orgs):
        found = reading.read(lambda cursor, org=org: kept.snapshots(cursor, org, LoadOptions()))
        assert found.deployments.is_there.sum() == 299
        assert kept.nbytes <= 2 * of_one
    reading.close()


@ON_SQLITE
def test_a_large_organisation_does_not_evict_one_in_use(database: str, store: Store):
    small, large = (
        store.keys.ensure_organisation(name, 1, actor=TESTER).result() for name in ("s", "l")
    )
    for org, events in ((small, 100), (large, 3_000)):
        for number in range(events):
            added = store.deployments.add(org, deployment(f"one-{number}"), 1, actor=TESTER)
    added.result()
    count(store, large)
    now_sec = 0.0
    kept = ColumnCache(store.metrics.memory_bytes, lambda: now_sec)
    reading = open_database(database, lambda *_: (), lambda _: None)

    def ask(org: Organisation) -> int:
        found = reading.read(lambda cursor: kept.snapshots(cursor, org, LoadOptions()))
        return int(found.deployments.is_there.sum())

    assert ask(small) == 100
    of_small = kept.nbytes
    assert ask(large) == 3_000
    assert kept.nbytes == of_small
    with pytest.raises(TooLarge):
        ask(large)
    now_sec = 61.0
    assert ask(large) == 3_000
    assert kept.nbytes > of_small
    reading.close()


@ON_SQLITE
def test_columns_that_a_question_adds_count_as_memory(store: Store, org: Organisation):
    for number in range(2_000):
        added = store.deployments.add(org, deployment(f"one-{number}"), 1, actor=TESTER)
    added.result()
    for number in range(100):
        incident = Failure(id=f"{number}", services=("web",), started_at_ns=START_NS)
        added_incident = store.failures.add(org, incident, 1, actor=TESTER)
    added_incident.result()
    sizes: list[int] = []
    for by in ((), ("region",), ("region", "language")):
        store.metrics.report(org, msgspec.structs.replace(QUERY, group_by=by))
        sizes.append(store.metrics.memory_bytes)
    # A code of four bytes for each deployment at the least, and of the rest no more than so much.
    assert 2_000 * 4 * 8 < sizes[0] < 2_000 * 1_000
    for smaller, larger in pairwise(sizes):
        assert 2_000 * 4 <= larger - smaller < 2_000 * 100


@ON_SQLITE
def test_what_has_once_been_too_large_is_kept_when_it_has_shrunk(
    database: str, store: Store, org: Organisation
):
    """As after retention has removed events."""
    for number in range(900):
        added = store.deployments.add(org, deployment(f"one-{number}"), 1, actor=TESTER)
    added.result()
    count(store, org)
    kept = ColumnCache(store.metrics.memory_bytes // 2)
    reading = open_database(database, lambda *_: (), lambda _: None)

    def is_kept() -> bool:
        with suppress(TooLarge):
            reading.read(lambda cursor: kept.snapshots(cursor, org, LoadOptions()))
        return kept.nbytes > 0

    assert not is_kept()
    for number in range(850):
        removed = store.deployments.delete(org, f"one-{number}", actor=TESTER)
    removed.result()
    assert is_kept()
    reading.close()


@ON_SQLITE
def test_stages_that_do_not_fit_drive_nothing_else_out(
    database: str, store: Store, org: Organisation
):
    store.deployments.add(org, deployment("one"), 1, actor=TESTER).result()
    reading = open_database(database, lambda *_: (), lambda _: None)

    def ask(kept: ColumnCache, *, stages: bool) -> Snapshots:
        wanted = LoadOptions(stages=stages)
        return reading.read(lambda cursor: kept.snapshots(cursor, org, wanted))

    roomy = ColumnCache(2**30)
    assert ask(roomy, stages=False).deployments.columns.stages_ns is None
    tight = ColumnCache(roomy.nbytes)
    assert ask(roomy, stages=True).deployments.columns.stages_ns is not None
    ask(tight, stages=False)
    held = tight.nbytes
    with pytest.raises(TooLarge):
        ask(tight, stages=True)
    assert tight.nbytes == held > 0
    reading.close()


def test_what_does_not_fit_is_read_for_each_question(
    store: Store, reader: Store, org: Organisation
):
    store.deployments.add(org, deployment("one"), 1, actor=TESTER).result()
    assert answers(reader, org) == answers(store, org)
    assert reader.metrics.memory_bytes == 0 < store.metrics.memory_bytes
