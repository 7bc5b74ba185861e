"""Badges: who gets one, and what it shows."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from starlette.testclient import TestClient

from asking import SHOPIST, Tenant, make_key, make_tenant, server_in_process
from databases import ON_SQLITE
from theodora.config import load
from theodora.dora.metrics.table import METRICS
from theodora.errors import UnusableSetting
from theodora.report.badge import badge_svg

TOKEN = "0123456789abcdef0123456789abcdef"
PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
PATH = "/badge/shopist/deployment_frequency.svg"
DAY_NS = 86_400 * 10**9


@pytest.fixture(scope="module")
def badged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, Tenant]]:
    """A server with badges for the organisation `default`, and another one without."""
    folder = tmp_path_factory.mktemp("badges")
    with server_in_process(folder, badges=f"default={TOKEN}, other={'f' * 32}") as (built, client):
        yield client, make_tenant(built, client)


def deploy(client: TestClient, keys: dict[str, str], service: str, count: int) -> None:
    now_ns = time.time_ns()
    for number in range(count):
        at_ns = now_ns - (number + 1) * DAY_NS
        event = {**SHOPIST, "service": service, "started_at": at_ns, "finished_at": at_ns + 10**9}
        answer = client.post(
            "/api/v2/dora/deployment", json={"data": {"attributes": event}}, headers=keys
        )
        assert answer.status_code == 200, answer.text


def words(svg: bytes) -> list[str | None]:
    root = ET.fromstring(svg)
    return [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_badge_shows_a_metric_of_a_service(badged: tuple[TestClient, Tenant]) -> None:
    client, tenant = badged
    own = {"DD-API-KEY": make_key(tenant.built, "default", "api")}
    deploy(client, own, "a/b", 28)
    deploy(client, dict(tenant.keys), "shopist", 3)
    answer = client.get("/badge/a%2Fb/deployment_frequency.svg", params={"token": TOKEN})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "max-age=300"
    assert answer.headers["content-security-policy"] == "default-src 'none'"
    assert words(answer.content) == ["deployment frequency", "1.0\N{NO-BREAK SPACE}a day"]
    # The events of the other organisation are none of this one's.
    assert words(client.get(PATH, params={"token": TOKEN}).content)[1] == "no data"


def test_every_metric_has_a_badge(badged: tuple[TestClient, Tenant]) -> None:
    client, _ = badged
    for metric in METRICS:
        answer = client.get(f"/badge/nowhere/{metric.name}.svg", params={"token": TOKEN})
        assert words(answer.content) == [metric.title.lower(), "no data"]


@pytest.mark.parametrize("query", ["", "?token=", f"?token={TOKEN[:-1]}", f"?token={TOKEN}x"])
def test_without_the_token_there_is_no_badge(badged: tuple[TestClient, Tenant], query: str) -> None:
    client, _ = badged
    answer = client.get(PATH + query)
    assert answer.status_code == 404
    assert TOKEN not in answer.text
    assert client.get(PATH + query, headers={"DD-API-KEY": TOKEN}).status_code == 404


def test_the_token_is_no_key(badged: tuple[TestClient, Tenant]) -> None:
    client, _ = badged
    keys = {"DD-API-KEY": TOKEN, "DD-APPLICATION-KEY": TOKEN}
    for path in ("/api/v2/dora/deployment", "/api/v2/dora/deployments"):
        assert client.post(path, json={"data": {}}, headers=keys).status_code == 403
    assert client.get("/metrics/dora", headers={"Authorization": f"Bearer {TOKEN}"}).is_error
    assert client.get("/", params={"token": TOKEN}, follow_redirects=False).status_code == 303


def test_the_token_of_an_organisation_that_is_gone_shows_nothing(
    badged: tuple[TestClient, Tenant],
) -> None:
    client, _ = badged
    assert client.get(PATH, params={"token": "f" * 32}).status_code == 404


def test_an_unknown_metric_has_no_badge(badged: tuple[TestClient, Tenant]) -> None:
    client, _ = badged
    assert client.get("/badge/shopist/speed.svg", params={"token": TOKEN}).status_code == 404


@ON_SQLITE
def test_badges_are_off_by_default(tenant: Tenant) -> None:
    for token in ("", TOKEN):
        assert tenant.client.get(PATH, params={"token": token}).status_code == 404


@pytest.mark.skipif(not shutil.which("openssl"), reason="this machine has no openssl")
def test_the_documented_command_sets_a_token() -> None:
    [command] = re.findall(r"^export THEODORA_BADGES=.*$", PAGE.read_text(), re.MULTILINE)
    done = subprocess.run(
        ["bash", "-ec", f'{command}\nprintf %s "$THEODORA_BADGES"'],
        capture_output=True,
        text=True,
        check=True,
    )
    [(org, token)] = load({"THEODORA_BADGES": done.stdout}, {}).badges
    assert (org, len(token)) == ("default", 32)


@pytest.mark.parametrize("text", ["default", "default=short", f"={TOKEN}", f"a={TOKEN},b"])
def test_a_token_that_can_be_guessed_is_refused(text: str) -> None:
    with pytest.raises(UnusableSetting, match="THEODORA_BADGES"):
        load({"THEODORA_BADGES": text}, {})


def test_names_are_escaped() -> None:
    svg = badge_svg('<script>"&', "</text>")
    assert "<script>" not in svg
    assert words(svg.encode()) == ['<script>"&', "</text>"]
    assert not re.search(r"\b(on\w+|href)=", svg)
