"""For how long events are kept, over HTTP: set, shown, tried before it holds."""

import time
from typing import Any

import pytest

from actors import TESTER
from asking import DEPLOYMENT, FAILURE, Tenant, make_key
from databases import ON_SQLITE
from theodora.events import nanoseconds_from_rfc3339

RETENTION = "/api/v2/dora/settings/retention"
DAY_SEC = 86_400


def document(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "dora_retention", "attributes": attributes}}


def deploy(tenant: Tenant, days_ago: int) -> str:
    at = int(time.time()) - days_ago * DAY_SEC
    return tenant.create({"service": "web", "started_at": at, "finished_at": at}, DEPLOYMENT)


def attributes(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["attributes"]


def test_what_is_set_is_shown_and_taken_back(tenant: Tenant):
    for_ever = {"days": None, "planned": None, "refused": None}
    assert attributes(tenant.ask("GET", RETENTION)) == for_ever
    answer = tenant.ask("PUT", RETENTION, json=document(days=730))
    assert answer.json()["data"]["type"] == "dora_retention"
    planned = attributes(answer)["planned"]
    assert planned["days"] == 730
    begins_ns = nanoseconds_from_rfc3339(planned["begins_at"])
    assert begins_ns is not None
    assert abs(begins_ns // 10**9 - time.time() - DAY_SEC) < 600
    assert attributes(tenant.ask("GET", RETENTION)) == attributes(answer)
    taken_back = tenant.ask("PUT", RETENTION, json=document(days=None))
    assert attributes(taken_back) == for_ever
    assert attributes(tenant.ask("GET", RETENTION)) == for_ever


def test_a_shorter_limit_needs_the_number_of_events_that_it_deletes(tenant: Tenant):
    for days_ago in (300, 200, 100, 1):
        deploy(tenant, days_ago)
    for given in ({}, {"confirm": None}, {"confirm": 0}, {"confirm": 1}, {"confirm": 3}):
        answer = tenant.ask("PUT", RETENTION, json=document(days=90, **given))
        assert answer.status_code == 400
        (error,) = answer.json()["errors"]
        assert error["source"]["pointer"] == "/data/attributes/confirm"
        assert error["detail"].startswith("up to 2 events would be deleted for good")
    assert attributes(tenant.ask("GET", RETENTION))["planned"] is None
    accepted = tenant.ask("PUT", RETENTION, json=document(days=90, confirm=2))
    assert attributes(accepted)["planned"]["days"] == 90


def test_a_key_that_may_not_read_is_not_told_how_many_events_there_are(tenant: Tenant):
    deploy(tenant, 300)
    deploy(tenant, 200)
    key = make_key(tenant.built, tenant.organisation, "application", "dora_organisation_write")
    headers = {"DD-APPLICATION-KEY": key}
    answer = tenant.ask("PUT", RETENTION, json=document(days=90), headers=headers)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert not any(each.isdigit() for each in error["detail"])


@ON_SQLITE
@pytest.mark.parametrize("confirm", [-1, 1.5, "2", True, [2]])
def test_what_is_no_number_of_events_is_refused_at_its_place(tenant: Tenant, confirm: Any):
    answer = tenant.ask("PUT", RETENTION, json=document(days=90, confirm=confirm))
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["source"]["pointer"] == "/data/attributes/confirm"


def test_a_refused_round_is_shown_and_counted(tenant: Tenant):
    for days_ago in (*range(100, 110), 1):
        deploy(tenant, days_ago)
    store = tenant.built.store
    store.retention.put(store.keys.organisation(tenant.organisation), 90, actor=TESTER).result()
    store.retention.remove_old(time.time_ns(), actor=TESTER)
    refused = attributes(tenant.ask("GET", RETENTION))["refused"]
    assert refused["reason"].startswith("9 of 11 events would be deleted in one round")
    assert nanoseconds_from_rfc3339(refused["at"])
    count = next(
        float(line.split()[1])
        for line in tenant.client.get("/metrics").text.splitlines()
        if line.startswith("theodora_refused_retentions ")
    )
    assert count >= 1


def test_a_preview_shows_what_would_be_deleted_and_deletes_nothing(tenant: Tenant):
    ids = [deploy(tenant, days_ago) for days_ago in (300, 200, 100, 1)]
    at = int(time.time()) - 150 * DAY_SEC
    tenant.create({"services": ["web"], "started_at": at, "finished_at": at}, FAILURE)
    entry = {"user_email": "ada@example.com", "day": "2024-01-31", "tools": ["Cursor"]}
    sent = {"type": "ai_impact_user_activity", "attributes": {**entry, "is_active": True}}
    answer = tenant.post("/api/v2/ai_impact/user_activity", json={"data": [sent]})
    assert answer.status_code < 300, answer.text
    answer = tenant.post(f"{RETENTION}/preview", json=document(days=90))
    old = {"deployments": 2, "failures": 1, "user_activity": 1}
    assert attributes(answer) == {"days": 90, **old}
    nothing = tenant.post(f"{RETENTION}/preview", json=document(days=None)).json()
    assert nothing["data"]["attributes"] == {"days": None, **dict.fromkeys(old, 0)}
    tenant.built.store.retention.remove_old(time.time_ns(), actor=TESTER)
    assert all(tenant.get(id_) for id_ in ids)


def test_what_is_too_old_goes(tenant: Tenant, other_tenant: Tenant):
    ids = [deploy(tenant, days_ago) for days_ago in (300, 200, 100, 1)]
    theirs = [deploy(other_tenant, days_ago) for days_ago in (300, 200, 100, 1)]
    assert tenant.ask("PUT", RETENTION, json=document(days=90, confirm=2)).status_code == 200
    tenant.built.store.retention.remove_old(time.time_ns(), actor=TESTER)
    assert all(tenant.get(id_) for id_ in ids)
    tenant.built.store.retention.remove_old(time.time_ns() + DAY_SEC * 10**9, actor=TESTER)
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
