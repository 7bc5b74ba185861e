"""Forwarding: what is queued with each change, and what the worker makes of a site's answers."""

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

import datadog
from actors import TESTER
from deliveries import body_of, status
from deliveries import deployment as github_deployment
from theodora.events import Deployment, Failure, Git
from theodora.sources.datadog.forwarding import Forwarder
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS
from theodora.sources.webhooks.fold import fold
from theodora.sources.webhooks.read import read_received
from theodora.storage import Actor, ForwardingState, Organisation, OverrideValues, Sending, Store
from theodora.storage.check.check import check_store
from theodora.storage.events import outbox

COMMAND, WORKER = Actor("command", "import deployments"), Actor("worker", "retention")
DEPLOYED = Deployment(
    id="a-deployment-of-the-test",
    service="web",
    env="production",
    version="v1",
    started_at_ns=10**18,
    finished_at_ns=10**18 + 5,
    git=Git("a" * 40, "https://github.com/acme/web"),
    custom_tags=("region:eu",),
)
DOWN = Failure(id="a-failure-of-the-test", services=("web",), name="down", started_at_ns=10**18)
CREATE, FAIL = "/api/v2/dora/deployment", "/api/v2/dora/failure"


@pytest.fixture
def site() -> Iterator[datadog.Site]:
    with datadog.playing() as site:
        yield site


@pytest.fixture
def forwarder(store: Store) -> Iterator[Forwarder]:
    forwarder = Forwarder(store)
    yield forwarder
    forwarder.close()


def begin(store: Store, org: Organisation, site: datadog.Site) -> None:
    keys = datadog.KEYS.values()
    store.forwarding.put(org, site.url, *keys, 1, actor=TESTER).result()


def add(
    store: Store, org: Organisation, *events: Deployment | Failure, actor: Actor = TESTER
) -> None:
    for event in events:
        if isinstance(event, Deployment):
            store.deployments.add(org, event, 1, actor=actor).result()
        else:
            store.failures.add(org, event, 1, actor=actor).result()


def fail(store: Store, org: Organisation, verdict: OverrideValues) -> None:
    store.deployments.update(org, DEPLOYED.id, verdict, now_ns=1, actor=TESTER).result()


def delete(store: Store, org: Organisation) -> None:
    store.deployments.delete(org, DEPLOYED.id, actor=TESTER).result()


def another(id_: str) -> Deployment:
    return msgspec.structs.replace(DEPLOYED, id=id_, version=id_)


def state(store: Store, org: Organisation) -> ForwardingState:
    found = store.forwarding.get(org)
    assert found
    return found


def sent(site: datadog.Site) -> list[tuple[str, str, Any]]:
    """What arrived, each with its attributes."""
    return [
        (each.method, each.path, each.document and each.document["data"].get("attributes"))
        for each in site.asked
    ]


def try_again(store: Store, org: Organisation, forwarder: Forwarder) -> None:
    """Tries once more without waiting, as often as it has been tried."""
    sending = Sending(tries=state(store, org).tries)
    assert store.forwarding.lease(org, forwarder._name, 1, 1, actor=TESTER).result()
    store.forwarding.settle(org, forwarder._name, sending, 1, actor=TESTER).result()
    forwarder.work_off()


def test_changes_arrive_as_they_were_made_and_in_order(
    store: Store, org: Organisation, site: datadog.Site, forwarder: Forwarder
) -> None:
    begin(store, org, site)
    add(store, org, DEPLOYED, DOWN)
    fail(store, org, OverrideValues(True, None, "v2", "rollback"))
    store.verdicts.put(org, DEPLOYED.id, OverrideValues(False), now_ns=2, actor=TESTER).result()
    add(store, org, msgspec.structs.replace(DOWN, finished_at_ns=10**18 + 9))
    delete(store, org)
    store.failures.delete(org, DOWN.id, actor=TESTER).result()

    assert forwarder.work_off() == 7

    patched = f"/api/v2/dora/deployments/{DEPLOYED.id}"
    failure = {"id": DOWN.id, "services": ["web"], "started_at": 10**18, "name": "down"}
    deployment = {
        "id": DEPLOYED.id,
        "service": "web",
        "env": "production",
        "version": "v1",
        "started_at": 10**18,
        "finished_at": 10**18 + 5,
        "custom_tags": ["region:eu"],
        "git": {"commit_sha": "a" * 40, "repository_url": "https://github.com/acme/web"},
    }
    remedied = {"change_failure": True, "remediation": {"version": "v2", "type": "rollback"}}
    assert sent(site) == [
        ("POST", CREATE, deployment),
        ("POST", FAIL, failure),
        ("PATCH", patched, remedied),
        ("PATCH", patched, {"change_failure": False}),
        ("POST", FAIL, {**failure, "finished_at": 10**18 + 9}),
        ("DELETE", f"{CREATE}/{DEPLOYED.id}", None),
        ("DELETE", f"{FAIL}/{DOWN.id}", None),
    ]
    headers = site.asked[0].headers
    assert (headers["dd-api-key"], headers["dd-application-key"]) == tuple(datadog.KEYS.values())
    assert (state(store, org).sent, state(store, org).waiting) == (7, 0)
    assert forwarder.work_off() == 0


