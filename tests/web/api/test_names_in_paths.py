"""Names in paths of the API may hold any character, if it is quoted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

import serving
from forked_serving import forked

SERVICES = "/api/v2/dora/settings/services"
NAMES = ("web", "shop/web", "a b", "a%2Fb", "a/preview", "größe", "100%", "a?b#c", "web/", ":")


@pytest.fixture
def prefixed(tmp_path: Path) -> Iterator[serving.Server]:
    """A server beneath a prefix that looks like a part of the API's paths."""
    with forked(tmp_path, "--path-prefix", "/api/dora") as server:
        yield server


def ask(server: serving.Server, method: str, path: str, **request: Any) -> httpx2.Response:
    return httpx2.request(method, server.url + path, headers=serving.KEYS, **request)


@pytest.mark.parametrize("name", NAMES)
def test_a_service_of_any_name_has_settings(server: serving.Server, name: str):
    path = f"{SERVICES}/{quote(name, safe='')}"
    document = {"data": {"type": "dora_settings", "attributes": {"team": f"team of {name}"}}}
    answer = ask(server, "PUT", path, json=document)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["id"] == name
    again = ask(server, "GET", f"{path}/").json()["data"]["attributes"]
    assert again["effective"]["team"] == f"team of {name}"
    assert name in {each["id"] for each in ask(server, "GET", SERVICES).json()["data"]}


def test_so_it_is_beneath_a_prefix(prefixed: serving.Server):
    path = f"{SERVICES}/{quote('shop/web', safe='')}"
    answer = ask(prefixed, "GET", path)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["id"] == "shop/web"
    assert ask(prefixed, "GET", f"{SERVICES}/shop/web").status_code == 404
