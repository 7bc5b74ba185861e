"""Whether keys are valid: what clients ask before they send anything."""

import pytest

from asking import Tenant, make_key
from databases import ON_SQLITE

pytestmark = ON_SQLITE


def test_validating_an_api_key(tenant: Tenant) -> None:
    answer = tenant.ask("GET", "/api/v1/validate", headers={"DD-APPLICATION-KEY": ""})

    assert (answer.status_code, answer.content) == (200, b'{"valid":true}')
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-ratelimit-name"] == "dora_read"


def test_validating_an_api_key_returns_its_organisation(tenant: Tenant) -> None:
    keys = tenant.built.store.keys.all_of(tenant.organisation)
    (key,) = (key for key in keys if key.kind == "api")

    answer = tenant.ask("GET", "/api/v2/validate", headers={"DD-APPLICATION-KEY": ""})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.api+json"
    assert answer.json() == {
        "data": {
            "id": key.organisation.uuid,
            "type": "validate_v2",
            "attributes": {
                "api_key_id": key.id,
                "api_key_scopes": ["dora_ingest"],
                "valid": True,
            },
        }
    }


def test_validating_both_keys_asks_for_no_permission(tenant: Tenant) -> None:
    settings = make_key(tenant.built, tenant.organisation, "application", "dora_settings_write")

    for key in (tenant.keys["DD-APPLICATION-KEY"], settings):
        headers = {"DD-APPLICATION-KEY": key}
        answer = tenant.ask("GET", "/api/v2/validate_keys", headers=headers)

        assert (answer.status_code, answer.content) == (200, b'{"status":"ok"}')
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("url", ["/api/v1/validate", "/api/v2/validate", "/api/v2/validate_keys"])
def test_an_api_key_that_is_not_valid_is_forbidden(tenant: Tenant, url: str) -> None:
    answer = tenant.ask("GET", url, headers={"DD-API-KEY": "unknown"})

    assert (answer.status_code, answer.json()) == (403, {"errors": ["Forbidden"]})


def test_an_application_key_that_is_not_valid_is_forbidden(tenant: Tenant) -> None:
    headers = {"DD-APPLICATION-KEY": "unknown"}

    assert tenant.ask("GET", "/api/v2/validate_keys", headers=headers).status_code == 403
    assert tenant.ask("GET", "/api/v2/validate", headers=headers).status_code == 200
