"""Two organisations with the same ids never see, change or name each other's data."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from asking import (
    DEPLOYMENT,
    DEPLOYMENTS,
    FAILURE,
    FAILURES,
    LIST_TYPES,
    PATCH_TYPE,
    SHOPIST,
    Tenant,
    make_tenant,
)
from databases import ON_SQLITE
from theodora.app import Built
from theodora.web.api.routes import OPERATIONS
from theodora.web.api.verdict_requests import OVERRIDE_TYPE
from theodora.web.http.operations import Operation

OWN_ID = "the-id-of-both-organisations"
FAILED_SHOP: dict[str, Any] = {
    "services": ["shopist"],
    "env": "production",
    "started_at": 1693491974000000000,
    "name": "down",
}


@pytest.fixture
def other(shared_server: tuple[Built, TestClient]) -> Tenant:
    return make_tenant(*shared_server)


def filled(tenant: Tenant, team: str) -> Tenant:
    """The same events in every organisation; the team tells them apart."""
    for own_id in ({"id": OWN_ID, "version": "v1"}, {}):
        tenant.create({**SHOPIST, "team": team, **own_id})
    for own_id in ({"id": OWN_ID, "env": "staging"}, {}):
        tenant.create({**FAILED_SHOP, "team": team, **own_id}, FAILURE)
    return tenant


DOCUMENTS: dict[str, Any] = {
    "CreateDORADeployment": {"attributes": {**SHOPIST, "id": OWN_ID, "team": "intruder"}},
    "CreateDORAFailure": {"attributes": {**FAILED_SHOP, "id": OWN_ID, "team": "intruder"}},
    "CreateDORAIncident": {"attributes": {**FAILED_SHOP, "team": "intruder"}},
    "ListDORADeployments": {"type": LIST_TYPES[DEPLOYMENTS], "attributes": {"limit": 1000}},
    "ListDORAFailures": {"type": LIST_TYPES[FAILURES], "attributes": {"limit": 1000}},
    "ListDORAPullRequests": {
        "type": "dora_pull_requests_list_request",
        "attributes": {"limit": 1000},
    },
    "PatchDORADeployment": {"type": PATCH_TYPE, "attributes": {"change_failure": True}},
    "PutDORADeploymentVerdict": {"type": OVERRIDE_TYPE, "attributes": {"change_failure": True}},
    "PatchDORADeploymentByVersion": {
        "type": PATCH_TYPE,
        "attributes": {
            "service": "shopist",
            "env": "production",
            "version": "v1",
            "change_failure": True,
        },
    },
}


def ask(tenant: Tenant, operation: Operation, path: str) -> Any:
    """A request of the operation that names what both organisations have."""
    data = DOCUMENTS.get(operation.name, {})
    options: dict[str, Any] = {"json": {"data": data}} if operation.media_types else {}
    return tenant.ask(operation.method, path.replace("{id}", OWN_ID), **options)


@ON_SQLITE
@pytest.mark.parametrize(
    ("operation", "path"),
    [(operation, path) for operation in OPERATIONS for path in operation.paths],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_no_operation_reaches_into_another_organisation(
    tenant: Tenant, other: Tenant, operation: Operation, path: str
) -> None:
    filled(tenant, "ours")
    filled(other, "theirs")
    before = tenant.everything()
    answer = ask(other, operation, path)
    assert answer.status_code < 500
    assert b'"ours"' not in answer.content
    assert tenant.organisation.encode() not in answer.content
    assert tenant.everything() == before


@pytest.mark.parametrize(
    ("operation", "path"),
    [(operation, path) for operation in OPERATIONS for path in operation.paths if "{id}" in path],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_what_another_organisation_has_does_not_exist(
    tenant: Tenant, other: Tenant, operation: Operation, path: str
) -> None:
    filled(tenant, "ours")
    assert ask(other, operation, path).status_code == 404
    assert other.everything() == []


def test_the_same_identity_is_another_event_in_another_organisation(
    tenant: Tenant, other: Tenant
) -> None:
    assert tenant.create(SHOPIST) != other.create(SHOPIST)
    assert tenant.create(FAILED_SHOP, FAILURE) != other.create(FAILED_SHOP, FAILURE)


def test_an_upsert_replaces_in_its_own_organisation_alone(tenant: Tenant, other: Tenant) -> None:
    for one, team in ((tenant, "ours"), (other, "theirs")):
        one.create({**SHOPIST, "id": OWN_ID, "team": team})
    assert tenant.get(OWN_ID)["team"] == "ours"
    assert other.get(OWN_ID)["team"] == "theirs"


def test_no_query_finds_what_another_organisation_has(tenant: Tenant, other: Tenant) -> None:
    filled(tenant, "ours")
    queries = (
        "*",
        "ours",
        "team:ours",
        "-team:theirs",
        "language:java",
        "java",
        "team:*",
        "*:ours",
    )
    for path in (DEPLOYMENTS, FAILURES):
        for sort in ("started_at", "-duration", "team") if path == DEPLOYMENTS else ("team",):
            for query in queries:
                assert other.ids(path, query=query, sort=sort) == [], query


def test_a_remedy_of_another_organisation_is_none(tenant: Tenant, other: Tenant) -> None:
    remedy = {**SHOPIST, "version": "v0", "started_at": 1693492000, "finished_at": 1693492100}
    other.create({**remedy, "id": OWN_ID})
    id_ = tenant.create(SHOPIST)
    tenant.patch(id_, {"change_failure": True, "remediation": {"type": "rollback", "id": OWN_ID}})
    assert "recovery_time_sec" not in tenant.get(id_)
    tenant.patch(
        id_, {"change_failure": True, "remediation": {"type": "rollback", "version": "v0"}}
    )
    assert "remediation" not in tenant.get(id_)


def test_keys_of_two_organisations_do_not_go_together(tenant: Tenant, other: Tenant) -> None:
    filled(tenant, "ours")
    keys = {**tenant.keys, "DD-APPLICATION-KEY": other.keys["DD-APPLICATION-KEY"]}
    answer = other.ask("GET", f"{DEPLOYMENTS}/{OWN_ID}", headers=keys)
    assert answer.status_code == 403


def test_an_organisation_is_told_its_own_id_alone(tenant: Tenant, other: Tenant) -> None:
    ids = {one.ask("GET", "/api/v2/validate").json()["data"]["id"] for one in (tenant, other)}
    assert len(ids) == 2


def test_a_create_needs_no_application_key(tenant: Tenant, other: Tenant) -> None:
    """Nor does one sent along change whose event it is."""
    headers = {**tenant.keys, "DD-APPLICATION-KEY": other.keys["DD-APPLICATION-KEY"]}
    document = {"data": {"attributes": SHOPIST}}
    assert other.ask("POST", DEPLOYMENT, json=document, headers=headers).status_code == 200
    assert len(tenant.ids()) == 1
    assert other.ids() == []