def test_imports_retention_and_what_changes_nothing_stay_here(
    store: Store, org: Organisation, site: datadog.Site
) -> None:
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    add(store, org, another("sent-before-it-was-on"))
    begin(store, org, site)
    add(store, org, DEPLOYED, DOWN, actor=COMMAND)
    store.deployments.delete(org, DEPLOYED.id, actor=WORKER).result()
    add(store, org, another("sent-before-it-was-on"))
    add(store, other, DEPLOYED)
    assert state(store, org).waiting == 0
    assert store.forwarding.get(other) is None


def test_events_of_webhooks_are_forwarded(
    store: Store, org: Organisation, site: datadog.Site, forwarder: Forwarder
) -> None:
    begin(store, org, site)
    delivery = status(github_deployment(7, 1, 10), "success", 11)
    source = Actor("source", "repositories")
    store.inbox.receive(
        org, "github", "", delivery.headers, body_of(delivery), 1, actor=source
    ).result()
    [waiting] = store.inbox.waiting(org, 1)
    reading = read_received(waiting, DEFAULT_SETTINGS, {})
    store.inbox.settle([(waiting, reading)], fold, 1, actor=source).result()
    assert forwarder.work_off() == 1
    [(method, path, attributes)] = sent(site)
    assert (method, path, attributes["service"]) == ("POST", CREATE, "shop")


@pytest.mark.parametrize(
    ("fault", "pause_sec"),
    [
        (datadog.Fault(429, {"X-RateLimit-Reset": "7"}), 7),
        (datadog.Fault(503, {"Retry-After": "9"}), 9),
    ],
)
def test_a_passing_fault_waits_and_keeps_the_order(
    store: Store,
    org: Organisation,
    site: datadog.Site,
    forwarder: Forwarder,
    fault: datadog.Fault,
    pause_sec: int,
) -> None:
    begin(store, org, site)
    add(store, org, DEPLOYED, DOWN)
    site.faults += [fault]
    began_ns = time.time_ns()
    assert forwarder.work_off() == 0
    waiting = state(store, org)
    assert (waiting.waiting, waiting.tries, len(site.asked)) == (2, 1, 1)
    assert waiting.problem == f"{fault.status}: a fault of the test"
    assert pause_sec <= (waiting.not_before_ns - began_ns) / 1e9 < pause_sec + 2
    assert forwarder.work_off() == 0, "too early"
    store.forwarding.resume(org, actor=TESTER).result()
    assert forwarder.work_off() == 2
    assert [each[1] for each in sent(site)] == [CREATE, CREATE, FAIL]
    assert state(store, org).problem == ""


def test_a_site_that_is_away_is_tried_less_and_less(
    store: Store, org: Organisation, forwarder: Forwarder
) -> None:
    with datadog.playing() as site:
        begin(store, org, site)
    add(store, org, DEPLOYED)
    pauses: list[float] = []
    for tries in range(1, 9):
        now_ns = time.time_ns()
        try_again(store, org, forwarder)
        waiting = state(store, org)
        assert (waiting.tries, waiting.waiting) == (tries, 1)
        assert "refused" in waiting.problem
        pauses.append((waiting.not_before_ns - now_ns) / 1e9)
    assert pauses[5] > pauses[1]
    assert max(pauses) < 62


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (datadog.Fault(401, body='{"errors":["Unauthorized"]}'), "refused (401: Unauthorized)"),
        (datadog.Fault(403, body='{"errors":["Forbidden"]}'), "refused (403: Forbidden)"),
        (datadog.Fault(404, body="<html>"), "there is no DORA API at this URL (404: <html>)"),
        (datadog.Fault(302, {"Location": "https://x.example"}), "there is no DORA API"),
    ],
)
def test_refused_keys_and_a_wrong_url_pause_until_they_are_changed(
    store: Store,
    org: Organisation,
    site: datadog.Site,
    forwarder: Forwarder,
    fault: datadog.Fault,
    reason: str,
) -> None:
    begin(store, org, site)
    add(store, org, DEPLOYED, DOWN)
    site.faults += [fault]
    forwarder.work_off()
    assert reason in state(store, org).paused
    assert forwarder.work_off() == 0
    assert store.forwarding.totals().paused == 1
    begin(store, org, site)
    assert forwarder.work_off() == 2


