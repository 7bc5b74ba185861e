"""Failures linked to the deployment that caused them: a verdict override with its cause."""

import pytest

from actors import TESTER
from theodora.dora.derivation.explanation import explain
from theodora.errors import Invalid, NotFound
from theodora.events import Deployment, Failure
from theodora.storage import MAX_LINKED_FAILURES, Actor, Organisation, OverrideValues, Store

HOUR_NS = 3_600 * 10**9
ANN = Actor("person", "Ann")
BEN = Actor("person", "Ben")
FAILED = OverrideValues(change_failure=True)


@pytest.fixture
def org(store: Store) -> Organisation:
    """Deployments v1 to v3 of web, one an hour, and two failures."""
    org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
    for hour in (1, 2, 3):
        deploy(store, org, hour)
    for name in ("f1", "f2"):
        fail(store, org, name)
    store.derivations.derive_all_queued(actor=TESTER)
    return org


def deploy(store: Store, org: Organisation, hour: int, version: str = "") -> None:
    at = hour * HOUR_NS
    event = Deployment(
        id=f"d{hour}",
        service="web",
        version=version or f"v{hour}",
        started_at_ns=at,
        finished_at_ns=at,
    )
    store.deployments.add(org, event, 1, actor=TESTER).result()


def fail(store: Store, org: Organisation, id_: str, finished_at_ns: int | None = None) -> None:
    failure = Failure(
        id=id_, services=("web",), started_at_ns=2 * HOUR_NS + 1, finished_at_ns=finished_at_ns
    )
    store.failures.add(org, failure, 1, actor=TESTER).result()


def linked(store: Store, org: Organisation, failure: str) -> list[tuple[str, str]]:
    return [(each.deployment.id, each.author.by) for each in store.verdicts.links(org, failure)]


def state(store: Store, org: Organisation) -> list[bool | None]:
    """What derivation says of d1, d2 and d3."""
    store.derivations.derive_all_queued(actor=TESTER)
    return [store.deployments.get(org, f"d{hour}").change_failure for hour in (1, 2, 3)]


def cause(store: Store, org: Organisation) -> tuple[str, ...]:
    """The failures that the explanation of d2 names."""
    found = store.derivations.explain(org, "d2")
    said = explain(found.derived, found.preceding, found.repository, found.settings)
    override = said.failure.override
    return override.failure_ids if override else ()


def test_a_linked_deployment_failed_at_once_and_after_derivation(store: Store, org: Organisation):
    before = store.deployments.get(org, "d2")
    store.verdicts.link(org, "d2", "f1", now_ns=5, reason="seen", actor=ANN).result()
    assert store.deployments.get(org, "d2").change_failure is True
    assert linked(store, org, "f1") == [("d2", "Ann")]
    assert state(store, org) == [False, True, False]
    assert store.deployments.get(org, "d2").failed_by == "override"
    assert cause(store, org) == ("f1",)
    again = store.verdicts.link(org, "d2", "f1", now_ns=6, actor=BEN).result()
    assert [act.author.reason for act in again.history] == ["seen"]
    store.verdicts.unlink(org, "d2", "f1", now_ns=7, actor=BEN).result()
    assert state(store, org) == [False, False, False]
    assert store.deployments.get(org, "d2") == before
    assert linked(store, org, "f1") == []
    assert [act.author.by for act in store.verdicts.get(org, "d2").history] == ["Ben", "Ann"]


def test_recovery_is_counted_to_the_deployment_that_fixed_it(store: Store, org: Organisation):
    fail(store, org, "f1", finished_at_ns=9 * HOUR_NS)
    store.verdicts.link(org, "d2", "f1", now_ns=5, actor=ANN).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "d2").recovery_time_sec is None
    fixed = OverrideValues(None, "d3", None, "rollforward")
    store.deployments.update(org, "d2", fixed, now_ns=6, actor=BEN).result()
    assert store.deployments.get(org, "d2").recovery_time_sec == 3_600
    assert cause(store, org) == ("f1",)


