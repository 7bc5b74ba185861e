"""The views of everybody over the API."""

from typing import Any

import pytest

from actors import TESTER
from asking import Tenant
from databases import ON_SQLITE
from theodora.storage.saved_views import SavedView

pytestmark = ON_SQLITE

PATH = "/api/v2/dora/saved_views"


def save(tenant: Tenant, **attributes: Any) -> Any:
    document = {"data": {"type": "dora_saved_view", "attributes": attributes}}
    return tenant.ask("POST", PATH, json=document)


def listed(tenant: Tenant) -> list[dict[str, Any]]:
    return tenant.ask("GET", PATH).json()["data"]


def test_one_is_saved_for_everybody_and_deleted(tenant: Tenant) -> None:
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    of_ada = SavedView("person:ada", "Mine", "/", "", is_start=False)
    store.saved_views.put(org, of_ada, 1, actor=TESTER).result()
    answer = save(tenant, name="Failures", page="/failures?query=team%3Apay&range=12w")
    assert answer.status_code == 200, answer.text
    made = answer.json()["data"]
    page = "/failures?query=team%3Apay&range=12w"
    assert made["attributes"] == {"name": "Failures", "page": page, "start": False}
    assert listed(tenant) == [made]
    other = save(tenant, name="Failures", page="/failures", start=True).json()["data"]
    assert (other["id"], other["attributes"]["start"]) == (made["id"], True)
    assert listed(tenant) == [other]
    assert [each.name for each in store.saved_views.seen_by(org, "person:ada")] == [
        "Mine",
        "Failures",
    ]
    assert tenant.ask("DELETE", f"{PATH}/{of_ada.id}").status_code == 404
    assert tenant.ask("DELETE", f"{PATH}/{made['id']}").status_code == 202
    assert listed(tenant) == []
    assert tenant.ask("DELETE", f"{PATH}/{made['id']}").status_code == 404


@pytest.mark.parametrize(
    ("attributes", "name", "detail"),
    [
        ({"page": "/"}, "name", "give the view a name"),
        ({"name": "a\tb", "page": "/"}, "name", 'attribute "name" must have at most'),
        ({"name": "Keys", "page": "/settings/keys"}, "page", "this page cannot be saved"),
        ({"name": "Away", "page": "https://example.org/"}, "page", "this page cannot be saved"),
        ({"name": "Long", "page": "/?query=" + 4_000 * "x"}, "page", "this page cannot be saved"),
        ({"name": "x", "page": "/", "start": "yes"}, "start", "invalid type string"),
    ],
)
def test_what_is_no_view_is_refused_at_its_attribute(
    tenant: Tenant, attributes: dict[str, Any], name: str, detail: str
) -> None:
    answer = save(tenant, **attributes)
    assert answer.status_code == 400, answer.text
    [error] = answer.json()["errors"]
    assert error["source"] == {"pointer": f"/data/attributes/{name}"}
    assert detail in error["detail"]
