"""Servers while a transaction of another process holds one organisation: all others are served."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from asking import DEPLOYMENT, DEPLOYMENTS, LIST_TYPES, SHOPIST, make_organisation
from databases import ON_POSTGRESQL, Databases
from forked_serving import forked
from theodora.storage import Store

pytestmark = [ON_POSTGRESQL, pytest.mark.slow]

_PATIENCE_SECONDS = 30
"""Answers that waited for the organisation that is held would not come at all."""
HELD_ID = "the-deployment-that-waits"


class Client:
    """Sends requests for one organisation to one server."""

    def __init__(self, url: str, keys: dict[str, str]) -> None:
        self._api = httpx2.Client(base_url=url, headers=keys, timeout=_PATIENCE_SECONDS)
        self._pages = httpx2.Client(base_url=url, timeout=_PATIENCE_SECONDS)
        signed_in = self._pages.post(
            "/sign-in",
            data={"key": keys["DD-APPLICATION-KEY"]},
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        assert signed_in.status_code == 303, signed_in.text

    def create(self, id_: str) -> str:
        document = {"data": {"attributes": {**SHOPIST, "id": id_}}}
        answer = self._api.post(DEPLOYMENT, json=document)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]["id"]

    def listed(self) -> list[str]:
        document = {"data": {"type": LIST_TYPES[DEPLOYMENTS], "attributes": {"limit": 1000}}}
        answer = self._api.post(DEPLOYMENTS, json=document)
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["data"]]

    def page(self, id_: str) -> str:
        answer = self._pages.get(f"/deployments/{id_}")
        assert answer.status_code == 200, answer.text
        return answer.text

    def overview(self) -> str:
        answer = self._pages.get("/")
        assert answer.status_code == 200, answer.text
        return answer.text

    def close(self) -> None:
        self._api.close()
        self._pages.close()


@pytest.fixture
def url(databases: Databases, tmp_path: Path) -> Iterator[str]:
    with databases.new(tmp_path) as url:
        yield url


def test_other_organisations_are_served_while_one_is_held(url: str, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("here", "there")]
    with ExitStack() as stack:
        for folder in folders:
            folder.mkdir()
        servers = [stack.enter_context(forked(folder, database=url)) for folder in folders]
        with Store(url) as store:
            held, held_keys = make_organisation(store)
            _, keys = make_organisation(store)

        def client(server: Any, keys: Any) -> Client:
            made = Client(server.url, dict(keys))
            stack.callback(made.close)
            return made

        quick = [client(server, keys) for server in servers]
        slow = client(servers[0], held_keys)
        pool = stack.enter_context(ThreadPoolExecutor(1))
        with psycopg.connect(url) as connection:
            connection.execute(
                "UPDATE counters SET value = value + 1 WHERE name = 'commits' "
                "AND org = (SELECT org FROM organisations WHERE name = %s)",
                (held,),
            )
            waiting = pool.submit(slow.create, HELD_ID)
            for number in range(3):
                for place, each in enumerate([*quick]):
                    id_ = f"the-deployment-{place}-{number}"
                    assert each.create(id_) == id_
                    assert id_ in each.listed()
                    assert id_ in each.page(id_)
                    assert SHOPIST["service"] in each.overview()
                # Whoever signs in now writes a session.
                quick.append(client(servers[0], keys))
            assert slow.listed() == [], "it can be read, and nothing is written meanwhile"
            assert not waiting.done()
        assert waiting.result() == HELD_ID
        assert slow.listed() == [HELD_ID]
