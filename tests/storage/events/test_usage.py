"""Quotas: what an organisation has is counted exactly, and what would pass a quota is refused."""

import random
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import count
from typing import Any

import msgspec
import pytest

from actors import TESTER
from repositories import hourly_commits
from theodora.errors import OverQuota
from theodora.events import Deployment, Failure, Git
from theodora.storage import Organisation, OverrideValues, Store
from theodora.storage.deletion_guards import DAY_NS, Guards
from theodora.storage.events.usage import Quotas, Usage, differing_usage, read_usage
from theodora.storage.facts.commits import move_repository
from theodora.storage.open import open_copy
from theodora.storage.retention import MAX_DAYS

NOW_NS = 20_000 * DAY_NS
SHAS = [letter * 40 for letter in "abcdef"]
UNGUARDED = Guards(max_percent=100, clock_days=MAX_DAYS, delay_hours=0)
MIGRATION = (
    "DROP TABLE usage",
    "DELETE FROM migrations WHERE title = 'usage'",
)


def deployment(number: int, **others: Any) -> Deployment:
    at_ns = NOW_NS - number * DAY_NS
    event = Deployment(
        service="web", version=f"v{number}", started_at_ns=at_ns, finished_at_ns=at_ns + 10**9
    )
    return msgspec.structs.replace(event, **others)


def failure(id_: str, **others: Any) -> Failure:
    event = Failure(id=id_, services=("web",), started_at_ns=NOW_NS - DAY_NS)
    return msgspec.structs.replace(event, **others)


def put(store: Store, org: Organisation, event: Deployment | Failure) -> str:
    """The id of the event."""
    if isinstance(event, Deployment):
        return store.deployments.add(org, event, NOW_NS, actor=TESTER).result().now.event.id
    return store.failures.add(org, event, NOW_NS, actor=TESTER).result().now.event.id


def add_commits(store: Store, org: Organisation, repository: str) -> None:
    commits = hourly_commits(SHAS, NOW_NS - 200 * DAY_NS)
    store.commits.add_commits(org, repository, commits, actor=TESTER).result()


def usage(store: Store, org: Organisation) -> Usage:
    return store._database.read(lambda cursor: read_usage(cursor, org))


def differing(store: Store) -> Any:
    return store._database.read(differing_usage)


@pytest.fixture
def other(store: Store, org: Organisation) -> Organisation:
    return store.keys.ensure_organisation("other", 2, actor=TESTER).result()


@pytest.fixture
def quotas() -> Quotas:
    return Quotas(events=3, bytes=2_000, repositories=1)


@pytest.fixture
def bounded(store: Store, database: str, quotas: Quotas) -> Iterator[Store]:
    """The same store, as a second server with quotas has it open."""
    with Store(database, quotas=quotas) as bounded:
        yield bounded


def change_at_random(chance: random.Random, store: Store, org: Organisation) -> None:
    number, tags = (
        chance.randrange(12),
        chance.choice([(), ("a:b",), ("land:Österreich", "x:" + "y" * 50)]),
    )
    match chance.randrange(6):
        case 0 | 1:
            git = chance.choice([None, Git(chance.choice(SHAS), "https://git.example.org/a/b")])
            put(store, org, deployment(number, id=f"d{number}", custom_tags=tags, git=git))
        case 2:
            put(store, org, failure(f"f{number}", name="ü" * number, custom_tags=tags))
        case 3:
            kind = chance.choice([store.deployments, store.failures])
            for event in list(kind.everything(org))[:1]:
                kind.delete(org, event.id, actor=TESTER).result()
        case 4:
            add_commits(store, org, f"git.example.org/a/{chance.choice('bcd')}")
        case _:
            for event in list(store.deployments.everything(org))[:1]:
                verdict = OverrideValues(change_failure=chance.random() < 0.5)
                store.verdicts.put(org, event.id, verdict, now_ns=1, actor=TESTER).result()


def test_usage_is_exact_after_any_writes(
    store: Store, org: Organisation, other: Organisation
) -> None:
    chance = random.Random(7)
    for _ in range(120):
        change_at_random(chance, store, chance.choice([org, other]))
    assert differing(store) == []
    store.derivations.derive_all_queued(actor=TESTER)
    assert differing(store) == []
    assert usage(store, org) != usage(store, other)
    assert min(usage(store, org)) > 0


def test_derivation_changes_the_bytes_that_it_writes(store: Store, org: Organisation) -> None:
    add_commits(store, org, "git.example.org/a/b")
    for number, sha in enumerate(reversed(SHAS)):
        put(store, org, deployment(number, git=Git(sha, "https://git.example.org/a/b")))
    before = usage(store, org)
    store.derivations.derive_all_queued(actor=TESTER)
    assert usage(store, org).bytes > before.bytes
    assert usage(store, org).events == before.events == len(SHAS)
    assert differing(store) == []


def test_retention_frees_what_it_deletes(store: Store, org: Organisation) -> None:
    for number in (1, 100, 101, 102):
        put(store, org, deployment(number))
    before = usage(store, org)
    store.retention.guards = UNGUARDED
    store.retention.put(org, 30, actor=TESTER).result()
    assert store.retention.remove_old(NOW_NS, actor=TESTER).deployments == 2
    after = usage(store, org)
    assert (before.events, after.events) == (4, 2)
    assert after.bytes < before.bytes
    assert differing(store) == []


