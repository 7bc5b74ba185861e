"""The inbox worked off: from received bodies to events, once, in any order, and again."""

import dataclasses
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from actors import TESTER
from deliveries import (
    REPOSITORY_ID,
    Delivery,
    body_of,
    correlated,
    deployment,
    incident,
    ns,
    pull_request,
    push,
    review,
    sha,
    status,
)
from theodora.dora import Commit, PullRequest
from theodora.errors import NotFound
from theodora.events.values import DAY_NS
from theodora.report.audit_table import audit_document
from theodora.sources.webhooks import counting, table
from theodora.sources.webhooks import worker as worker_module
from theodora.sources.webhooks.delivery import SourceSettings
from theodora.sources.webhooks.facts import WebhookFact
from theodora.sources.webhooks.fold import fold
from theodora.sources.webhooks.read import encode_settings
from theodora.sources.webhooks.table import SOURCES
from theodora.sources.webhooks.worker import InboxWorker
from theodora.storage import (
    DeliveryReading,
    Folded,
    InboxQuery,
    Organisation,
    Store,
    StoredDelivery,
    WebhookSource,
)
from theodora.storage.access.audit import AuditQuery
from theodora.storage.events.usage import Quotas
from theodora.storage.open import open_copy

PULL_REQUEST = f"pull_request:{REPOSITORY_ID}"
NOW_NS = 1_772_323_200 * 10**9


@pytest.fixture
def worker(store: Store) -> Iterator[InboxWorker]:
    worker = InboxWorker(store, keep_days=30)
    yield worker
    worker.stop()


def add(store: Store, org: Organisation, kind: str = "github", **settings: Any) -> WebhookSource:
    encoded = encode_settings(SourceSettings(**settings))
    return store.sources.add(org, kind, f"our {kind}", encoded, NOW_NS, actor=TESTER).result()


def receive(
    store: Store, source: WebhookSource, *deliveries: Delivery, at_ns: int = NOW_NS
) -> None:
    for delivery in deliveries:
        store.inbox.receive(
            *(source.organisation, source.kind, source.id),
            *(delivery.headers, body_of(delivery), at_ns),
            actor=source.actor,
        ).result()


def listed(store: Store, source: WebhookSource) -> list[StoredDelivery]:
    return store.inbox.select(source.organisation, InboxQuery(source.kind, source.id))


PRODUCTION = deployment(7, 1, 10)
SUCCESS = status(PRODUCTION, "success", 11)
TRIGGERED, RESOLVED = incident("triggered", 1), incident("resolved", 3)


def test_deliveries_become_events(store: Store, org: Organisation, worker: InboxWorker) -> None:
    github, pagerduty = add(store, org), add(store, org, "pagerduty", env="production")
    receive(store, github, status(PRODUCTION, "in_progress", 10.5), SUCCESS)
    receive(store, github, push(0, (1, 2, "Add a cart")), pull_request(3, "opened", 1))
    receive(store, pagerduty, RESOLVED, TRIGGERED)
    assert worker.work_off() == 6
    assert worker.work_off() == 0
    [made] = store.deployments.everything(org)
    assert (made.service, made.finished_at_ns, made.source) == ("shop", ns(11), "github")
    [failure] = store.failures.everything(org)
    assert (failure.id, failure.env) == ("pagerduty:Q1", "production")
    assert (failure.started_at_ns, failure.finished_at_ns) == (ns(0), ns(3))
    repository = store.commits.repository(org, REPOSITORY_ID)
    assert list(repository.commits) == [sha(1)]
    assert [each.number for each in repository.pull_requests] == [3]
    assert {each.state for each in listed(store, github)} == {"done"}


