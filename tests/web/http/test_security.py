"""Keys: who is let in to what, every form of 403, revoking, and what is stored of a key."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from starlette.testclient import TestClient

from actors import TESTER
from asking import (
    DEPLOYMENT,
    DEPLOYMENTS,
    SHOPIST,
    Tenant,
    crossed,
    make_key,
    make_tenant,
    server_in_process,
)
from databases import ON_EACH, ON_SQLITE
from theodora.app import Built
from theodora.storage.access.key_secrets import has_checksum
from theodora.storage.access.keys import PERMISSIONS_OF
from theodora.storage.access.permissions import READ, WRITE
from theodora.web.api.routes import ANY_STATUS, OPERATIONS
from theodora.web.http.operations import Operation
from theodora.web.http.security import Credential

pytestmark = ON_SQLITE

FORBIDDEN = b'{"errors":["Forbidden"]}'
NOT_PERMITTED = b'{"errors":["Forbidden","Failed permission authorization checks"]}'

API_KEY_ALONE = [row for row in OPERATIONS if row.access.credential is Credential.API_KEY]
BOTH_KEYS = [row for row in OPERATIONS if row.access.credential is Credential.BOTH_KEYS]
WITH_KEYS = [*API_KEY_ALONE, *BOTH_KEYS]
PERMITTED = [row for row in BOTH_KEYS if row.access.permission]


def _name(value: Any) -> str | None:
    return value.name if isinstance(value, Operation) else None


by_name = {"ids": _name}


def ask(tenant: Tenant, operation: Operation, headers: dict[str, str]) -> Any:
    """A request with these keys and no others."""
    path = operation.paths[0].replace("{id}", "0123456789abcdef")
    options: dict[str, Any] = {"json": {}} if operation.media_types else {}
    return tenant.client.request(operation.method, path, headers=headers, **options)


def test_every_operation_asks_for_a_credential() -> None:
    for operation in OPERATIONS:
        assert operation.access.credential is not Credential.NONE
        assert operation.access.permission in {None, *PERMISSIONS_OF["application"]}
        assert 403 in ANY_STATUS


@pytest.mark.parametrize(
    ("name", "permission"),
    [
        *((name, READ) for name in ("ListDORADeployments", "GetDORADeployment")),
        *((name, READ) for name in ("ListDORAFailures", "GetDORAFailure")),
        *((name, READ) for name in ("ListDORAPullRequests", "GetDORAPullRequest")),
        *((name, WRITE) for name in ("PatchDORADeployment", "PatchDORADeploymentByVersion")),
        *((name, WRITE) for name in ("DeleteDORADeployment", "DeleteDORAFailure")),
        *((name, None) for name in ("CreateDORADeployment", "CreateDORAFailure")),
        *((name, None) for name in ("CreateDORAIncident", "CreateAIImpactUserActivity")),
        *((name, None) for name in ("Validate", "ValidateAPIKey", "SubmitMetrics")),
    ],
)
def test_the_route_table_asks_for_the_documented_permission(
    name: str, permission: str | None
) -> None:
    [operation] = [row for row in OPERATIONS if row.name == name]
    assert operation.access.permission == permission


@pytest.mark.parametrize(
    ("operation", "secret"),
    crossed(WITH_KEYS, [None, "", " ", "unknown", "é", "0" * 10_000, "application"]),
    **by_name,
)
def test_without_a_valid_api_key_it_is_forbidden(
    tenant: Tenant, operation: Operation, secret: str | None
) -> None:
    application_key = tenant.keys["DD-APPLICATION-KEY"]
    headers = {"DD-APPLICATION-KEY": application_key}
    if secret is not None:
        headers["DD-API-KEY"] = application_key if secret == "application" else secret
    answer = tenant.client.request(
        operation.method,
        operation.paths[0].replace("{id}", "x"),
        headers={name: value.encode() for name, value in headers.items()},
    )
    assert (answer.status_code, answer.content) == (403, FORBIDDEN)
    assert answer.headers["content-type"] == operation.reply_media_type


@pytest.mark.parametrize("operation", API_KEY_ALONE, **by_name)
def test_where_an_api_key_suffices_another_key_is_ignored(
    tenant: Tenant, operation: Operation
) -> None:
    api_key = {"DD-API-KEY": tenant.keys["DD-API-KEY"]}
    for more in ({}, {"DD-APPLICATION-KEY": "unknown"}, {"Authorization": "Bearer unknown"}):
        assert ask(tenant, operation, {**api_key, **more}).status_code != 403


@pytest.mark.parametrize("operation", API_KEY_ALONE, **by_name)
def test_a_bearer_token_does_not_stand_for_an_api_key(tenant: Tenant, operation: Operation) -> None:
    token = {"Authorization": f"Bearer {tenant.keys['DD-APPLICATION-KEY']}"}
    assert ask(tenant, operation, token).content == FORBIDDEN


NO_APPLICATION_KEY = [
    {},
    {"DD-APPLICATION-KEY": ""},
    {"DD-APPLICATION-KEY": "unknown"},
    {"Authorization": "Bearer unknown"},
    {"Authorization": "Bearer "},
    {"Authorization": "Basic the application key"},
    {"DD-APPLICATION-KEY": "the API key"},
]


@pytest.mark.parametrize(("operation", "more"), crossed(BOTH_KEYS, NO_APPLICATION_KEY), **by_name)
def test_without_a_valid_application_key_it_is_not_permitted(
    tenant: Tenant, operation: Operation, more: dict[str, str]
) -> None:
    api_key, application_key = tenant.keys.values()
    shown = {
        name: value.replace("the API key", api_key).replace("the application key", application_key)
        for name, value in more.items()
    }
    answer = ask(tenant, operation, {"DD-API-KEY": api_key, **shown})
    assert (answer.status_code, answer.content) == (403, NOT_PERMITTED)


@ON_EACH
@pytest.mark.parametrize("operation", BOTH_KEYS, **by_name)
def test_an_application_key_of_another_organisation_is_not_permitted(
    tenant: Tenant, shared_server: tuple[Built, TestClient], operation: Operation
) -> None:
    theirs = make_tenant(*shared_server).keys["DD-APPLICATION-KEY"]
    for shown in ({"DD-APPLICATION-KEY": theirs}, {"Authorization": f"Bearer {theirs}"}):
        headers = {"DD-API-KEY": tenant.keys["DD-API-KEY"], **shown}
        assert ask(tenant, operation, headers).content == NOT_PERMITTED


@pytest.mark.parametrize("operation", PERMITTED, **by_name)
@pytest.mark.parametrize("permission", PERMISSIONS_OF["application"])
def test_the_application_key_needs_the_permission_of_the_operation(
    tenant: Tenant, operation: Operation, permission: str
) -> None:
    limited = make_key(tenant.built, tenant.organisation, "application", permission)
    allowed = permission == operation.access.permission
    api_key = {"DD-API-KEY": tenant.keys["DD-API-KEY"]}
    with_key = ask(tenant, operation, {**api_key, "DD-APPLICATION-KEY": limited})
    with_both = ask(tenant, operation, {**api_key, "Authorization": f"Bearer {limited}"})
    with_token = ask(tenant, operation, {"Authorization": f"Bearer {limited}"})
    for answer in (with_key, with_both):
        assert (answer.status_code != 403) == allowed
        assert allowed or answer.content == NOT_PERMITTED
    assert (with_token.status_code != 403) == allowed


@pytest.mark.parametrize(
    ("operation", "scheme"), crossed(BOTH_KEYS, ["Bearer", "bearer", "BEARER"]), **by_name
)
def test_a_bearer_token_stands_for_both_keys(
    tenant: Tenant, operation: Operation, scheme: str
) -> None:
    token = {"Authorization": f"{scheme} {tenant.keys['DD-APPLICATION-KEY']}"}
    assert ask(tenant, operation, token).status_code != 403
    assert ask(tenant, operation, {**token, "DD-API-KEY": "unknown"}).content == FORBIDDEN


@ON_EACH
def test_of_application_key_and_token_the_key_is_used(tenant: Tenant) -> None:
    path = f"{DEPLOYMENTS}/{tenant.create(SHOPIST)}"
    right, wrong = tenant.keys["DD-APPLICATION-KEY"], "unknown"
    for key, token, status in ((right, wrong, 200), (wrong, right, 403)):
        headers = {"DD-APPLICATION-KEY": key, "Authorization": f"Bearer {token}"}
        assert tenant.ask("GET", path, headers=headers).status_code == status


def test_telemetry_may_have_its_key_in_the_query(tenant: Tenant) -> None:
    for params, status in (
        ({"api_key": tenant.keys["DD-API-KEY"]}, 202),
        ({"api_key": "unknown"}, 403),
        ({}, 403),
    ):
        answer = tenant.client.post("/api/v1/series", params=params, json={})
        assert answer.status_code == status
    answer = tenant.client.post(DEPLOYMENT, params={"api_key": tenant.keys["DD-API-KEY"]}, json={})
    assert answer.status_code == 403


@ON_EACH
@pytest.mark.parametrize("kind", ["api", "application"])
def test_a_revoked_key_opens_nothing(tenant: Tenant, kind: str) -> None:
    keys = tenant.built.store.keys
    path = f"{DEPLOYMENTS}/{tenant.create(SHOPIST)}"
    assert tenant.ask("GET", path).status_code == 200
    for key in keys.all_of(tenant.organisation):
        if key.kind == kind:
            keys.revoke(tenant.organisation, key.id, time.time_ns(), actor=TESTER).result()
    answer = tenant.ask("GET", path)
    assert (answer.status_code, answer.content) == (
        403,
        FORBIDDEN if kind == "api" else NOT_PERMITTED,
    )


# Bootstrap keys

BOOTSTRAP = {
    "bootstrap_api_key": "our own key, of 32 characters or more!",
    "bootstrap_app_key": "our own application key, as long at least!",
}
BOOTSTRAP_HEADERS = {
    "DD-API-KEY": BOOTSTRAP["bootstrap_api_key"],
    "DD-APPLICATION-KEY": BOOTSTRAP["bootstrap_app_key"],
}


def stored_secrets(built: Built) -> list[tuple[str, str, bool]]:
    return [
        (key.kind, key.name, key.revoked_at_ns is None)
        for key in built.store.keys.all_of("default")
    ]


def test_keys_of_any_form_may_be_given_and_are_made_once(tmp_path: Path) -> None:
    for _ in range(3):
        with server_in_process(tmp_path, **BOOTSTRAP) as (built, client):
            assert built.new_keys == {}
            assert client.get("/api/v2/validate_keys", headers=BOOTSTRAP_HEADERS).status_code == 200
            assert sorted(stored_secrets(built)) == [
                ("api", "bootstrap", True),
                ("application", "bootstrap", True),
            ]


def test_a_bootstrap_key_that_was_revoked_stays_so(tmp_path: Path) -> None:
    with server_in_process(tmp_path, **BOOTSTRAP) as (built, _):
        for key in built.store.keys.all_of("default"):
            built.store.keys.revoke("default", key.id, 1, actor=TESTER).result()
    with server_in_process(tmp_path, **BOOTSTRAP) as (built, client):
        assert client.get("/api/v1/validate", headers=BOOTSTRAP_HEADERS).status_code == 403


def test_keys_are_made_on_the_first_start_and_shown_that_once(tmp_path: Path) -> None:
    with server_in_process(tmp_path) as (built, client):
        assert set(built.new_keys) == {"api", "application"}
        assert {kind: has_checksum(secret) for kind, secret in built.new_keys.items()} == {
            "api": True,
            "application": True,
        }
        headers = {
            "DD-API-KEY": built.new_keys["api"],
            "DD-APPLICATION-KEY": built.new_keys["application"],
        }
        assert client.get("/api/v2/validate_keys", headers=headers).status_code == 200
    with server_in_process(tmp_path) as (built, client):
        assert built.new_keys == {}
        assert client.get("/api/v2/validate_keys", headers=headers).status_code == 200


# What is stored


@pytest.fixture
def files(tmp_path: Path) -> Iterator[list[Path]]:
    """The database's files after keys and tokens have been used."""
    with server_in_process(tmp_path, **BOOTSTRAP) as (_, client):
        git = {**SHOPIST["git"], "repository_url": "https://ci:tok3n-in-url@example.com/a/b"}
        document = {"data": {"attributes": {**SHOPIST, "git": git}}}
        answer = client.post(DEPLOYMENT, json=document, headers=BOOTSTRAP_HEADERS)
        assert answer.status_code == 200
        client.get("/api/v1/validate", headers={"DD-API-KEY": "a-wrong-key-that-was-tried"})
        yield [path for path in tmp_path.iterdir() if path.is_file()]


