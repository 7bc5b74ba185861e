"""Goals over the API."""

from typing import Any

import pytest

from asking import Tenant
from databases import ON_SQLITE

pytestmark = ON_SQLITE

PATH = "/api/v2/dora/goals"


def put(tenant: Tenant, **attributes: Any) -> Any:
    document = {"data": {"type": "dora_goal", "attributes": attributes}}
    return tenant.ask("POST", PATH, json=document)


def listed(tenant: Tenant) -> list[dict[str, Any]]:
    return tenant.ask("GET", PATH).json()["data"]


def test_one_is_set_listed_and_removed(tenant: Tenant) -> None:
    answer = put(tenant, metric="change_lead_time", value="2d", team="payments")
    assert answer.status_code == 200, answer.text
    made = answer.json()["data"]
    assert made["type"] == "dora_goal"
    attributes = made["attributes"]
    assert attributes == {
        "metric": "change_lead_time",
        "value": 172_800,
        "words": "2\u202fd",
        "service": None,
        "team": "payments",
        "by": attributes["by"],
        "set_at": attributes["set_at"],
    }
    assert listed(tenant) == [made]
    again = put(tenant, metric="lead_time", value=3_600, team=" payments ").json()["data"]
    assert (again["id"], again["attributes"]["value"]) == (made["id"], 3_600)
    assert listed(tenant) == [again]
    assert tenant.ask("DELETE", f"{PATH}/{made['id']}").status_code == 202
    assert listed(tenant) == []
    missing = tenant.ask("DELETE", f"{PATH}/{made['id']}")
    assert missing.status_code == 404
    assert missing.json()["errors"][0]["detail"] == "there is no such goal"


@pytest.mark.parametrize(
    ("metric", "value", "stored"),
    [
        ("change_failure_rate", "5 %", 0.05),
        ("change_failure_rate", 0.05, 0.05),
        ("deployment_frequency", "7 a week", 1.0),
        ("deployment_frequency", 2, 2.0),
    ],
)
def test_a_value_is_a_number_or_as_people_write_it(
    tenant: Tenant, metric: str, value: Any, stored: float
) -> None:
    answer = put(tenant, metric=metric, value=value)
    assert answer.json()["data"]["attributes"]["value"] == pytest.approx(stored)


@pytest.mark.parametrize(
    ("attributes", "name", "detail"),
    [
        ({"metric": "speed", "value": 1}, "metric", 'attribute "metric" must be one of'),
        ({"value": 1}, "metric", 'attribute "metric" must be one of'),
        ({"metric": "lead_time"}, "value", 'attribute "value" must be a value such as 2d'),
        ({"metric": "lead_time", "value": "2"}, "value", "must be a value such as 2d"),
        ({"metric": "lead_time", "value": 0}, "value", "must be a value such as 2d"),
        ({"metric": "change_failure_rate", "value": 5}, "value", "such as 5 %"),
        ({"metric": "lead_time", "value": True}, "value", "invalid type boolean"),
        ({"metric": "lead_time", "value": "2d", "team": 5}, "team", "invalid type number"),
        (
            {"metric": "lead_time", "value": "2d", "team": "a", "service": "b"},
            *("team", "give a service or a team, not both"),
        ),
        (
            {"metric": "lead_time", "value": "2d", "team": "a\nb"},
            *("team", 'attribute "team" must have at most'),
        ),
    ],
)
def test_what_is_no_goal_is_refused_at_its_attribute(
    tenant: Tenant, attributes: dict[str, Any], name: str, detail: str
) -> None:
    answer = put(tenant, **attributes)
    assert answer.status_code == 400, answer.text
    [error] = answer.json()["errors"]
    assert error["source"] == {"pointer": f"/data/attributes/{name}"}
    assert detail in error["detail"]
    assert listed(tenant) == []
