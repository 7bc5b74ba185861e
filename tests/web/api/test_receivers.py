"""Receivers of notifications over the API: their addresses are never answered."""

from typing import Any

import pytest

from actors import TESTER
from asking import Tenant, make_key
from databases import ON_SQLITE
from theodora.storage.access.notifications import ReceiverSettings

pytestmark = ON_SQLITE

PATH = "/api/v2/dora/notification_receivers"
SECRET = "T0/B0/of-the-test"
URL = f"https://hooks.slack.com/services/{SECRET}"


def send(tenant: Tenant, method: str, path: str, **attributes: Any) -> Any:
    document = {"data": {"type": "dora_notification_receiver", "attributes": attributes}}
    return tenant.ask(method, path, json=document)


def test_one_is_added_changed_and_removed(tenant: Tenant) -> None:
    added = send(tenant, "POST", PATH, kind="slack", url=URL, team="payments", hour=7)
    assert added.status_code == 200, added.text
    made = added.json()["data"]
    assert made["attributes"] == {
        "kind": "slack",
        "name": "",
        "team": "payments",
        "timezone": "UTC",
        "days": ["mon", "tue", "wed", "thu", "fri"],
        "hour": 7,
        "sends": "both",
        "open_hours": 24,
        "created_at": made["attributes"]["created_at"],
    }
    path = f"{PATH}/{made['id']}"
    patched = send(
        *(tenant, "PATCH", path),
        days=["sun", "mon"],
        sends="alerts",
        team="",
        open_hours=2,
    )
    assert patched.status_code == 200, patched.text
    expected = {**made["attributes"], "days": ["mon", "sun"], "sends": "alerts", "team": None}
    assert patched.json()["data"]["attributes"] == {**expected, "open_hours": 2}
    listed = tenant.ask("GET", PATH)
    assert listed.json()["data"] == [patched.json()["data"]]
    assert SECRET not in added.text + patched.text + listed.text
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    assert store.notifications.receiver(org, made["id"]).url == URL
    assert send(tenant, "PATCH", path, url=f"{URL}2", name="new").status_code == 200
    changed = store.notifications.receiver(org, made["id"])
    assert (changed.url, changed.name, changed.settings.open_hours) == (f"{URL}2", "new", 2)
    assert tenant.ask("DELETE", path).status_code == 202
    assert tenant.ask("GET", PATH).json()["data"] == []
    for answer in (tenant.ask("DELETE", path), send(tenant, "PATCH", path, name="x")):
        assert answer.status_code == 404


def test_a_secret_of_a_webhook_is_not_answered(tenant: Tenant) -> None:
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    made = store.notifications.add(
        org, "webhook", "hook", "https://in.example/1", ReceiverSettings(), 1, actor=TESTER
    ).result()
    listed = tenant.ask("GET", PATH)
    assert [each["id"] for each in listed.json()["data"]] == [made.id]
    assert made.secret
    assert made.secret not in listed.text
    assert "in.example" not in listed.text
    moved = send(tenant, "PATCH", f"{PATH}/{made.id}", url="https://10.0.0.1/")
    assert moved.status_code == 400


def test_who_may_not_change_settings_only_lists(tenant: Tenant) -> None:
    key = make_key(
        *(tenant.built, tenant.organisation, "application"),
        *("dora_metrics_read", "dora_metrics_write"),
    )
    headers = {"DD-APPLICATION-KEY": key}
    assert tenant.ask("GET", PATH, headers=headers).status_code == 200
    body = {"data": {"type": "dora_notification_receiver", "attributes": {}}}
    assert tenant.ask("POST", PATH, headers=headers, json=body).status_code == 403


@pytest.mark.parametrize(
    ("attributes", "name", "detail"),
    [
        ({"kind": "pager"}, "kind", 'attribute "kind" must be one of'),
        ({"kind": "webhook", "url": "https://in.example"}, "kind", "can be added by theodora"),
        ({"url": "https://10.0.0.1/"}, "url", 'attribute "url" must look like https://hooks'),
        ({"url": None}, "url", "must look like"),
        ({"hour": 24}, "hour", 'attribute "hour" must be a whole number from 0 to 23'),
        ({"hour": 1.5}, "hour", "invalid type number"),
        ({"hour": "9"}, "hour", "invalid type string"),
        ({"days": ["someday"]}, "days", 'attribute "days" must be days of "mon'),
        ({"days": []}, "days", "must be days of"),
        ({"days": "mon"}, "days", "invalid type string"),
        ({"timezone": "Mars"}, "timezone", 'attribute "timezone" must be'),
        ({"sends": "nothing"}, "sends", "must be one of"),
        ({"name": 5}, "name", "invalid type number"),
        ({"name": "x" * 300}, "name", "must have at most"),
    ],
)
def test_what_is_no_receiver_is_refused_at_its_attribute(
    tenant: Tenant, attributes: dict[str, Any], name: str, detail: str
) -> None:
    answer = send(tenant, "POST", PATH, **{"kind": "slack", "url": URL, **attributes})
    assert answer.status_code == 400, answer.text
    [error] = answer.json()["errors"]
    assert error["source"] == {"pointer": f"/data/attributes/{name}"}
    assert detail in error["detail"]
    assert tenant.ask("GET", PATH).json()["data"] == []
