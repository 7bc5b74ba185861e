"""Creating deployments: ids, identities, upsert, units of time."""

import pytest
from starlette.testclient import TestClient

URL = "/api/v2/dora/deployment"

SHOPIST = {
    "service": "shopist",
    "env": "production",
    "team": "backend",
    "version": "v1.12.07",
    "started_at": 1693491974000000000,
    "finished_at": 1693491984000000000,
    "git": {
        "commit_sha": "66adc9350f2cc9b250b69abddab733dd55e1a588",
        "repository_url": "https://github.com/organization/example-repository",
    },
    "custom_tags": ["language:java", "department:engineering", "region:us-east-1"],
}


def created(client: TestClient, attributes: dict[str, object]) -> str:
    answer = client.post(URL, json={"data": {"attributes": attributes}})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["id"]


def stored(client: TestClient, id_: str) -> dict[str, object]:
    answer = client.get(f"/api/v2/dora/deployments/{id_}")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["attributes"]


def test_every_attribute_comes_back_as_it_was_sent(client: TestClient) -> None:
    answer = stored(client, created(client, SHOPIST))
    created_at = answer.pop("created_at")
    assert isinstance(created_at, int)
    assert answer == {
        **SHOPIST,
        "git": {**SHOPIST["git"], "repository_id": "github.com/organization/example-repository"},
        "change_failure": None,
        "deployment_type": "standard",
        "duration": 10,
        "source": "api",
    }


def test_an_id_that_the_client_gives_is_kept(client: TestClient) -> None:
    assert created(client, {**SHOPIST, "id": "08a3dbc57bb781a5"}) == "08a3dbc57bb781a5"


@pytest.mark.parametrize("unit_ns", [1, 10**3, 10**6, 10**9])
def test_the_same_event_in_another_unit_is_the_same_event(client: TestClient, unit_ns: int) -> None:
    first = created(client, SHOPIST)
    again = {
        **SHOPIST,
        "started_at": SHOPIST["started_at"] // unit_ns,
        "finished_at": SHOPIST["finished_at"] // unit_ns,
    }
    assert created(client, again) == first
