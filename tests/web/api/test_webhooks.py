"""Webhooks over HTTP: verified, stored durably, and refused in the project's form."""

import gzip
import hashlib
import hmac
import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from actors import TESTER
from asking import Tenant, make_tenant, server_in_process
from databases import ON_SQLITE
from deliveries import Delivery, at, body_of, deployment, incident, ns, sha, status
from theodora.sources.webhooks.worker import InboxWorker
from theodora.storage import InboxQuery, Organisation, StoredDelivery, WebhookSource

pytestmark = ON_SQLITE

SUCCESS = status(deployment(7, 1, 10), "success", 11)
TRIGGERED = incident("triggered", 1)
INTAKE = "/api/v2/webhook"


def organisation(tenant: Tenant) -> Organisation:
    return tenant.built.store.keys.organisation(tenant.organisation)


def add(tenant: Tenant, kind: str = "github") -> WebhookSource:
    sources = tenant.built.store.sources
    return sources.add(organisation(tenant), kind, "ours", "{}", 1, actor=TESTER).result()


def signature(secret: str, body: bytes) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def send(tenant: Tenant, source: WebhookSource, delivery: Delivery, **more: Any) -> Any:
    body = more.pop("body", body_of(delivery).encode())
    headers = {
        "X-Hub-Signature-256": signature(more.pop("secret", source.secret), body),
        "Content-Type": "application/json",
        "X-Irrelevant": "dropped",
        **delivery.headers,
        **more.pop("headers", {}),
    }
    path = more.pop("path", f"/webhooks/{source.kind}/{source.id}")
    return tenant.client.post(path, content=body, headers=headers)


def received(tenant: Tenant, kind: str, source: str = "") -> list[StoredDelivery]:
    inbox = tenant.built.store.inbox
    return inbox.select(organisation(tenant), InboxQuery(kind, source))


def test_a_signed_webhook_is_stored_with_the_headers_that_matter(tenant: Tenant) -> None:
    source = add(tenant)
    answer = send(tenant, source, SUCCESS, headers={"X-GitHub-Delivery": "d-1"})
    assert (answer.status_code, answer.json()) == (202, {})
    [stored] = received(tenant, "github", source.id)
    assert (stored.state, stored.body) == ("waiting", body_of(SUCCESS))
    assert stored.headers == {
        "content-type": "application/json",
        "x-github-event": "deployment_status",
        "x-github-delivery": "d-1",
    }