def test_a_refused_change_is_parked_with_what_follows_of_its_event(
    store: Store, org: Organisation, site: datadog.Site, forwarder: Forwarder
) -> None:
    begin(store, org, site)
    add(store, org, DEPLOYED, DOWN)
    delete(store, org)
    site.faults += [datadog.Fault(400, body='{"errors":[{"detail":"too old"}]}')]
    assert forwarder.work_off() == 1
    assert [each.path for each in site.asked] == [CREATE, FAIL]
    [parked] = store.forwarding.parked(org, 9)
    assert (parked.event, parked.reason) == (DEPLOYED.id, "400: too old")
    assert (state(store, org).waiting, state(store, org).parked) == (1, 1)
    assert forwarder.work_off() == 0

    assert store.forwarding.retry(org, parked.number, actor=TESTER).result() == 1
    site.faults += [datadog.Fault(400)]
    assert forwarder.work_off() == 0
    assert store.forwarding.drop(org, parked.number, actor=TESTER).result() == 1
    assert forwarder.work_off() == 1
    assert site.asked[-1].method == "DELETE"
    assert (state(store, org).waiting, state(store, org).parked) == (0, 0)


def test_a_change_that_the_server_always_fails_on_is_parked(
    store: Store, org: Organisation, site: datadog.Site, forwarder: Forwarder
) -> None:
    begin(store, org, site)
    add(store, org, DEPLOYED, DOWN)
    site.faults += [datadog.Fault(500)] * 12
    for _ in range(12):
        try_again(store, org, forwarder)
    assert (state(store, org).parked, state(store, org).sent) == (1, 1)
    assert site.asked[-1].path == FAIL


def test_what_was_sent_before_a_kill_is_sent_again_without_harm(
    store: Store, org: Organisation, site: datadog.Site, forwarder: Forwarder
) -> None:
    """The event is deleted there: the patch and the deletion are answered 404, and are done."""
    begin(store, org, site)
    add(store, org, DEPLOYED)
    fail(store, org, OverrideValues(True))
    delete(store, org)
    gone = datadog.Fault(404, body='{"errors":[{"detail":"deployment does not exist"}]}')
    site.faults += [None, gone, gone]
    assert forwarder.work_off() == 3
    add(store, org, DEPLOYED)
    fail(store, org, OverrideValues(True))
    site.faults += [None, gone]
    assert forwarder.work_off() == 1
    assert state(store, org).parked == 1, "it was never there, which must be seen"


def test_two_processes_never_send_at_one_time(
    store: Store, org: Organisation, site: datadog.Site, forwarder: Forwarder
) -> None:
    begin(store, org, site)
    add(store, org, DEPLOYED)
    now_ns = time.time_ns()
    lease = (org, "of another process", now_ns, now_ns + 10**12)
    assert store.forwarding.lease(*lease, actor=TESTER).result()
    third = (org, "of a third", now_ns, now_ns + 10**12)
    assert not store.forwarding.lease(*third, actor=TESTER).result()
    assert forwarder.work_off() == 0
    over = (org, "of a third", now_ns + 10**12, now_ns)
    assert store.forwarding.lease(*over, actor=TESTER).result()
    assert forwarder.work_off() == 1


def test_a_full_outbox_leaves_out_and_says_so(
    store: Store,
    org: Organisation,
    site: datadog.Site,
    forwarder: Forwarder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox, "MOST_QUEUED", 2)
    begin(store, org, site)
    add(store, org, *(another(f"deployment-number-{number}") for number in range(5)))
    full = state(store, org)
    assert (full.waiting, full.omitted, full.is_full) == (2, 3, True)
    assert forwarder.work_off() == 2
    add(store, org, DEPLOYED)
    free = state(store, org)
    assert (free.waiting, free.omitted, free.is_full) == (1, 3, False)


def test_switching_off_forgets_keys_and_changes(
    store: Store, org: Organisation, site: datadog.Site, database: str
) -> None:
    begin(store, org, site)
    add(store, org, DEPLOYED)
    assert check_store(database, lambda *_: None).findings == []
    assert store.forwarding.totals().waiting == 1
    store.forwarding.remove(org, actor=TESTER).result()
    assert store.forwarding.get(org) is None
    assert store.forwarding.totals() == (0, 0, 0, 0, None)
    add(store, org, DOWN)
    assert check_store(database, lambda *_: None).findings == []