def test_no_secret_is_in_the_database(files: list[Path]) -> None:
    content = b"".join(path.read_bytes() for path in files)
    assert b"shopist" in content
    for secret in (*BOOTSTRAP.values(), "tok3n-in-url", "a-wrong-key-that-was-tried"):
        assert secret.encode() not in content


def test_a_key_of_the_wrong_kind_is_named_in_the_log_alone(tenant: Tenant) -> None:
    """Whoever has mistaken the one for the other looks there; a guesser learns nothing."""
    api, application = tenant.keys["DD-API-KEY"], tenant.keys["DD-APPLICATION-KEY"]
    swapped = {"DD-API-KEY": application, "DD-APPLICATION-KEY": api}
    doubled = {"DD-API-KEY": api, "DD-APPLICATION-KEY": api}
    document = {"data": {"attributes": SHOPIST}}
    with structlog.testing.capture_logs() as lines:
        created = tenant.client.post(DEPLOYMENT, json=document, headers=swapped)
        listed = tenant.client.post(DEPLOYMENTS, json={}, headers=doubled)
        unknown = {"DD-API-KEY": "0" * 32}
        assert tenant.client.post(DEPLOYMENT, json=document, headers=unknown).status_code == 403
    assert created.content == FORBIDDEN
    assert listed.content == NOT_PERMITTED
    causes = [line["cause"] for line in lines if line["event"] == "request forbidden"]
    assert len(causes) == 2
    assert causes[0].startswith("an application key was sent in place of an API key: ")
    assert "DD_API_KEY" in causes[0]
    assert causes[1].startswith("an API key was sent in place of an application key: ")