def test_a_repository_that_moves_is_counted_once(store: Store, org: Organisation) -> None:
    for name in ("a", "b"):
        add_commits(store, org, f"git.example.org/x/{name}")

    def move(name: str) -> None:
        def write(cursor: Any) -> None:
            [(key,)] = cursor.execute(
                "SELECT key FROM repositories WHERE repository_id = 'git.example.org/x/a'"
            ).fetchall()
            move_repository(cursor, org.key, key, f"git.example.org/x/{name}")

        store._database.write(write, TESTER, org=org.key).result()

    move("new")
    assert (usage(store, org).repositories, differing(store)) == (2, [])
    add_commits(store, org, "git.example.org/x/a")
    move("b")
    assert (usage(store, org).repositories, differing(store)) == (2, [])


def test_a_store_of_an_earlier_version_is_counted_once(database: str) -> None:
    with Store(database) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        store.keys.ensure_organisation("empty", 1, actor=TESTER).result()
        put(store, org, deployment(1, custom_tags=("land:Österreich",)))
        put(store, org, failure("f"))
        add_commits(store, org, "git.example.org/a/b")
        before = usage(store, org)
    with open_copy(database) as raw:
        for statement in MIGRATION:
            raw.cursor.execute(statement)
    with Store(database) as store:
        assert usage(store, org) == before
        assert (before.events, before.repositories) == (2, 1)
        assert differing(store) == []


def test_an_event_too_many_is_refused(
    bounded: Store, org: Organisation, other: Organisation
) -> None:
    for number in range(2):
        put(bounded, org, deployment(number, id=f"d{number}"))
    put(bounded, org, failure("f"))
    before = usage(bounded, org)
    for event in (deployment(9), failure("g")):
        with pytest.raises(OverQuota, match=r'"default" would pass a quota: it has 3 of 3 events'):
            put(bounded, org, event)
    assert (usage(bounded, org), differing(bounded)) == (before, [])
    put(bounded, other, deployment(9))
    put(bounded, org, deployment(1, id="d1", version="v7"))
    put(bounded, org, deployment(1, id="d1", version="v7"))
    bounded.verdicts.put(
        org, "d1", OverrideValues(change_failure=True), now_ns=1, actor=TESTER
    ).result()
    bounded.deployments.delete(org, "d0", actor=TESTER).result()
    put(bounded, org, failure("g"))
    with pytest.raises(OverQuota):
        put(bounded, org, deployment(9))


@pytest.mark.parametrize("quotas", [Quotas(bytes=500)])
def test_bytes_too_many_are_refused_in_new_and_in_replaced_events(
    bounded: Store, store: Store, org: Organisation
) -> None:
    long = tuple(f"tag:{number:060}" for number in range(7))
    put(bounded, org, deployment(1, id="d"))
    for event in (deployment(1, id="d", custom_tags=long), deployment(2, custom_tags=long)):
        with pytest.raises(OverQuota, match=r"of 500 bytes of events.* raise quota_bytes"):
            put(bounded, org, event)
    put(store, org, deployment(1, id="d", custom_tags=long))
    assert usage(bounded, org).bytes > 500
    put(bounded, org, deployment(1, id="d", custom_tags=long[:6]))
    put(bounded, org, deployment(1, id="d", custom_tags=long[:6]))
    assert differing(bounded) == []


def test_a_repository_too_many_is_refused(
    bounded: Store, org: Organisation, other: Organisation
) -> None:
    add_commits(bounded, org, "git.example.org/a/b")
    bounded.commits.check_quota(org, "git.example.org/a/b")
    add_commits(bounded, org, "git.example.org/a/b")
    for attempt in (add_commits, lambda store, *place: store.commits.check_quota(*place)):
        with pytest.raises(OverQuota, match="it has 1 of 1 repositories"):
            attempt(bounded, org, "git.example.org/a/c")
    add_commits(bounded, other, "git.example.org/a/c")
    assert (usage(bounded, org).repositories, differing(bounded)) == (1, [])


def test_two_writers_at_once_do_not_pass_a_quota(
    bounded: Store, database: str, quotas: Quotas, org: Organisation
) -> None:
    with Store(database, quotas=quotas) as second:
        numbers = count()
        futures: list[Future[Any]] = [
            each.deployments.add(org, deployment(next(numbers)), NOW_NS, actor=TESTER)
            for _ in range(20)
            for each in (bounded, second)
        ]
        errors = [future.exception() for future in futures]
    assert sum(error is None for error in errors) == quotas.events
    assert {type(error) for error in errors} == {type(None), OverQuota}
    assert usage(bounded, org).events == bounded.deployments.count(org) == quotas.events


def test_a_quota_needs_attention_from_eighty_percent_on(org: Organisation) -> None:
    quotas = Quotas(events=10, bytes=1_000)
    assert list(quotas.nearly_used(Usage(7, 799, 5_000))) == []
    found = list(quotas.nearly_used(Usage(8, 1_050)))
    assert [(each.noun, each.percent) for each in found] == [
        ("events", 80),
        ("bytes of events", 105),
    ]