def test_a_webhook_without_its_signature_is_not_stored(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    source, theirs = add(tenant), add(other_tenant)
    body = body_of(SUCCESS).encode()
    for sent in (
        send(tenant, source, SUCCESS, secret=theirs.secret),
        send(tenant, source, SUCCESS, headers={"X-Hub-Signature-256": ""}),
        send(tenant, source, SUCCESS, headers={"X-Hub-Signature-256": signature("", b"")}),
        send(tenant, source, SUCCESS, headers={"X-Hub-Signature-256": "é".encode()}),
        tenant.client.post(f"/webhooks/github/{source.id}", content=body),
    ):
        assert sent.status_code == 401
        [error] = sent.json()["errors"]
        assert error == {
            "status": "401",
            "title": "Unauthorized",
            "detail": "the signature is missing or wrong",
        }
    assert received(tenant, "github", source.id) == []


def test_a_compressed_body_is_verified_as_it_was_signed(tenant: Tenant) -> None:
    """A signature is made of the body that the provider wrote."""
    source = add(tenant)
    body = body_of(SUCCESS).encode()
    answer = tenant.client.post(
        f"/webhooks/github/{source.id}",
        content=gzip.compress(body),
        headers={
            "X-Hub-Signature-256": signature(source.secret, body),
            "Content-Encoding": "gzip",
            **SUCCESS.headers,
        },
    )
    assert answer.status_code == 202


@pytest.mark.parametrize("path", ["github/unknown", "gitlab/{id}", "nothing/{id}", "{id}/{id}"])
def test_a_source_that_is_not_there_is_not_found(tenant: Tenant, path: str) -> None:
    source = add(tenant)
    answer = send(tenant, source, SUCCESS, path=f"/webhooks/{path.format(id=source.id)}")
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["detail"] == "there is no such source"


def test_a_removed_source_takes_nothing_any_more(tenant: Tenant) -> None:
    source = add(tenant)
    assert send(tenant, source, SUCCESS).status_code == 202
    sources = tenant.built.store.sources
    sources.remove(organisation(tenant), source.id, actor=TESTER).result()
    assert send(tenant, source, SUCCESS).status_code == 404
    assert received(tenant, "github", source.id) == []


def test_a_body_that_is_no_text_is_refused(tenant: Tenant) -> None:
    source = add(tenant)
    for body in (b"\xff", b'{"a":"\0"}'):
        answer = send(tenant, source, SUCCESS, body=body)
        assert answer.status_code == 400, body
    assert send(tenant, source, SUCCESS, body=b"{").status_code == 202, "kept with its error"


def test_an_api_key_is_enough_for_datadogs_intake(tenant: Tenant) -> None:
    sent = {"DD-API-KEY": tenant.keys["DD-API-KEY"], "dd_env": "production"}
    for path in (INTAKE, f"{INTAKE}/"):
        answer = tenant.client.post(path, json=TRIGGERED.payload, headers=sent)
        assert (answer.status_code, answer.json()) == (202, {})
    InboxWorker(tenant.built.store, 30).work_off()
    [failure] = tenant.built.store.failures.everything(organisation(tenant))
    assert (failure.id, failure.env, failure.source) == ("pagerduty:Q1", "production", "pagerduty")


@pytest.mark.parametrize("payload", [{}, {"event": {}}, {"event": {"event_type": 7}}, [], "text"])
def test_the_intake_refuses_what_no_provider_sends(tenant: Tenant, payload: Any) -> None:
    key = {"DD-API-KEY": tenant.keys["DD-API-KEY"]}
    assert tenant.client.post(INTAKE, json=payload, headers=key).status_code == 400
    assert received(tenant, "pagerduty") == []


def test_datadogs_intake_takes_notifications_of_argo_cd(tenant: Tenant) -> None:
    metadata = {"name": "shop", "annotations": {"dd_service": "shop", "dd_env": "production"}}
    sync = {
        "phase": "Succeeded",
        "startedAt": at(1),
        "finishedAt": at(2),
        "syncResult": {"revision": sha(1), "source": {"repoURL": "https://git.example/shop"}},
    }
    status = {"health": {"status": "Healthy"}, "operationState": sync}
    headers = {"DD-API-KEY": tenant.keys["DD-API-KEY"], "DD-CD-PROVIDER-ARGOCD": "true"}
    sent = {"app": {"metadata": metadata, "status": status}, "commit_metadata": None}
    assert tenant.client.post(INTAKE, json=sent, headers=headers).status_code == 202
    InboxWorker(tenant.built.store, 30).work_off()
    [found] = tenant.built.store.deployments.everything(organisation(tenant))
    assert (found.service, found.env, found.source) == ("shop", "production", "argocd")
    assert (found.started_at_ns, found.finished_at_ns) == (ns(1), ns(2))


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_cloudevents_come_in_both_modes_with_a_token(tenant: Tenant, mode: str) -> None:
    source = add(tenant, "cdevents")
    context = {"id": "1", "source": "/ours", "timestamp": at(1)}
    event = {
        "context": {**context, "type": "dev.cdevents.service.deployed.0.3.0"},
        "subject": {"id": "shop", "content": {"environment": {"id": "production"}}},
    }
    types = {"binary": "application/json", "structured": "application/cloudevents+json"}
    body = event if mode == "binary" else {"specversion": "1.0", "id": "1", "data": event}
    sent = Delivery({"Content-Type": types[mode], "Ce-Id": "1"}, body)
    token = {"Authorization": f"Bearer {source.secret}"}
    assert send(tenant, source, sent, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert send(tenant, source, sent, headers=token).status_code == 202
    InboxWorker(tenant.built.store, 30).work_off()
    [found] = tenant.built.store.deployments.everything(organisation(tenant))
    assert (found.service, found.env, found.source) == ("shop", "production", "cdevents")


def test_the_intake_asks_for_an_api_key(tenant: Tenant) -> None:
    answer = tenant.client.post(INTAKE, json=TRIGGERED.payload)
    assert answer.status_code == 403


def test_webhooks_of_an_unknown_sender_and_too_many_are_limited(tmp_path: Any) -> None:
    limits = {"rate_limit_unauthenticated": "3/3600", "rate_limit_dora_ingest": "2/3600"}
    with server_in_process(tmp_path, **limits, max_json_bytes="500") as (built, client):
        tenant = make_tenant(built, client)
        source = add(tenant)
        assert send(tenant, source, SUCCESS, body=b" " * 501).status_code == 413
        assert send(tenant, source, SUCCESS, body=b"{}").status_code == 202
        assert send(tenant, source, SUCCESS, body=b"{}").status_code == 429
        for status_code in (404, 404, 404, 429):
            answer = send(tenant, source, SUCCESS, path="/webhooks/github/x")
            assert answer.status_code == status_code
        other = add(make_tenant(built, client))
        assert send(tenant, other, SUCCESS, secret="x").status_code == 429


def test_a_webhook_is_durable_before_it_is_acknowledged(tenant: Tenant) -> None:
    source = add(tenant)
    assert send(tenant, source, SUCCESS).status_code == 202
    assert json.loads(received(tenant, "github", source.id)[0].body) == SUCCESS.payload
    assert isinstance(tenant.client, TestClient)
