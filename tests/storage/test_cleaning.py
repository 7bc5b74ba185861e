"""What is deleted leaves nothing behind, in whatever table the schema has."""

from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from actors import TESTER
from databases import Databases
from repositories import hourly_commits
from theodora.events import Deployment, Failure, Git
from theodora.storage import Actor, Organisation, OverrideValues, Store
from theodora.storage.deletion_guards import Guards
from theodora.storage.engine.cursor import Cursor, Row
from theodora.storage.engine.migrate import Kind
from theodora.storage.retention import DAY_NS, MAX_DAYS, Old

pytestmark = pytest.mark.parametrize("index", ["everything indexed"], indirect=True)

NOW_NS = 20_000 * DAY_NS
START_NS = NOW_NS - 100 * DAY_NS
SHAS = [letter * 40 for letter in "abcdef"]
REPOSITORY = "github.com/acme/shop"

NAMES: dict[Kind, str] = {
    "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    "postgresql": (
        "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    ),
}
"""Statements for the names of all tables."""
LASTING = {
    "audit_entries": "who deleted it, and when",
    "audit_chains": "where the entries end",
    "changes": "tells caches what has gone; test_changes.py shows that it shrinks",
    "counters": "what has been given out is never given out again",
    "sequences": "how often each has been derived",
}
"""Tables in which deleting may leave something, and what for."""

Tables = dict[str, Counter[Row]]


@pytest.fixture
def held(store: Store, databases: Databases) -> Callable[[], Tables]:
    """Reads every row of every table that keeps nothing of what is deleted."""

    def read(cursor: Cursor) -> Tables:
        names = [name for (name,) in cursor.execute(NAMES[databases.kind]).fetchall()]
        return {
            name: Counter(cursor.execute(f"SELECT * FROM {name}").fetchall())
            for name in names
            if name not in LASTING
        }

    def held() -> Tables:
        store.derivations.derive_all_queued(actor=TESTER)
        return store._database.read(read)

    return held


def deployment(id_: str, days_ago: int, commit: int, **others: object) -> Deployment:
    at_ns = NOW_NS - days_ago * DAY_NS
    event = Deployment(
        id=id_,
        service="shop",
        env="production",
        version=f"v{commit}",
        started_at_ns=at_ns,
        finished_at_ns=at_ns + 10**9,
        git=Git(SHAS[commit], f"https://{REPOSITORY}"),
    )
    return msgspec.structs.replace(event, **others)


def only_here(id_: str, days_ago: int, commit: int) -> Deployment:
    """One of whose texts and numbers no other event has any."""
    return deployment(
        id_,
        days_ago,
        commit,
        version=f"only-{id_}",
        team=f"team of {id_}",
        custom_tags=(f"only:{id_}", f"size:{days_ago}", f"{id_}: one of two", f"{id_}: two"),
    )


def failure(id_: str, days_ago: int) -> Failure:
    at_ns = NOW_NS - days_ago * DAY_NS
    return Failure(
        id=id_,
        services=("shop", f"service of {id_}"),
        env="production",
        name=f"{id_} is down",
        severity=f"severity of {id_}",
        started_at_ns=at_ns,
        finished_at_ns=at_ns + 7 * 10**9,
        custom_tags=(f"only:{id_}", "size:71"),
    )


@pytest.fixture(autouse=True)
def others(store: Store, org: Organisation) -> None:
    """Events that stay: a deployment before and after those that go, and one that they remedy."""
    store.commits.add_commits(
        org, REPOSITORY, hourly_commits(SHAS, START_NS), actor=TESTER
    ).result()
    for event in (deployment("old", 90, 0), deployment("kept", 50, 2), deployment("new", 10, 5)):
        store.deployments.add(org, event, 1, actor=TESTER).result()
    store.verdicts.put(
        org, "kept", OverrideValues(True, "gone", None, "rollforward"), now_ns=1, actor=TESTER
    ).result()
    store.failures.add(
        org, Failure(id="open", services=("shop",), started_at_ns=1), 1, actor=TESTER
    ).result()


