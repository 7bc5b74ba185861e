"""What requests leave in the audit log: who asked, from where, and what was refused."""

import time

import pytest

from asking import DEPLOYMENT, SHOPIST, Tenant, make_key
from databases import ON_SQLITE
from theodora.storage.access.audit import AuditQuery
from theodora.storage.access.permissions import READ, WRITE_SETTINGS
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
