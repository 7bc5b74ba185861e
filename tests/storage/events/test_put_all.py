"""Events put together are stored as if each were put alone, whatever names they have in common."""

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import Any

import msgspec

from actors import TESTER
from lengths import short_and_long
from theodora.errors import KeyLimited, OverQuota
from theodora.events import Deployment, Git
from theodora.storage import Organisation, OverrideValues, Store
from theodora.storage.access.key_limits import KeyLimits
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.organisations import NO_ORGANISATION
from theodora.storage.events.usage import Quotas, differing_usage, read_usage

NOW_NS = 10**18
SHA = "a" * 40
GIVER = Actor("person", "ada")


def random_deployment(rng: random.Random, org: Organisation, wide: bool) -> Deployment:
    """One of a few dozen, or of many; some have the id that another one would get."""
    at_ns = NOW_NS + rng.randrange(10**6 if wide else 4) * 10**9
    event = Deployment(
        service=rng.choice(("web", "cart")),
        env=rng.choice((None, "production")),
        version=rng.choice(("v1", "v2")),
        team=rng.choice((None, None, "guests")),
        started_at_ns=at_ns,
        finished_at_ns=at_ns + 10**9,
        git=rng.choice((None, Git(SHA, "https://github.com/acme/web"))),
        custom_tags=rng.choice(((), ("k:v", "build:7"))),
    )
    own_id = event.id_of(event.identity(org.uuid))
    ids = ("", "", "", "given-id-of-one", "given-id-of-two", own_id)
    other = msgspec.structs.replace(event, id=rng.choice(ids))
    return msgspec.structs.replace(other, service="web") if rng.random() < 0.3 else other


def put_apart(store: Store, org: Organisation, events: Sequence[Deployment]) -> list[Any]:
    placed = (store.deployments.add(org, each, NOW_NS, actor=TESTER).result() for each in events)
    return [(each.outcome, shown(org, each.now.event)) for each in placed]


def put_together(store: Store, org: Organisation, events: Sequence[Deployment]) -> list[Any]:
    with writes_wait(store):
        futures = [store.deployments.add(org, event, NOW_NS, actor=TESTER) for event in events]
    placed = [future.result() for future in futures]
    return [(each.outcome, shown(org, each.now.event)) for each in placed]


@contextmanager
def writes_wait(store: Store) -> Iterator[None]:
    """Has the writes of the block be committed together after it."""
    is_held, may_go = Event(), Event()

    def hold(_: Any) -> None:
        is_held.set()
        assert may_go.wait(timeout=30)

    store._database.write(hold, TESTER, org=NO_ORGANISATION)
    assert is_held.wait(timeout=30)
    yield
    may_go.set()


def shown(org: Organisation, event: Deployment) -> tuple[Any, ...]:
    """The event with its id, in a form that organisations have in common."""
    generated = event.id_of(event.identity(org.uuid))
    id_ = event.id if event.id.startswith("given") else event.id == generated
    return id_, msgspec.structs.replace(event, id="")


def contents(store: Store, org: Organisation) -> Any:
    """Everything that is written, with the place of an event in place of its key."""

    def read(cursor: Any) -> Any:
        keys = [
            key
            for (key,) in cursor.execute(
                "SELECT key FROM deployments WHERE org = ? ORDER BY key", (org.key,)
            ).fetchall()
        ]
        at = {key: place for place, key in enumerate(keys)}
        receipts = cursor.execute(
            "SELECT key FROM deployments WHERE org = ? ORDER BY receipt", (org.key,)
        )
        order = [at[key] for (key,) in receipts.fetchall()]
        elements = cursor.execute(
            "SELECT event, field, value FROM deployment_elements ORDER BY event, field, value"
        ).fetchall()
        changes = cursor.execute(
            "SELECT DISTINCT event FROM changes WHERE org = ?", (org.key,)
        ).fetchall()
        marks = cursor.execute(
            "SELECT DISTINCT service, env, deployment FROM marks WHERE org = ?", (org.key,)
        ).fetchall()
        found = cursor.execute(
            "SELECT words, other_words, document, given_id, has_own_id FROM deployments "
            "WHERE org = ? ORDER BY key",
            (org.key,),
        ).fetchall()
        return (
            order,
            [(at[key], *rest) for key, *rest in elements if key in at],
            {at[key] for (key,) in changes},
            {(service, env, at.get(key)) for service, env, key in marks},
            [(len(words), *rest[:2], own) for words, *rest, _, own in found],
            read_usage(cursor, org),
        )

    return store._database.read(read)


@short_and_long("rounds", 5, 200)
def test_together_is_as_one_by_one(store: Store, rounds: int) -> None:
    seed = int(os.environ.get("THEODORA_TEST_SEED") or random.SystemRandom().randrange(2**32))
    rng = random.Random(seed)
    for number in range(rounds):
        apart, together = (
            store.keys.ensure_organisation(f"{name}-{number}", 1, actor=TESTER).result()
            for name in ("apart", "together")
        )
        for org in (apart, together):
            store.settings.put(org, {"team": "owners"}, "cart", actor=TESTER).result()
        for _ in range(rng.randrange(1, 4)):
            size, state = rng.choice((2, 5, 70, 150)), rng.random()
            wide = rng.random() < 0.5
            sent = {
                org.key: [random_deployment(again, org, wide) for _ in range(size)]
                for org in (apart, together)
                for again in [random.Random(state)]
            }
            one_by_one = put_apart(store, apart, sent[apart.key])
            found = put_together(store, together, sent[together.key])
            assert found == one_by_one, f"THEODORA_TEST_SEED={seed}"
        found = contents(store, together)
        assert found == contents(store, apart), f"THEODORA_TEST_SEED={seed}"
    assert store._database.read(differing_usage) == []