def test_one_deployment_may_cause_two_failures_and_one_failure_have_two_causes(
    store: Store, org: Organisation
):
    for deployment, failure in (("d2", "f1"), ("d2", "f2"), ("d1", "f1")):
        store.verdicts.link(org, deployment, failure, now_ns=5, actor=ANN).result()
    assert linked(store, org, "f1") == [("d2", "Ann"), ("d1", "Ann")]
    assert cause(store, org) == ("f1", "f2")
    store.verdicts.unlink(org, "d2", "f1", now_ns=6, actor=ANN).result()
    assert cause(store, org) == ("f2",)
    assert state(store, org) == [True, True, False]
    store.verdicts.unlink(org, "d2", "f2", now_ns=7, actor=ANN).result()
    assert state(store, org) == [True, False, False]
    assert store.verdicts.get(org, "d2").current is None


def test_undoing_brings_the_verdict_of_before_back(store: Store, org: Organisation):
    said = OverrideValues(change_failure=False)
    store.verdicts.put(org, "d2", said, now_ns=4, reason="a drill", actor=BEN).result()
    store.verdicts.link(org, "d2", "f1", now_ns=5, actor=ANN).result()
    assert state(store, org) == [False, True, False]
    undone = store.verdicts.unlink(org, "d2", "f1", now_ns=6, actor=ANN).result()
    assert undone.current is not None
    assert undone.current.values == said


def test_undoing_keeps_a_verdict_that_was_given_afterwards(store: Store, org: Organisation):
    store.verdicts.link(org, "d2", "f1", now_ns=5, actor=ANN).result()
    later = OverrideValues(True, "d3", None, "rollback", ("f1",))
    store.verdicts.put(org, "d2", later, now_ns=6, actor=BEN).result()
    assert linked(store, org, "f1") == [("d2", "Ann")]
    undone = store.verdicts.unlink(org, "d2", "f1", now_ns=7, actor=ANN).result()
    assert undone.current is not None
    assert undone.current.values == later._replace(failure_ids=())


def test_a_deployment_that_did_not_fail_caused_nothing(store: Store, org: Organisation):
    store.verdicts.link(org, "d2", "f1", now_ns=5, actor=ANN).result()
    not_failed = OverrideValues(change_failure=False)
    store.deployments.update(org, "d2", not_failed, now_ns=6, actor=BEN).result()
    assert linked(store, org, "f1") == []
    with pytest.raises(NotFound, match="link does not exist"):
        store.verdicts.unlink(org, "d2", "f1", now_ns=7, actor=ANN).result()


def test_a_link_outlives_events_that_are_sent_again(store: Store, org: Organisation):
    store.verdicts.link(org, "d2", "f1", now_ns=5, actor=ANN).result()
    deploy(store, org, 2, version="v2.1")
    fail(store, org, "f1", finished_at_ns=4 * HOUR_NS)
    assert linked(store, org, "f1") == [("d2", "Ann")]
    assert state(store, org) == [False, True, False]


def test_a_link_ends_with_the_deployment_but_not_with_the_failure(store: Store, org: Organisation):
    for deployment in ("d1", "d2"):
        store.verdicts.link(org, deployment, "f1", now_ns=5, actor=ANN).result()
    store.deployments.delete(org, "d1", actor=TESTER).result()
    store.failures.delete(org, "f1", actor=TESTER).result()
    deploy(store, org, 1)
    assert state(store, org) == [False, True, False]
    assert linked(store, org, "f1") == [("d2", "Ann")]
    store.verdicts.unlink(org, "d2", "f1", now_ns=6, actor=ANN).result()
    assert state(store, org) == [False, False, False]
    with pytest.raises(NotFound, match="failure does not exist"):
        store.verdicts.link(org, "d2", "f1", now_ns=7, actor=ANN).result()


def test_neither_end_of_a_link_may_be_of_another_organisation(store: Store, org: Organisation):
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    deploy(store, other, 9)
    fail(store, other, "theirs")
    for deployment, failure in (("d9", "f1"), ("d2", "theirs")):
        with pytest.raises(NotFound):
            store.verdicts.link(org, deployment, failure, now_ns=5, actor=ANN).result()
    assert store.verdicts.get(org, "d2").history == ()


def test_a_deployment_has_at_most_a_hundred_failures(store: Store, org: Organisation):
    ids = tuple(f"x{number}" for number in range(MAX_LINKED_FAILURES))
    store.verdicts.put(org, "d2", FAILED._replace(failure_ids=ids), now_ns=5, actor=ANN).result()
    with pytest.raises(Invalid, match="at most 100 linked failures"):
        store.verdicts.link(org, "d2", "f1", now_ns=6, actor=ANN).result()