def test_what_is_ignored_or_cannot_be_read_says_why_and_the_others_go_on(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    github = add(store, org)
    receive(store, github, Delivery({"x-github-event": "push"}, {"repository": {}}))
    broken = Delivery(SUCCESS.headers, {**SUCCESS.payload, "deployment_status": {"state": 7}})
    receive(store, github, broken)
    long = deployment(8, 1, 10, env="e" * 300)
    receive(store, github, status(long, "success", 11), SUCCESS)
    store.inbox.receive(org, "github", github.id, {}, "{", NOW_NS, actor=TESTER).result()
    store.inbox.receive(org, "github", github.id, {}, "[" * 9_999, NOW_NS, actor=TESTER).result()
    assert worker.work_off() == 6
    states = [(each.state, each.reason) for each in reversed(listed(store, github))]
    assert [state for state, _ in states] == ["ignored", *["failed"] * 2, "done", *["failed"] * 2]
    reasons = [reason for _, reason in states]
    assert reasons[0] == "it names no repository"
    assert "deployment_status.state" in reasons[1]
    assert '"env" must be at most 255 characters' in reasons[2]
    assert "not JSON" in reasons[4]
    assert [each.env for each in store.deployments.everything(org)] == ["production"]
    [counts] = store.inbox.counts(org)
    assert (counts.deliveries, counts.ignored, counts.failed, counts.waiting) == (6, 1, 4, 0)


def test_an_adapter_with_a_fault_holds_up_no_other_delivery(
    store: Store, org: Organisation, worker: InboxWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_: object, __: object) -> list[WebhookFact]:
        raise KeyError("nobody foresaw this")

    faulty = dataclasses.replace(SOURCES[0], name="faulty", read=read)
    monkeypatch.setattr(table, "SOURCES", (*SOURCES, faulty))
    store.inbox.receive(org, "faulty", "", {}, "{}", NOW_NS, actor=TESTER).result()
    receive(store, add(store, org), SUCCESS)
    assert worker.work_off() == 2
    assert store.deployments.count(org) == 1
    [failed] = store.inbox.select(org, InboxQuery("faulty", ""))
    assert (failed.state, failed.reason) == ("failed", "an adapter's error: KeyError")


def test_what_would_pass_a_quota_is_set_aside_until_it_is_replayed(
    database: str, store: Store, org: Organisation
) -> None:
    github = add(store, org)
    receive(
        store, github, SUCCESS, status(deployment(8, 1, 10), "success", 11), push(0, (1, 2, "A"))
    )
    with Store(database, quotas=Quotas(events=1)) as bounded:
        assert InboxWorker(bounded, keep_days=30).work_off() == 3
    assert [each.state for each in listed(store, github)] == ["done", "failed", "done"]
    assert "it has 1 of 1 events" in listed(store, github)[1].reason
    assert store.deployments.count(org) == 1
    store.inbox.replay(org, github.kind, github.id, actor=TESTER).result()
    InboxWorker(store, keep_days=30).work_off()
    assert store.deployments.count(org) == 2


def test_the_audit_log_has_the_number_of_a_replayed_delivery_exactly(
    database: str, store: Store
) -> None:
    """The numbers of an organisation begin at its key times 2^40."""
    store.keys.ensure_organisation("first", NOW_NS, actor=TESTER).result()
    with open_copy(database) as raw:
        raw.cursor.execute("UPDATE counters SET value = 8200 WHERE name = 'organisation'")
    org = store.keys.ensure_organisation("late", NOW_NS, actor=TESTER).result()
    github = add(store, org)
    receive(store, github, SUCCESS, push(0, (1, 2, "A")))
    number = listed(store, github)[0].number
    store.inbox.replay(org, github.kind, github.id, number, actor=TESTER).result()
    [entry] = store.audit.entries(org, AuditQuery(action="source.replayed"))
    sent = json.loads(msgspec.json.encode(audit_document(entry)), parse_int=float)
    assert sent["after"]["delivery"] == str(number)


def test_a_repository_that_would_pass_a_quota_is_set_aside(
    database: str, store: Store, org: Organisation
) -> None:
    github = add(store, org)
    receive(store, github, push(0, (1, 2, "Add a cart")), pull_request(3, "opened", 1))
    first = Commit(sha=sha(7), author_time_ns=1, commit_time_ns=1)
    store.commits.add_commits(org, "git.example.org/first", [first], actor=TESTER).result()
    with Store(database, quotas=Quotas(repositories=1)) as bounded:
        InboxWorker(bounded, keep_days=30).work_off()
    assert {each.state for each in listed(store, github)} == {"failed"}
    assert len(store.commits.repositories(org)) == 1


def test_the_same_delivery_changes_nothing_a_second_time(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    pagerduty = add(store, org, "pagerduty")
    receive(store, pagerduty, TRIGGERED, RESOLVED)
    worker.work_off()
    before = list(store.failures.everything(org))
    receive(store, pagerduty, RESOLVED, TRIGGERED, RESOLVED)
    worker.work_off()
    assert list(store.failures.everything(org)) == before


def test_an_incident_that_changes_its_service_stays_one(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    pagerduty = add(store, org, "pagerduty")
    receive(store, pagerduty, TRIGGERED)
    worker.work_off()
    moved = incident("service_updated", 2, service={"summary": "cart"})
    receive(store, pagerduty, moved, RESOLVED)
    worker.work_off()
    [failure] = store.failures.everything(org)
    assert (failure.services, failure.finished_at_ns) == (("checkout",), ns(3))
    ended = incident("resolved", 4, service={"summary": "cart"})
    receive(store, pagerduty, ended)
    worker.work_off()
    [failure] = store.failures.everything(org)
    assert (failure.id, failure.services) == ("pagerduty:Q1", ("cart",))
    receive(store, pagerduty, incident("annotated", 9, status="resolved", title="Over"))
    worker.work_off()
    [failure] = store.failures.everything(org)
    assert (failure.name, failure.finished_at_ns) == ("Over", ns(3)), "former facts still count"


def test_a_service_that_settings_know_has_its_team_from_there(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    store.settings.put(org, {"team": "Shop"}, "checkout", actor=TESTER).result()
    given: dict[str, Any] = {"teams": [{"summary": "Elsewhere"}]}
    receive(store, add(store, org, "pagerduty"), incident("triggered", 1, **given))
    worker.work_off()
    [failure] = store.failures.everything(org)
    assert (failure.services, failure.team) == (("checkout",), "Shop")


def test_an_incident_that_is_merged_goes_and_comes_back(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    pagerduty = add(store, org, "pagerduty")
    merged = incident("resolved", 2, resolve_reason={"type": "merge_resolve_reason"})
    receive(store, pagerduty, TRIGGERED, merged)
    worker.work_off()
    assert store.failures.count(org) == 0
    receive(store, pagerduty, incident("reopened", 5))
    worker.work_off()
    [failure] = store.failures.everything(org)
    assert failure.finished_at_ns is None


def test_replaying_applies_new_settings(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    github = add(store, org)
    receive(store, github, status(deployment(1, 1, 1), "success", 2), SUCCESS)
    worker.work_off()
    settings = encode_settings(SourceSettings(service="web", envs={"production": "prod"}))
    store.sources.change_settings(org, github.id, settings, actor=TESTER).result()
    assert store.inbox.replay(org, "github", github.id, actor=TESTER).result() == 2
    worker.work_off()
    events = list(store.deployments.everything(org))
    assert {(each.service, each.env) for each in events} == {("web", "prod")}
    assert len(events) == 2
    assert len(facts(store)) == 4, "each in the place of a former one"


def test_what_does_not_count_makes_no_event_until_it_does(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    """Asked is the complete incident: when its severity falls, the event goes."""
    pagerduty = add(store, org, "pagerduty", count_failures="severity:P1")
    low, high = {"priority": {"summary": "P3"}}, {"priority": {"summary": "P1"}}
    receive(store, pagerduty, incident("triggered", 1, **low))
    worker.work_off()
    [ignored] = listed(store, pagerduty)
    reason = "it does not match the setting count_failures"
    assert (ignored.state, ignored.reason) == ("ignored", reason)
    assert store.failures.count(org) == 0
    receive(store, pagerduty, incident("priority_updated", 2, **high), incident("resolved", 3))
    worker.work_off()
    [failure] = store.failures.everything(org)
    assert (failure.severity, failure.finished_at_ns) == ("P1", ns(3))
    receive(store, pagerduty, incident("priority_updated", 4, status="resolved", **low))
    worker.work_off()
    assert store.failures.count(org) == 0
    everything = encode_settings(SourceSettings())
    store.sources.change_settings(org, pagerduty.id, everything, actor=TESTER).result()
    store.inbox.replay(org, "pagerduty", pagerduty.id, actor=TESTER).result()
    worker.work_off()
    [failure] = store.failures.everything(org)
    assert failure.severity == "P3"
    assert {each.state for each in listed(store, pagerduty)} == {"done"}


def test_a_correlation_makes_no_event_of_what_does_not_count(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    receive(store, add(store, org, count_deployments="env:staging"), SUCCESS)
    worker.work_off()
    said = correlated(1, 5)
    store.inbox.receive(
        org, "datadog-ci", "", said.headers, body_of(said), NOW_NS, actor=TESTER
    ).result()
    assert worker.work_off() == 1
    assert store.deployments.count(org) == 0


def test_one_delivery_can_be_replayed(store: Store, org: Organisation, worker: InboxWorker) -> None:
    github = add(store, org)
    receive(store, github, SUCCESS, push(0, (1, 2, "Add a cart")))
    worker.work_off()
    number = listed(store, github)[0].number
    assert store.inbox.replay(org, "github", github.id, number, actor=TESTER).result() == 1
    assert store.inbox.get(org, number).state == "waiting"
    assert worker.work_off() == 1


def test_what_was_read_before_a_replay_does_not_count(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    github = add(store, org)
    receive(store, github, SUCCESS)
    [waiting] = store.inbox.waiting(org, 10)
    store.inbox.replay(org, "github", github.id, actor=TESTER).result()
    late = DeliveryReading("ignored", "with the former settings")
    settled = store.inbox.settle([(waiting, late)], fold, NOW_NS, actor=TESTER)
    assert settled.result() == 0
    assert [each.state for each in listed(store, github)] == ["waiting"]


def test_a_flood_of_one_organisation_delays_no_other(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    flood, small = add(store, org), add(store, other)
    futures = [
        store.inbox.receive(
            *(org, flood.kind, flood.id, SUCCESS.headers, body_of(SUCCESS), NOW_NS), actor=TESTER
        )
        for _ in range(600)
    ]
    assert [future.result() for future in futures]
    receive(store, small, SUCCESS)
    assert worker.work_off() == 257
    assert store.deployments.count(other) == 1


def test_a_flood_about_one_thing_is_computed_once(
    store: Store, org: Organisation, worker: InboxWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded: list[str] = []

    def noting(kind: str, thing: str, *known: Any) -> Folded | None:
        folded.append(thing)
        return fold(kind, thing, *known)

    monkeypatch.setattr(counting, "fold", noting)
    github = add(store, org)
    receive(store, github, *(pull_request(3, "edited", hour) for hour in range(20)), SUCCESS)
    assert worker.work_off() == 21
    assert sorted(folded) == ["deployment:github.com/acme/shop:7", f"{PULL_REQUEST}:3"]


def test_few_long_bodies_are_read_at_once(store: Store, org: Organisation) -> None:
    futures = [
        store.inbox.receive(org, "json", "", {}, "x" * 9_000_000, NOW_NS, actor=TESTER)
        for _ in range(3)
    ]
    numbers = [future.result() for future in futures]
    assert [each.number for each in store.inbox.waiting(org, 10)] == numbers[:2]


def test_old_deliveries_go_but_not_those_that_wait(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    github = add(store, org)
    receive(store, github, SUCCESS, status(deployment(9, 1, 1), "failure", 2))
    worker.work_off()
    assert len(facts(store)) == 4
    worker.prune()
    assert listed(store, github) == []
    assert len(facts(store)) == 4
    receive(store, github, SUCCESS, at_ns=NOW_NS)
    worker.prune()
    assert [each.state for each in listed(store, github)] == ["waiting"]
    store.inbox.prune(org, NOW_NS * 2, 0, actor=TESTER).result()
    assert len(facts(store)) == 2, "those of an event stay"


def test_correlations_go_that_no_event_refers_to(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    receive(store, add(store, org), SUCCESS)
    said = [correlated(1, 5), correlated(2, 6), correlated(3, 7)]
    for each, days in zip(said, (500, 500, 399), strict=True):
        at_ns = time.time_ns() - days * DAY_NS
        store.inbox.receive(
            org, "datadog-ci", "", each.headers, body_of(each), at_ns, actor=TESTER
        ).result()
    worker.work_off()

    def kept() -> list[str]:
        rows = store._database.read(
            lambda cursor: cursor.execute("SELECT key FROM correlations ORDER BY key").fetchall()
        )
        return [key for (key,) in rows]

    assert len(kept()) == 3
    worker.prune()
    assert kept() == [f"commit:{sha(number)}" for number in (1, 3)], "one is deployed, one is new"
    [deployed] = store.deployments.everything(org)
    assert deployed.git
    assert deployed.git.commit_sha == sha(5)
    store.deployments.delete(org, deployed.id, actor=TESTER).result()
    worker.prune()
    assert kept() == [f"commit:{sha(3)}"]


def test_a_deleted_event_takes_its_facts_along(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    github, pagerduty = add(store, org), add(store, org, "pagerduty")
    receive(store, github, SUCCESS)
    receive(store, pagerduty, TRIGGERED)
    worker.work_off()
    for deployment_ in store.deployments.everything(org):
        store.deployments.delete(org, deployment_.id, actor=TESTER).result()
    for failure in store.failures.everything(org):
        store.failures.delete(org, failure.id, actor=TESTER).result()
    assert facts(store) == []


def test_removing_a_source_keeps_its_events(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    github = add(store, org)
    receive(store, github, SUCCESS)
    worker.work_off()
    receive(store, github, status(deployment(9, 1, 1), "success", 2))
    store.sources.remove(org, github.id, actor=TESTER).result()
    assert worker.work_off() == 0
    assert store.deployments.count(org) == 1
    with pytest.raises(NotFound):
        store.sources.get(org, github.id)
    assert store.sources.find(github.id) is None


def test_parents_that_a_push_lets_guess_give_way_to_known_ones(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    github = add(store, org)
    pushed = push(1, (2, 1, "One"), (3, 2, "Two"), (4, 3, "Merge pull request #3 from acme/x"))
    receive(store, github, pushed)
    worker.work_off()
    commits = store.commits.repository(org, REPOSITORY_ID).commits
    assert {each.sha: each.parents for each in commits.values()} == {
        sha(2): (sha(1),),
        sha(3): (sha(2),),
        sha(4): (sha(1), sha(3)),
    }
    assert commits[sha(2)].paths == ("file-2",)
    assert store.commits.shas(org, REPOSITORY_ID) == set(), "a mirror still fetches them"
    known = Commit(
        sha=sha(3), parents=(sha(1),), author_time_ns=ns(2), commit_time_ns=ns(2), subject="Two"
    )
    store.commits.add_commits(org, REPOSITORY_ID, [known], actor=TESTER).result()
    receive(store, github, pushed)
    worker.work_off()
    commits = store.commits.repository(org, REPOSITORY_ID).commits
    assert commits[sha(3)].parents == (sha(1),)
    assert store.commits.shas(org, REPOSITORY_ID) == {sha(3)}


def test_a_pull_request_keeps_what_only_others_say_of_it(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    given = PullRequest(number=3, merge_method="squash", title="Former")
    store.commits.add_pull_requests(org, REPOSITORY_ID, [given], actor=TESTER).result()
    receive(store, add(store, org), pull_request(3, "edited", 1), review(3, "approved", 2))
    worker.work_off()
    [found] = store.commits.repository(org, REPOSITORY_ID).pull_requests
    assert (found.merge_method, found.title) == ("squash", "Change 3")
    assert found.last_approved_at_ns == ns(2)


def test_a_form_holds_its_payload(store: Store, org: Organisation, worker: InboxWorker) -> None:
    github = add(store, org)
    body = urlencode({"payload": json.dumps(SUCCESS.payload)})
    headers = {**SUCCESS.headers, "content-type": "application/x-www-form-urlencoded"}
    store.inbox.receive(org, "github", github.id, headers, body, NOW_NS, actor=TESTER).result()
    worker.work_off()
    assert store.deployments.count(org) == 1


def test_the_worker_reads_what_comes_in_until_it_is_stopped(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    worker.start()
    receive(store, add(store, org), SUCCESS)
    deadline = time.monotonic() + 20
    while not store.deployments.count(org) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert store.deployments.count(org) == 1


def test_deliveries_of_an_organisation_are_read_by_one_process_at_a_time(
    store: Store, org: Organisation, worker: InboxWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    for each in (org, other):
        receive(store, add(store, each), SUCCESS)
    now_ns = time.time_ns()
    assert store.inbox.lease(org, "another", now_ns, now_ns + DAY_NS, actor=TESTER).result()
    assert store.inbox.due("a third", now_ns) == [other]
    assert worker.work_off() == 1, "that of the other organisation"
    with monkeypatch.context() as patch:
        patch.setattr(store.inbox, "due", lambda *_: [org])
        assert worker.work_off() == 0, "the other process was faster"
    assert store.deployments.count(org) == 0
    assert store.inbox.end_lease(org, "another", actor=TESTER).result()
    assert worker.work_off() == 1
    assert store.deployments.count(org) == 1
    assert store.inbox.lease(org, "another", now_ns, now_ns, actor=TESTER).result(), "ended"


def test_a_lease_that_is_over_or_its_own_holds_up_no_worker(
    store: Store, org: Organisation, worker: InboxWorker
) -> None:
    """The former process was killed while it read; the database was away from this one."""
    for name, until_ns in (("killed", time.time_ns()), (worker._name, time.time_ns() + DAY_NS)):
        receive(store, add(store, org), SUCCESS)
        assert store.inbox.lease(org, name, until_ns - 1, until_ns, actor=TESTER).result()
        assert worker.work_off() == 1


def test_organisations_share_a_round(
    store: Store, org: Organisation, worker: InboxWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it takes less time than a lease."""
    monkeypatch.setattr(worker_module, "_AT_ONCE_IN_ALL", 5)
    for each in (org, store.keys.ensure_organisation("other", 1, actor=TESTER).result()):
        receive(store, add(store, each), *[SUCCESS] * 3)
    assert [worker.work_off() for _ in range(3)] == [4, 2, 0]


def facts(store: Store) -> list[Any]:
    return store._database.read(
        lambda cursor: cursor.execute("SELECT thing FROM source_facts").fetchall()
    )