def deployment(id_: str, **others: Any) -> Deployment:
    return deployment_of("web", id_, **others)


def deployment_of(service: str, id_: str, **others: Any) -> Deployment:
    times = {"started_at_ns": NOW_NS, "finished_at_ns": NOW_NS + 10**9}
    return Deployment(id=id_, service=service, **times, **others)


def test_a_verdict_finds_the_fix_that_comes_in_a_group(store: Store, org: Organisation) -> None:
    store.deployments.add(org, deployment("broken"), 1, actor=TESTER).result()
    named = OverrideValues(True, "the-fix", None, "rollback")
    store.verdicts.put(org, "broken", named, now_ns=1, reason="", actor=GIVER).result()
    assert store.deployments.get(org, "broken").recovery_time_sec is None
    later = {"version": "v2"}
    fix = msgspec.structs.replace(deployment("the-fix", **later), finished_at_ns=NOW_NS + 9 * 10**9)
    store.deployments.add_all(org, [deployment("other"), fix], 1, actor=TESTER).result()
    assert store.deployments.get(org, "broken").recovery_time_sec == 8


def test_a_group_beyond_a_quota_adds_nothing(database: str) -> None:
    with Store(database, quotas=Quotas(events=3)) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        three = [deployment(f"number-{number}") for number in range(3)]
        added = store.deployments.add_all(org, three, 1, actor=TESTER).result()
        assert added == {"added": 3}
        again = store.deployments.add_all(org, [*three, deployment("more")], 1, actor=TESTER)
        assert isinstance(again.exception(), OverQuota)
        assert store.deployments.count(org) == 3
        assert store._database.read(lambda cursor: read_usage(cursor, org)).events == 3


def test_one_that_may_not_be_added_takes_nothing_else_with_it(database: str) -> None:
    with Store(database, quotas=Quotas(events=3)) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        store.deployments.add(org, deployment("hers", team="hers"), 1, actor=TESTER).result()
        limited, add = KeyLimits(services=("cart",)), store.deployments.add
        with writes_wait(store):
            one, denied, two, too_many = (
                add(org, deployment("one"), 5, actor=TESTER),
                add(org, deployment("hers", team="mine"), 6, limits=limited, actor=TESTER),
                add(org, deployment("two"), 7, actor=TESTER),
                add(org, deployment("three"), 8, actor=TESTER),
            )
        assert [each.result().outcome for each in (one, two)] == ["added"] * 2
        assert [each.result().now.event.created_at_ns for each in (one, two)] == [5, 7]
        assert isinstance(denied.exception(), KeyLimited)
        assert isinstance(too_many.exception(), OverQuota)
        assert store.deployments.get(org, "hers").team == "hers"
        assert store._database.read(lambda cursor: read_usage(cursor, org)).events == 3


def test_each_has_the_time_when_it_was_received(store: Store, org: Organisation) -> None:
    with writes_wait(store):
        added = [
            store.deployments.add(org, deployment(f"number-{number}"), number, actor=TESTER)
            for number in range(1, 4)
        ]
    assert [each.result().now.event.created_at_ns for each in added] == [1, 2, 3]


def test_a_group_counts_each_outcome(store: Store, org: Organisation) -> None:
    store.deployments.add(org, deployment("same"), 1, actor=TESTER).result()
    given = [deployment("same"), deployment("new"), deployment("new", version="v3")]
    outcomes = store.deployments.add_all(org, given, 1, actor=TESTER).result()
    assert outcomes == {"unchanged": 1, "added": 1, "replaced": 1}
    assert store.deployments.get(org, "new").version == "v3"


def test_an_event_is_found_by_the_id_that_came_with_it(store: Store, org: Organisation) -> None:
    for event in (deployment("shared"), deployment_of("cart", "shared")):
        store.deployments.add(org, event, 1, actor=TESTER).result()
    store.deployments.delete(org, "shared", actor=TESTER).result()
    again = [deployment_of("cart", "shared", version="v2"), deployment("other")]
    outcomes = store.deployments.add_all(org, again, 1, actor=TESTER).result()
    assert outcomes == {"replaced": 1, "added": 1}


def test_an_event_is_found_by_the_id_that_it_was_given_for_lack_of_its_own(
    store: Store, org: Organisation
) -> None:
    unnamed = deployment("", version="v1")
    identity = unnamed.identity(org.uuid)
    taken, next_free = unnamed.id_of(identity), unnamed.id_of(identity, 1)
    group = [deployment(taken, version="v7"), unnamed, deployment(next_free, version="v8")]
    outcomes = store.deployments.add_all(org, group, 1, actor=TESTER).result()
    assert outcomes == {"added": 2, "replaced": 1}
    assert store.deployments.get(org, next_free).version == "v8"
