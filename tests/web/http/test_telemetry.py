"""Traces and metrics, as a receiver of OTLP over HTTP on this machine gets them."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from asking import SHOPIST, make_tenant, server_in_process
from loopback import answering
from theodora.app import build
from theodora.config import load
from theodora.errors import UnusableSetting

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@contextmanager
def receiver() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """The URL of a receiver, and what it has received: paths and bodies."""
    received: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with answering(Handler) as port:
        yield f"http://127.0.0.1:{port}", received


def values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def test_each_request_is_a_span_and_a_duration(tmp_path: Path) -> None:
    traces = pytest.importorskip(
        "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
        reason="this machine has no opentelemetry-sdk",
    )
    figures = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")
    begun_ns = time.time_ns()
    with receiver() as (url, received):
        with server_in_process(tmp_path, otlp_endpoint=f"{url}/") as (built, client):
            tenant = make_tenant(built, client)
            tenant.create(SHOPIST)
            client.get(
                "/nowhere?token=s3cret",
                headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-Id": "mine"},
            )
        bodies = dict(received)
    assert bodies.keys() == {"/v1/traces", "/v1/metrics"}
    assert b"s3cret" not in bodies["/v1/traces"]
    assert tenant.keys["DD-API-KEY"].encode() not in bodies["/v1/traces"]

    [resource] = traces.ExportTraceServiceRequest.FromString(bodies["/v1/traces"]).resource_spans
    assert values(resource.resource.attributes)["service.name"] == "theodora"
    created, nowhere = resource.scope_spans[0].spans
    assert created.name == "POST CreateDORADeployment"
    assert values(created.attributes)["http.response.status_code"] == 200
    assert begun_ns < created.start_time_unix_nano < created.end_time_unix_nano < time.time_ns()
    assert (nowhere.trace_id.hex(), nowhere.parent_span_id.hex()) == (TRACE, PARENT)
    assert values(nowhere.attributes) == {
        "http.request.method": "GET",
        "http.route": "none",
        "http.response.status_code": 404,
        "theodora.request_id": "mine",
    }

    message = figures.ExportMetricsServiceRequest.FromString(bodies["/v1/metrics"])
    [metric] = [
        metric
        for each in message.resource_metrics[0].scope_metrics
        for metric in each.metrics
        if metric.name == "http.server.request.duration"
    ]
    assert metric.unit == "s"
    counts = {
        values(point.attributes)["http.route"]: point.count
        for point in metric.histogram.data_points
    }
    assert counts == {"CreateDORADeployment": 1, "none": 1}


def test_the_libraries_are_not_loaded_unless_asked_for() -> None:
    code = "import sys, theodora.app; print([m for m in sys.modules if 'opentelemetry' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_without_the_extra_the_setting_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    config = load(
        {
            "THEODORA_DATABASE": f"sqlite:///{tmp_path}/theodora.db",
            "THEODORA_OTLP_ENDPOINT": "http://127.0.0.1:1",
        },
        {},
    )
    with pytest.raises(UnusableSetting, match=r"theodora\[otel\]"):
        build(config)


def test_an_endpoint_is_a_url() -> None:
    with pytest.raises(UnusableSetting, match="THEODORA_OTLP_ENDPOINT"):
        load({"THEODORA_OTLP_ENDPOINT": "127.0.0.1:4318"}, {})
