"""Two servers on one PostgreSQL: one at a time reads the webhooks of an organisation."""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

import serving
from actors import TESTER
from databases import ON_POSTGRESQL
from deliveries import body_of, deployment, status
from forked_serving import forked
from loading import PATIENCE_SECONDS
from theodora.sources.webhooks import worker
from theodora.storage import InboxQuery, Organisation, Store, WebhookSource
from web.api.test_webhooks import signature

pytestmark = [pytest.mark.slow, ON_POSTGRESQL]

DELIVERIES = 120
LATE_SEC = 8
"""What a busy machine may add."""


Start = Callable[[], serving.Server]


@pytest.fixture
def start(database: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a server more on the database."""
    numbers = itertools.count()
    with ExitStack() as stack:

        def start() -> serving.Server:
            folder = tmp_path / f"server-{next(numbers)}"
            folder.mkdir()
            return stack.enter_context(forked(folder, database=database))

        yield start


@pytest.fixture
def source(store: Store) -> WebhookSource:
    org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
    return store.sources.add(org, "github", "our repositories", "", 1, actor=TESTER).result()


def deliver(server: serving.Server, source: WebhookSource, number: int) -> None:
    delivery = status(deployment(number, 1, 10), "success", 11)
    body = body_of(delivery).encode()
    answer = httpx2.post(
        f"{server.url}/webhooks/github/{source.id}",
        content=body,
        headers={**delivery.headers, "X-Hub-Signature-256": signature(source.secret, body)},
        timeout=60,
    )
    assert answer.status_code == 202, answer.text


def wait_until(is_done: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not is_done():
        assert time.monotonic() < until, "nothing reads the inbox"
        time.sleep(0.005)


def are_read(store: Store, org: Organisation) -> bool:
    return not store.inbox.select(org, InboxQuery(state="waiting", limit=1))


def leases(store: Store) -> list[Any]:
    return store._database.read(
        lambda cursor: cursor.execute(
            "SELECT worker, until_ns FROM leases WHERE work = 'inbox'"
        ).fetchall()
    )


def test_each_delivery_is_read_once(
    start: Start, store: Store, source: WebhookSource, tmp_path: Path
) -> None:
    servers = [start(), start()]
    with ThreadPoolExecutor(8) as pool:
        sent = [
            pool.submit(deliver, servers[number % 2], source, number)
            for number in range(DELIVERIES)
        ]
        for each in sent:
            each.result()
    wait_until(lambda: are_read(store, source.organisation), PATIENCE_SECONDS)
    assert store.deployments.count(source.organisation) == DELIVERIES
    for server in servers:
        assert server.stop() == 0
    lines = [
        json.loads(line)
        for log in tmp_path.glob("*/server.log")
        for line in log.read_text().splitlines()
    ]
    assert [line for line in lines if line["event"] == "deliveries were read in vain"] == []
    assert leases(store) == []


def test_a_killed_process_delays_deliveries_by_no_more_than_its_lease(
    start: Start, store: Store, source: WebhookSource
) -> None:
    killed, org = start(), source.organisation
    number = itertools.count()
    while not leases(store):
        deliver(killed, source, next(number))
        wait_until(lambda: bool(leases(store)) or are_read(store, org), PATIENCE_SECONDS)
        if leases(store):
            killed.kill()
    [(_, until_ns)] = leases(store)
    other = start()
    deliver(other, source, next(number))
    wait_until(lambda: are_read(store, org), worker._LEASE_SECONDS + LATE_SEC)
    assert time.time_ns() >= until_ns
    assert store.deployments.count(org) == next(number)
