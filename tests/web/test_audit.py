"""What requests leave in the audit log: who asked, from where, and what was refused."""

import json
import time
from concurrent.futures import Future
from typing import Any

import pytest

from actors import TESTER
from asking import DEPLOYMENT, SHOPIST, Tenant, make_key
from databases import ON_SQLITE
from theodora.errors import Unavailable
from theodora.storage.access.audit import AuditQuery
from theodora.storage.access.key_limits import KeyLimits
from theodora.storage.access.key_secrets import new_secret
from theodora.storage.access.permissions import INGEST, READ, READ_AUDIT, WRITE_SETTINGS
from theodora.storage.engine.audit import AuditEntry
from visiting import Browser, sign_in

pytestmark = ON_SQLITE

ADDRESS = "testclient"


def entries(tenant: Tenant, **asked: object) -> list[AuditEntry]:
    org = tenant.built.store.keys.organisation(tenant.organisation)
    return tenant.built.store.audit.entries(org, AuditQuery(**asked))


def recorded(tenant: Tenant, action: str) -> AuditEntry:
    """The newest entry of this action; refusals are not waited for."""
    until = time.monotonic() + 5
    while not (found := entries(tenant, action=action)) and time.monotonic() < until:
        time.sleep(0.01)
    return found[0]


def test_an_operation_is_recorded_with_its_key_and_address(tenant: Tenant) -> None:
    id_ = tenant.create(SHOPIST)
    tenant.delete(id_)
    entry = entries(tenant)[0]
    assert (entry.action, entry.target) == ("deployment.deleted", id_)
    assert (entry.actor.kind, entry.actor.address) == ("key", ADDRESS)
    assert entry.actor.id


def test_sending_events_records_nothing(tenant: Tenant) -> None:
    before = entries(tenant)
    tenant.create(SHOPIST)
    assert tenant.send({}).status_code == 400
    assert entries(tenant) == before


def test_a_key_without_the_permission_is_recorded_once(tenant: Tenant) -> None:
    key = make_key(tenant.built, tenant.organisation, "application", READ)
    headers = {"DD-APPLICATION-KEY": key}
    for _ in range(3):
        answer = tenant.ask("DELETE", f"{DEPLOYMENT}/x", headers=headers)
        assert answer.status_code == 403
    entry = recorded(tenant, "permission.refused")
    assert (entry.target, entry.outcome) == ("DeleteDORADeployment", "refused")
    assert entry.reason == "it lacks dora_metrics_write"
    assert entry.actor.address == ADDRESS
    assert len(entries(tenant, action="permission.refused")) == 1


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"expires_at_ns": 1_700_000_000 * 10**9}, "the key expired on 2023-11-14T22:13:20Z"),
        (
            {"limits": KeyLimits(networks=("192.0.2.0/24",))},
            f"the key cannot be used from the address {ADDRESS}",
        ),
        ({"limits": KeyLimits(services=("cart",))}, 'the key is limited to services "cart"'),
        (
            {"limits": KeyLimits(operations=("failures",))},
            'the key is limited to operations "failures"',
        ),
    ],
    ids=["expired", "address", "service", "operation"],
)
def test_what_an_api_key_is_refused_for_is_recorded_once(
    tenant: Tenant, given: dict[str, Any], reason: str
) -> None:
    secret = new_secret("api")
    key = tenant.built.store.keys.add(
        tenant.organisation,
        *("api", secret),
        name="CI",
        permissions=frozenset({INGEST}),
        now_ns=time.time_ns(),
        actor=TESTER,
        **given,
    ).result()
    sent = {"data": {"attributes": SHOPIST}}
    for _ in range(3):
        answer = tenant.client.post(DEPLOYMENT, json=sent, headers={"DD-API-KEY": secret})
        assert answer.status_code == 403
    entry = recorded(tenant, "permission.refused")
    assert (entry.target, entry.outcome, entry.reason) == (
        *("CreateDORADeployment", "refused"),
        reason,
    )
    assert (entry.actor.id, entry.actor.address) == (key.id, ADDRESS)
    assert len(entries(tenant, action="permission.refused")) == 1


def test_a_form_without_the_permission_is_recorded(tenant: Tenant) -> None:
    browser = sign_in(tenant, READ)
    assert browser.post("/settings/services", {"service": "shop"}).status_code == 403
    entry = recorded(tenant, "permission.refused")
    assert entry.target == "POST /settings/services"
    assert entry.reason == f"it lacks {WRITE_SETTINGS}"


def test_signing_in_and_out_is_recorded(tenant: Tenant) -> None:
    browser = sign_in(tenant, READ)
    started = entries(tenant, action="session")[0]
    assert (started.action, started.actor.address) == ("session.started", ADDRESS)
    browser.post("/sign-out", {})
    ended = entries(tenant, action="session")[0]
    assert (ended.action, ended.target) == ("session.ended", started.target)


@pytest.mark.parametrize(
    ("secret", "reason"),
    [("f" * 40, "no such key"), ("f" * 32, "an API key in place of an application key")],
)
def test_a_refused_sign_in_is_recorded_without_what_was_typed(
    tenant: Tenant, secret: str, reason: str
) -> None:
    store = tenant.built.store
    assert Browser(tenant.client).post("/sign-in", {"key": secret}).status_code == 403
    until, found = time.monotonic() + 5, list[AuditEntry]()
    while not found and time.monotonic() < until:
        found = [
            entry
            for org in (None, *(each.organisation for each in store.organisations.everything()))
            for entry in store.audit.entries(org, AuditQuery(action="session.refused"))
            if entry.reason == reason
        ]
    assert found[0].actor.address == ADDRESS
    assert "ffff" not in repr(found)


@pytest.mark.parametrize(
    "file", ["services.csv", "deployments.csv", "failures.csv", "settings/audit.csv"]
)
def test_a_file_that_a_page_offers_is_recorded_before_it_is_sent(tenant: Tenant, file: str) -> None:
    tenant.create(SHOPIST)
    browser = sign_in(tenant, READ, READ_AUDIT)
    before = entries(tenant)
    assert browser.client.get(f"/{file}?query=env%3Aprod&from=broken").status_code == 400
    assert browser.client.head(f"/{file}").status_code == 200
    assert entries(tenant) == before
    assert browser.client.get(f"/{file}?query=env%3Aprod").status_code == 200
    [entry] = entries(tenant)[: -len(before)]
    assert (entry.action, entry.target) == ("data.exported", file.rpartition("/")[2])
    assert json.loads(entry.after) == {"query": "env:prod"}
    assert entry.actor.address == ADDRESS


def test_a_file_that_was_refused_is_recorded_as_refused(tenant: Tenant) -> None:
    browser = sign_in(tenant, READ)
    assert browser.client.get("/settings/audit.csv").status_code == 403
    assert recorded(tenant, "permission.refused").target == "GET /settings/audit.csv"
    assert entries(tenant, action="data") == []


def test_a_file_that_cannot_be_recorded_is_not_sent(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant.create(SHOPIST)
    browser = sign_in(tenant, READ)

    def note(*_: object, **__: object) -> Future[None]:
        failed = Future[None]()
        failed.set_exception(Unavailable("the disk is full"))
        return failed

    monkeypatch.setattr(tenant.built.store.audit, "note", note)
    answer = browser.client.get("/deployments.csv")
    assert answer.status_code == 503
    assert "shopist" not in answer.text
