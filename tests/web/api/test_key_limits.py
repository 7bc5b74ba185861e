"""A limited API key sends what it may and nothing else, and learns nothing about the rest."""

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from actors import TESTER
from asking import BARE, DEPLOYMENT, FAILURE, SHOPIST, Tenant
from databases import ON_SQLITE
from theodora.storage.access.key_limits import KEY_OPERATIONS, KeyLimits
from theodora.storage.access.key_secrets import KeyKind, new_secret
from theodora.storage.access.keys import PERMISSIONS_OF
from theodora.web.api.routes import OPERATIONS
from theodora.web.http.operations import Operation
from theodora.web.http.security import Credential

pytestmark = ON_SQLITE

ALLOWED, REFUSED = "allowed", "refused"
CART = KeyLimits(services=("cart", "cart-*"))
HOSTED = "https://github.com/acme/cart"
GIT = {"repository_url": HOSTED, "commit_sha": "a" * 40}
FAILED: dict[str, Any] = {
    "services": ["cart"],
    "env": "production",
    "started_at": 1693491974000000000,
    "name": "down",
}


def limited(
    tenant: Tenant,
    limits: KeyLimits,
    kind: KeyKind = "api",
    *,
    expires_at_ns: int | None = None,
) -> dict[str, str]:
    """The header of a new key of the organisation."""
    secret = new_secret(kind)
    tenant.built.store.keys.add(
        tenant.organisation,
        kind,
        secret,
        name="CI",
        permissions=frozenset(PERMISSIONS_OF[kind]),
        limits=limits,
        expires_at_ns=expires_at_ns,
        now_ns=time.time_ns() - 10,
        actor=TESTER,
    ).result()
    return {"DD-API-KEY" if kind == "api" else "DD-APPLICATION-KEY": secret}


def send(tenant: Tenant, key: Mapping[str, str], attributes: Any, path: str = DEPLOYMENT) -> Any:
    return tenant.client.post(path, json={"data": {"attributes": attributes}}, headers=key)


def reasons(answer: Any) -> list[str]:
    assert answer.status_code == 403, answer.text
    return answer.json()["errors"]


@pytest.mark.parametrize(
    ("limits", "attributes", "limit"),
    [
        (CART, {"service": "cart"}, None),
        (CART, {"service": "cart-api"}, None),
        (CART, {"service": "Cart"}, 'services "cart", "cart-*"'),
        (CART, {"service": "payments"}, 'services "cart", "cart-*"'),
        (KeyLimits(environments=("production",)), {"env": "production"}, None),
        (KeyLimits(environments=("production",)), {"env": "staging"}, 'environments "production"'),
        (KeyLimits(environments=("production",)), {}, 'environments "production"'),
        (KeyLimits(repositories=("github.com/acme/*",)), {"git": GIT}, None),
        (KeyLimits(repositories=("github.com/acme/*",)), {}, None),
        (
            KeyLimits(repositories=("github.com/acme/shop",)),
            {"git": GIT},
            'repositories "github.com/acme/shop"',
        ),
        (KeyLimits(operations=("failures",)), {}, 'operations "failures"'),
    ],
)
def test_a_deployment_is_about_what_the_key_is_limited_to(
    tenant: Tenant, limits: KeyLimits, attributes: dict[str, Any], limit: str | None
) -> None:
    answer = send(tenant, limited(tenant, limits), {**BARE, **attributes})
    if limit is None:
        assert answer.status_code == 200
    else:
        assert reasons(answer) == ["Forbidden", f"the key is limited to {limit}"]
        assert tenant.everything() == []


@pytest.mark.parametrize("services", [["payments"], ["cart", "payments"], None])
def test_a_failure_is_about_allowed_services_alone(
    tenant: Tenant, services: list[str] | None
) -> None:
    key = limited(tenant, CART)
    for path in (FAILURE, "/api/v2/dora/incident"):
        sent = {**FAILED, "services": services, "team": "backend"}
        assert reasons(send(tenant, key, sent, path))[1].startswith("the key is limited to")
    assert tenant.everything() == []
    assert send(tenant, key, FAILED, FAILURE).status_code == 200


@pytest.mark.parametrize(
    "others", [{"services": ["cart", "payments"]}, {"services": None, "team": "backend"}]
)
def test_a_failure_of_others_is_not_replaced_by_its_id(
    tenant: Tenant, others: dict[str, Any]
) -> None:
    """The services of a failure may change while it lasts: one in common makes it the same."""
    tenant.create({**FAILED, **others, "id": "incident-0000007"}, FAILURE)
    before = tenant.everything()
    sent = {**FAILED, "id": "incident-0000007", "team": "backend", "name": "nothing to see"}
    answer = send(tenant, limited(tenant, CART), sent, FAILURE)
    assert reasons(answer) == ["Forbidden", 'the key is limited to services "cart", "cart-*"']
    assert tenant.everything() == before


def test_a_deployment_of_others_is_not_replaced_by_its_id(tenant: Tenant) -> None:
    """Nor one of an allowed service that comes from another repository."""
    theirs = tenant.create({**SHOPIST, "id": "pipeline-run-00007"})
    before = tenant.get(theirs)
    key = limited(tenant, CART)
    placed = send(tenant, key, {**SHOPIST, "service": "cart", "id": "pipeline-run-00007"})
    assert placed.json()["data"]["id"] != theirs
    of_other = limited(tenant, KeyLimits(repositories=("github.com/acme/*",)))
    answer = send(tenant, of_other, {**SHOPIST, "id": "pipeline-run-00007", "git": GIT})
    assert reasons(answer) == [
        "Forbidden",
        'the key is limited to repositories "github.com/acme/*"',
    ]
    assert tenant.get(theirs) == before


