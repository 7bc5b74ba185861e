"""The services known, and which of their environments headline figures count."""

from typing import Any

import pytest

from asking import DEPLOYMENT, FAILURE, Tenant
from settling import in_every_state

SERVICES = "/api/v2/dora/settings/services"
USUAL = ["production", "prod", "prd", "live"]


def deploy(tenant: Tenant, service: str, env: str = "production") -> str:
    at = 1_700_000_000
    return tenant.create(
        {"service": service, "env": env, "started_at": at, "finished_at": at}, DEPLOYMENT
    )


def put(tenant: Tenant, path: str, **attributes: Any) -> None:
    document = {"data": {"type": "dora_settings", "attributes": attributes}}
    answer = tenant.ask("PUT", path, json=document)
    assert answer.status_code == 200, answer.text


def listed(tenant: Tenant, **parameters: str) -> list[dict[str, Any]]:
    answer = tenant.ask("GET", SERVICES, params=parameters)
    assert answer.status_code == 200, answer.text
    assert all(each["type"] == "dora_service" for each in answer.json()["data"])
    return [{"id": each["id"], **each["attributes"]} for each in answer.json()["data"]]


@in_every_state
def test_services_are_listed_with_team_and_production_envs(tenant: Tenant):
    deploy(tenant, "web")
    tenant.create({"services": ["pay", "web"], "started_at": 1_700_000_000}, FAILURE)
    put(tenant, f"{SERVICES}/search", team="discovery", production_envs=["Blue"])
    assert listed(tenant) == [
        {"id": "pay", "team": None, "production_envs": USUAL, "given": {}},
        {
            "id": "search",
            "team": "discovery",
            "production_envs": ["blue"],
            "given": {"team": "discovery", "production_envs": ["blue"]},
        },
        {"id": "web", "team": None, "production_envs": USUAL, "given": {}},
    ]
    assert [each["id"] for each in listed(tenant, after="pay")] == ["search", "web"]


def test_a_deployment_shows_the_team_of_its_service(tenant: Tenant):
    put(tenant, f"{SERVICES}/web", team="storefront")
    assert tenant.get(deploy(tenant, "web"))["team"] == "storefront"


@pytest.mark.parametrize(
    ("organisation", "service", "counted"),
    [
        ({}, {}, {("web", "Prod"), ("pay", "Prod")}),
        ({"production_envs": ["blue"]}, {}, {("web", "blue"), ("pay", "blue")}),
        ({}, {"production_envs": ["blue"]}, {("web", "blue"), ("pay", "Prod")}),
        ({"production_envs": []}, {"production_envs": ["staging"]}, {("web", "staging")}),
        ({"production_envs": []}, {}, set()),
    ],
)
def test_headline_figures_count_the_production_environments_of_each_service(
    tenant: Tenant,
    organisation: dict[str, Any],
    service: dict[str, Any],
    counted: set[tuple[str, str]],
):
    for name in ("web", "pay"):
        for env in ("Prod", "blue", "staging"):
            deploy(tenant, name, env)
    put(tenant, "/api/v2/dora/settings", **organisation)
    put(tenant, f"{SERVICES}/web", **service)
    found = [each["attributes"] for each in tenant.found(query="is:production")]
    assert {(each["service"], each["env"]) for each in found} == counted
