"""For how long events are kept, over HTTP: set, shown, tried before it holds."""

import time
from typing import Any

import pytest

from asking import DEPLOYMENT, FAILURE, Tenant
from databases import ON_SQLITE

RETENTION = "/api/v2/dora/settings/retention"
DAY_SEC = 86_400


def document(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "dora_retention", "attributes": attributes}}


def deploy(tenant: Tenant, days_ago: int) -> str:
    at = int(time.time()) - days_ago * DAY_SEC
    return tenant.create({"service": "web", "started_at": at, "finished_at": at}, DEPLOYMENT)


def test_what_is_set_is_shown_and_taken_back(tenant: Tenant):
    assert tenant.ask("GET", RETENTION).json()["data"]["attributes"] == {"days": None}
    for days in (730, None):
        answer = tenant.ask("PUT", RETENTION, json=document(days=days))
        assert answer.json()["data"] == {
            "id": "organisation",
            "type": "dora_retention",
            "attributes": {"days": days},
        }
        assert tenant.ask("GET", RETENTION).json() == answer.json()


def test_a_preview_tells_what_would_go_and_removes_nothing(tenant: Tenant):
    ids = [deploy(tenant, days_ago) for days_ago in (300, 200, 100, 1)]
    at = int(time.time()) - 150 * DAY_SEC
    tenant.create({"services": ["web"], "started_at": at, "finished_at": at}, FAILURE)
    answer = tenant.post(f"{RETENTION}/preview", json=document(days=90))
    attributes = answer.json()["data"]["attributes"]
    assert attributes == {"days": 90, "deployments": 2, "failures": 1}
    nothing = tenant.post(f"{RETENTION}/preview", json=document(days=None)).json()
    assert nothing["data"]["attributes"] == {"days": None, "deployments": 0, "failures": 0}
    tenant.built.store.retention.remove_old(time.time_ns())
    assert all(tenant.get(id_) for id_ in ids)


def test_what_is_too_old_goes(tenant: Tenant, other_tenant: Tenant):
    ids = [deploy(tenant, days_ago) for days_ago in (300, 200, 100, 1)]
    theirs = [deploy(other_tenant, days_ago) for days_ago in (300, 200, 100, 1)]
    tenant.ask("PUT", RETENTION, json=document(days=90))
    tenant.built.store.retention.remove_old(time.time_ns())
    statuses = [tenant.ask("GET", f"/api/v2/dora/deployments/{id_}").status_code for id_ in ids]
    assert statuses == [404, 404, 200, 200]
    assert all(other_tenant.get(id_) for id_ in theirs)


@ON_SQLITE
@pytest.mark.parametrize("days", [0, -1, 36_501, 1.5, "90", True, [90]])
def test_what_is_no_number_of_days_is_refused_at_its_place(tenant: Tenant, days: Any):
    for method, path in (("PUT", RETENTION), ("POST", f"{RETENTION}/preview")):
        answer = tenant.ask(method, path, json=document(days=days))
        assert answer.status_code == 400
        (error,) = answer.json()["errors"]
        assert error["source"]["pointer"] == "/data/attributes/days"
        assert "an integer from 1 to 36500, or null" in error["detail"]


def test_days_have_to_be_said(tenant: Tenant):
    answer = tenant.ask("PUT", RETENTION, json=document())
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["detail"] == 'attribute "days" is required'
