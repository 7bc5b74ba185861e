"""Annotations of charts over the API."""

from typing import Any

from asking import Tenant
from databases import ON_SQLITE

pytestmark = ON_SQLITE

PATH = "/api/v2/dora/annotations"


def add(tenant: Tenant, **attributes: Any) -> Any:
    document = {"data": {"type": "dora_annotation", "attributes": attributes}}
    return tenant.ask("POST", PATH, json=document)


def listed(tenant: Tenant, **parameters: Any) -> list[dict[str, Any]]:
    answer = tenant.ask("GET", PATH, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_one_is_added_listed_and_removed(tenant: Tenant) -> None:
    answer = add(tenant, text="Moved to Argo CD", at="2026-11-09T14:00:00Z", service="web")
    assert answer.status_code == 200, answer.text
    made = answer.json()["data"]
    attributes = made["attributes"]
    assert attributes == {
        "at": "2026-11-09T14:00:00Z",
        "text": "Moved to Argo CD",
        "service": "web",
        "team": None,
        "env": None,
        "by": attributes["by"],
        "created_at": attributes["created_at"],
    }
    assert listed(tenant) == [made]
    again = add(tenant, text="Moved to Argo CD", at=1_794_232_800, service="web")
    assert again.json()["data"] == made
    assert listed(tenant) == [made]
    assert tenant.ask("DELETE", f"{PATH}/{made['id']}").status_code == 202
    assert listed(tenant) == []
    assert tenant.ask("DELETE", f"{PATH}/{made['id']}").status_code == 404


def test_a_list_has_a_period_and_a_limit(tenant: Tenant) -> None:
    for day in ("01", "02", "03"):
        add(tenant, text=day, at=f"2026-11-{day}T00:00:00Z")

    def texts(**parameters: Any) -> list[str]:
        return [each["attributes"]["text"] for each in listed(tenant, **parameters)]

    assert texts() == ["03", "02", "01"]
    assert texts(**{"from": "2026-11-01", "to": "2026-11-03"}) == ["02", "01"]
    assert texts(limit=1) == ["03"]
    for wrong in ({"limit": "0"}, {"from": "soon"}, {"service": "web"}):
        assert tenant.ask("GET", PATH, params=wrong).status_code == 400


def test_a_document_without_a_text_is_refused(tenant: Tenant) -> None:
    answer = add(tenant, service="web")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"] == {"pointer": "/data/attributes/text"}
