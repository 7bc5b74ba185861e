"""The choice between Prometheus' text format and OpenMetrics."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from databases import ON_SQLITE
from theodora.app import Built
from theodora.web.http.exposition import OPENMETRICS, prefers_openmetrics

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "is_preferred"),
    [
        ("", False),
        ("*/*", False),
        ("text/html", False),
        (PROMETHEUS_2, True),
        ("application/openmetrics-text", True),
        ("Application/OpenMetrics-Text; Version=1.0.0; escaping=underscores", True),
        ("application/openmetrics-text;version=0.0.1", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.5", False),
        ("text/plain,application/openmetrics-text", True),
        ("application/openmetrics-text;q=x;version=,,;;=", True),
        ("application/openmetrics-text;q=1.0.0", True),
    ],
)
def test_openmetrics_must_be_preferred(accept: str, *, is_preferred: bool) -> None:
    assert prefers_openmetrics(accept) is is_preferred


@ON_SQLITE
def test_the_server_answers_in_the_preferred_form(shared_server: tuple[Built, TestClient]) -> None:
    _, client = shared_server
    answer = client.get("/metrics", headers={"Accept": PROMETHEUS_2})
    assert answer.headers["content-type"] == OPENMETRICS
    assert answer.headers["vary"] == "Accept"
    families = {family.name: family.type for family in text_string_to_metric_families(answer.text)}
    assert families["theodora_requests"] == "counter"
    assert families["theodora_request_seconds"] == "histogram"
    assert client.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")