BY_KEY = [each for each in OPERATIONS if each.access.credential is Credential.API_KEY]


@pytest.mark.parametrize("operation", BY_KEY, ids=lambda each: each.name)
def test_every_operation_of_an_api_key_is_limited(tenant: Tenant, operation: Operation) -> None:
    """By itself, and by a limit of services if its requests name none."""
    if operation.sends is None:
        assert operation.name in {"Validate", "ValidateV2", "SubmitMetrics"}
        return
    other = next(row.name for row in KEY_OPERATIONS if row.name != operation.sends)
    for limits, is_refused in (
        (KeyLimits(operations=(other,)), True),
        (KeyLimits(operations=(operation.sends,)), False),
        (CART, operation.sends not in {"deployments", "failures"}),
    ):
        answer = tenant.client.request(
            operation.method, operation.paths[0], headers=limited(tenant, limits), json={}
        )
        assert (answer.status_code == 403) == is_refused, (limits, answer.text)
        if is_refused:
            assert reasons(answer)[1].startswith("the key is limited to ")


def test_commits_of_other_repositories_are_neither_told_nor_taken(tenant: Tenant) -> None:
    document: dict[str, Any] = {}
    key: dict[str, str] = {}
    path = "/api/v2/git/repository/search_commits"
    found: dict[str, Any] = {}
    for url in (HOSTED, "ssh://git@ssh.github.com/ACME/Cart.git", "https://github.com/acme/shop"):
        document = {
            "meta": {"repository_url": url},
            "data": [{"id": "a" * 40, "type": "commit"}],
        }
        key = limited(tenant, KeyLimits(services=("cart",), repositories=("github.com/acme/cart",)))
        found[url] = tenant.client.post(path, json=document, headers=key)
    ours, spelt, others = found.values()
    assert (ours.status_code, spelt.status_code) == (200, 200)
    assert reasons(others)[1] == 'the key is limited to repositories "github.com/acme/cart"'
    pushed = json.dumps({**document, "data": document["data"][0]})
    refused = tenant.client.post(
        "/api/v2/git/repository/packfile",
        files={
            "pushedSha": (None, pushed, "application/json"),
            "packfile": (None, b"PACK", "application/octet-stream"),
        },
        headers=key,
    )
    assert reasons(refused)[1] == 'the key is limited to repositories "github.com/acme/cart"'


def test_an_expired_key_is_told_so_and_opens_nothing(tenant: Tenant) -> None:
    key = limited(tenant, KeyLimits(), expires_at_ns=1_700_000_000 * 10**9)
    assert reasons(send(tenant, key, BARE)) == [
        "Forbidden",
        "the key expired on 2023-11-14T22:13:20Z",
    ]
    later = limited(tenant, KeyLimits(), expires_at_ns=time.time_ns() + 10**12)
    assert send(tenant, later, BARE).status_code == 200


def test_a_key_expires_while_it_is_in_use(tenant: Tenant) -> None:
    """It is found in memory, which changes with a commit alone."""
    key = limited(tenant, KeyLimits(), expires_at_ns=time.time_ns() + 2 * 10**8)
    path = "/api/v1/validate"
    assert tenant.client.get(path, headers=key).status_code == 200
    time.sleep(0.25)
    assert tenant.client.get(path, headers=key).status_code == 403


@pytest.mark.parametrize(
    ("networks", "is_usable"),
    [
        (("testclient",), False),
        (("192.0.2.7",), True),
        (("10.0.0.0/8", "192.0.2.0/24"), True),
        (("10.0.0.0/8",), False),
        (("2001:db8::/32",), False),
    ],
)
def test_a_key_is_used_from_its_addresses_alone(
    tenant: Tenant, networks: tuple[str, ...], is_usable: bool
) -> None:
    """Not by the answer does a thief learn from where it would be good."""
    limits = KeyLimits(networks=networks)
    if networks == ("testclient",):
        limits = KeyLimits(networks=("192.0.2.8",))
    both = limited(tenant, limits) | limited(tenant, limits, "application")
    for method, path in (("GET", "/api/v1/validate"), ("GET", "/api/v2/validate_keys")):
        client = tenant.client
        before, client._transport.client = client._transport.client, ("192.0.2.7", 9)  # type: ignore[attr-defined]
        try:
            answer = client.request(method, path, headers=both)
        finally:
            client._transport.client = before  # type: ignore[attr-defined]
        assert (answer.status_code == 200) == is_usable
        if not is_usable:
            assert reasons(answer)[1] == "the key cannot be used from the address 192.0.2.7"


def test_a_limited_key_reads_nothing_and_changes_no_verdict(tenant: Tenant) -> None:
    id_ = tenant.create({**SHOPIST, "service": "cart"})
    key = limited(tenant, CART)
    paths = (
        *(("GET", f"/api/v2/dora/deployments/{id_}"), ("DELETE", f"/api/v2/dora/deployment/{id_}")),
        *(("PATCH", f"/api/v2/dora/deployments/{id_}"), ("POST", "/api/v2/dora/deployments")),
        *(
            ("GET", "/api/v2/dora/metrics"),
            ("GET", "/api/v2/dora/settings"),
            ("GET", "/metrics/dora"),
        ),
    )
    for method, path in paths:
        assert tenant.client.request(method, path, headers=key).status_code == 403