def judge(store: Store, org: Organisation, id_: str) -> None:
    """Gives several verdicts by hand on one deployment."""
    for number, verdict in enumerate(
        (OverrideValues(change_failure=False), OverrideValues(change_failure=True))
    ):
        store.verdicts.put(
            org, id_, verdict, now_ns=number, reason="why", actor=Actor("person", f"somebody {id_}")
        ).result()


def test_a_deleted_deployment_is_in_no_table(
    store: Store, org: Organisation, held: Callable[[], Tables]
) -> None:
    before = held()
    store.deployments.add(org, only_here("gone", 30, 3), 1, actor=TESTER).result()
    judge(store, org, "gone")
    meanwhile = held()
    grown = {name for name in before if meanwhile[name] - before[name]}
    assert grown >= {
        *("deployments", "deployment_elements", "deployment_postings", "deployment_numbers"),
        *("deployment_words", "deployment_measures", "verdicts", "verdict_acts"),
    }
    store.deployments.delete(org, "gone", actor=TESTER).result()
    assert held() == before


def test_a_deployment_that_is_deleted_before_it_is_derived_is_in_no_table(
    store: Store, org: Organisation, held: Callable[[], Tables]
) -> None:
    before = held()
    store.deployments.add(org, only_here("gone", 30, 3), 1, actor=TESTER).result()
    store.deployments.delete(org, "gone", actor=TESTER).result()
    assert held() == before


def test_a_deleted_failure_is_in_no_table(
    store: Store, org: Organisation, held: Callable[[], Tables]
) -> None:
    before = held()
    store.failures.add(org, failure("down", 30), 1, actor=TESTER).result()
    meanwhile = held()
    assert {name for name in before if meanwhile[name] - before[name]} >= {
        *("failures", "failure_elements", "failure_postings", "failure_numbers", "failure_words"),
    }
    store.failures.delete(org, "down", actor=TESTER).result()
    assert held() == before


def test_what_an_event_no_longer_says_is_in_no_table(
    store: Store, org: Organisation, held: Callable[[], Tables]
) -> None:
    """It is as if it had been sent that way first."""
    store.deployments.add(org, deployment("changed", 30, 3), 1, actor=TESTER).result()
    store.failures.add(org, failure("down", 30), 1, actor=TESTER).result()
    before = held()
    store.deployments.add(org, only_here("changed", 31, 4), 2, actor=TESTER).result()
    store.failures.add(
        org, msgspec.structs.replace(failure("other", 31), id="down"), 2, actor=TESTER
    ).result()
    assert held() != before
    store.deployments.add(org, deployment("changed", 30, 3), 3, actor=TESTER).result()
    store.failures.add(org, failure("down", 30), 3, actor=TESTER).result()
    after = held()
    assert _without_receipts(after) == _without_receipts(before)


def test_events_removed_by_retention_are_in_no_table(
    store: Store, org: Organisation, held: Callable[[], Tables]
) -> None:
    """`kept` stays, the last that is old; those before it go, and the first of all with them."""
    store.deployments.delete(org, "old", actor=TESTER).result()
    before = held()
    for number, days_ago in enumerate((95, 90, 85)):
        store.deployments.add(
            org, only_here(f"gone-{number}", days_ago, number), 1, actor=TESTER
        ).result()
        judge(store, org, f"gone-{number}")
        store.failures.add(org, failure(f"down-{number}", days_ago), 1, actor=TESTER).result()
    assert held()["deployment_measures"] - before["deployment_measures"]
    store.retention.put(org, 20, actor=TESTER).result()
    store.retention.guards = Guards(max_percent=100, clock_days=MAX_DAYS)
    removed = store.retention.remove_old(NOW_NS, actor=TESTER)
    store.retention.put(org, None, actor=TESTER).result()
    assert removed == Old(deployments=3, failures=3)
    assert held() == before


def _without_receipts(tables: Tables) -> Tables:
    """All but the rows of events, which hold the number of their last receipt."""
    return {name: rows for name, rows in tables.items() if name not in {"deployments", "failures"}}
