"""What operators see: request ids, log lines, metrics, health."""

import asyncio
import http.client
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from anyio import to_thread
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

import serving
from asking import DEPLOYMENT, DEPLOYMENTS, SHOPIST, Tenant, make_tenant, server_in_process
from databases import ON_SQLITE
from forked_serving import forked
from theodora.app import Built


@ON_SQLITE
@pytest.mark.parametrize("sent", ["abc", "a.b_c-D9", "x" * 64])
@pytest.mark.parametrize("path", ["/api/v1/validate", "/nowhere", "/healthz", "/metrics"])
def test_a_request_id_that_is_sent_is_sent_back(tenant: Tenant, path: str, sent: str) -> None:
    answer = tenant.ask("GET", path, headers={"X-Request-Id": sent})
    assert answer.headers["x-request-id"] == sent


@ON_SQLITE
@pytest.mark.parametrize("sent", [None, "", "a b", "x" * 65, "a;b", "<script>", "é".encode()])
def test_without_a_harmless_one_each_request_gets_its_own(
    tenant: Tenant, sent: str | bytes | None
) -> None:
    headers = {} if sent is None else {"X-Request-Id": sent}
    ids = {
        tenant.ask("GET", "/api/v1/validate", headers=headers).headers["x-request-id"]
        for _ in range(3)
    }
    assert len(ids) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{8,64}", id_) for id_ in ids)


@ON_SQLITE
def test_every_error_has_a_request_id(tenant: Tenant) -> None:
    for answer in (
        tenant.post_body(b"{"),
        tenant.post_body(b"{}", Content_Type="text/plain"),
        tenant.client.get("/api/v1/validate"),
        tenant.client.get("/nowhere"),
        tenant.delete("unknown"),
    ):
        assert answer.status_code >= 400
        assert answer.headers["x-request-id"]


@ON_SQLITE
def test_health_is_answered_while_no_thread_is_free(tenant: Tenant) -> None:
    async def ask_without_threads() -> int:
        threads = to_thread.current_default_thread_limiter()
        for _ in range(int(threads.total_tokens)):
            threads.acquire_on_behalf_of_nowait(object())
        transport = httpx2.ASGITransport(tenant.built.application)
        async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
            return (await asyncio.wait_for(client.get("/healthz"), 20)).status_code

    # The thread of the tests may have a running event loop: that of the browser.
    with ThreadPoolExecutor(1) as other_thread:
        assert other_thread.submit(asyncio.run, ask_without_threads()).result() == 200


def test_health_needs_no_key_and_counts_towards_no_limit(tenant: Tenant) -> None:
    for path, text in (("/healthz", "alive\n"), ("/readyz", "ready\n")):
        answer = tenant.client.get(path)
        assert (answer.status_code, answer.text) == (200, text)
        assert "x-ratelimit-limit" not in answer.headers


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Built, TestClient]]:
    """A server of the test's own, whose counts nobody else moves."""
    with server_in_process(tmp_path) as server:
        yield server


def samples(client: TestClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_metrics_tell_requests_latencies_events_and_commits(
    own: tuple[Built, TestClient],
) -> None:
    built, client = own
    tenant = make_tenant(built, client)
    for version in "abc":
        tenant.create({**SHOPIST, "version": version})
    tenant.create({"team": "x", "started_at": 1}, "/api/v2/dora/failure")
    tenant.post_body(b"{")
    tenant.ask("GET", "/nowhere")
    found = samples(client)

    def requests(operation: str, status: str) -> float:
        labels = frozenset({("operation", operation), ("status", status)})
        return found["theodora_requests_total", labels]

    assert requests("CreateDORADeployment", "200") == 3
    assert requests("CreateDORADeployment", "400") == 1
    assert requests("CreateDORAFailure", "200") == 1
    assert requests("none", "404") == 1
    latency = frozenset({("operation", "CreateDORADeployment")})
    assert found["theodora_request_seconds_count", latency] == 4
    assert 0 < found["theodora_request_seconds_sum", latency] < 60
    assert found["theodora_stored_events", frozenset({("kind", "deployment")})] == 3
    assert found["theodora_stored_events", frozenset({("kind", "failure")})] == 1
    nothing: frozenset[tuple[str, str]] = frozenset()
    assert found["theodora_commit_writes_sum", nothing] >= 4
    assert (
        1
        <= found["theodora_commit_writes_count", nothing]
        <= (found["theodora_commit_writes_sum", nothing])
    )
    assert found["theodora_waiting_writes", nothing] >= 0


def test_no_value_of_a_request_becomes_a_label(own: tuple[Built, TestClient]) -> None:
    built, client = own
    tenant = make_tenant(built, client)
    before = len(samples(client))
    tenant.ask("GET", "/nowhere/0")
    tenant.ask("GET", f"{DEPLOYMENTS}/0")
    after_one = len(samples(client))
    for number in range(1, 30):
        tenant.ask("GET", f"/nowhere/{number}")
        tenant.ask("GET", f"{DEPLOYMENTS}/{number}")
    assert before < after_one == len(samples(client))


def ask(server: serving.Server, method: str, path: str, request_id: str) -> None:
    """A request with an empty body."""
    address = urlsplit(server.url)
    assert address.hostname
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connection.request(method, path, headers={**serving.KEYS, "X-Request-Id": request_id})
    connection.getresponse().read()
    connection.close()


def test_log_lines_are_json_and_name_their_request(tmp_path: Path) -> None:
    with forked(tmp_path, "--log-requests", "all", "--log-format", "json") as server:
        ask(server, "POST", DEPLOYMENT, "the-bad-one")
        ask(server, "GET", "/api/v1/validate", "the-good-one")
        assert server.stop() == 0
    lines = [json.loads(line) for line in (tmp_path / "server.log").read_text().splitlines()]
    by_id = {line["request_id"]: line for line in lines if line["event"] == "request"}
    bad, good = by_id["the-bad-one"], by_id["the-good-one"]
    assert (bad["method"], bad["path"], bad["status"]) == ("POST", DEPLOYMENT, 400)
    assert (bad["operation"], bad["level"]) == ("CreateDORADeployment", "info")
    assert good["status"] == 200
    assert all(line["ms"] >= 0 and line["timestamp"] for line in by_id.values())
    assert serving.API_KEY not in (tmp_path / "server.log").read_text()


@pytest.mark.parametrize(("setting", "expected"), [("failed", {"bad"}), ("none", set[str]())])
def test_the_setting_says_which_requests_are_logged(
    tmp_path: Path, setting: str, expected: set[str]
) -> None:
    with forked(tmp_path, "--log-requests", setting, "--log-format", "json") as server:
        ask(server, "POST", DEPLOYMENT, "bad")
        ask(server, "GET", "/api/v1/validate", "good")
        assert server.stop() == 0
    lines = [json.loads(line) for line in (tmp_path / "server.log").read_text().splitlines()]
    assert {line["request_id"] for line in lines if line["event"] == "request"} == expected
