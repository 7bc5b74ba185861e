"""Several servers of several processes over one PostgreSQL: what was answered 200 is there once.

With real processes and a real server whose commits wait for the disk.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import httpx2
import psutil
import pytest

import serving
from asking import DEPLOYMENT
from postgresql import PostgresqlServer, postgresql, replica_of
from theodora.dora import derive
from theodora.storage import Organisation, Store
from theodora.storage.marks import SequenceKey
from theodora.storage.sequences import whole_sequence
from theodora.web.wire import render

CLIENTS = 8
SERVICES = 5
_PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def durable() -> Iterator[PostgresqlServer]:
    with postgresql(quick=False) as server:
        yield server


@pytest.fixture
def url(durable: PostgresqlServer) -> str:
    name = f"processes_{next(_NUMBERS)}"
    durable.execute(f"CREATE DATABASE {name}")
    return durable.url(name)


_NUMBERS = itertools.count(1)


def created(number: int) -> dict[str, Any]:
    second = 1_600_000_000 + number * 60
    return {
        "service": f"service-{number % SERVICES}",
        "env": "production",
        "version": f"v{number % 7}",
        "started_at": second,
        "finished_at": second + 30,
        "custom_tags": [f"number:{number}"],
    }


class Load:
    """Clients that send numbered deployments to several servers until each was acknowledged."""

    def __init__(self, urls: list[str]) -> None:
        self._urls = urls
        self.acknowledged: dict[int, str] = {}
        self.statuses: set[int] = set()
        self.some = Event()

    def send(self, numbers: list[int], after: int = 0) -> None:
        """Sends all of them; `some` is set once `after` are acknowledged."""
        self._after = after
        parts = [numbers[client::CLIENTS] for client in range(CLIENTS)]
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(self._client, range(CLIENTS), parts))

    def _client(self, client: int, numbers: list[int]) -> None:
        urls = itertools.cycle(self._urls[client % len(self._urls) :] + self._urls)
        with httpx2.Client(headers=serving.KEYS, timeout=30) as http:
            for number in numbers:
                self._until_acknowledged(http, urls, number)

    def _until_acknowledged(self, http: Any, urls: Iterator[str], number: int) -> None:
        began = time.monotonic()
        while time.monotonic() - began < _PATIENCE_SECONDS:
            status, id_ = self._post(http, next(urls), number)
            if status == 200:
                assert self.acknowledged.setdefault(number, id_) == id_
                if len(self.acknowledged) >= self._after:
                    self.some.set()
                return
        raise AssertionError(f"{number} was not taken in {_PATIENCE_SECONDS} s")

    def _post(self, http: Any, url: str, number: int) -> tuple[int, str]:
        document = {"data": {"attributes": created(number)}}
        try:
            answer = http.post(f"{url}{DEPLOYMENT}", json=document)
        except httpx2.HTTPError:
            return 0, ""
        self.statuses.add(answer.status_code)
        if answer.status_code != 200:
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["Retry-After"]) >= 1
            return answer.status_code, ""
        return 200, answer.json()["data"]["id"]


@pytest.fixture
def servers(url: str, tmp_path: Path) -> Iterator[list[serving.Server]]:
    """Two servers with two workers each."""
    with ExitStack() as stack:
        folders = [tmp_path / "one", tmp_path / "two"]
        for folder in folders:
            folder.mkdir()
        yield [
            stack.enter_context(serving.serving(folder, "--workers", "2", database=url))
            for folder in folders
        ]


def assert_holds(url: str, acknowledged: dict[int, str]) -> None:
    """The store has each acknowledged event once, and has derived it as if alone."""
    with Store(url, render) as store:
        org = store.keys.organisation("default")
        stored = {event.id: event for event in store.deployments.everything(org)}
        wait_until_derived(store)
        assert {f"number:{number}": id_ for number, id_ in acknowledged.items()} == {
            event.custom_tags[0]: event.id for event in stored.values()
        }
        assert not wrongly_derived(store, org)


def wait_until_derived(store: Store) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while store.derivations.are_due():
        assert time.monotonic() < until, "nothing derives"
        store.derivations.derive_marked()


def wrongly_derived(store: Store, org: Organisation) -> list[str]:
    wrong: list[str] = []
    for number in range(SERVICES):
        key = SequenceKey(org, f"service-{number}", "production")
        facts = store._database.read(lambda cursor, key=key: whole_sequence(cursor, key))
        wrong += [each.event.id for each in derive(facts.sequence) if each.event != each.deployment]
    return wrong


def test_many_clients_end_in_exactly_the_right_set(url: str, servers: list[serving.Server]) -> None:
    """Each event is sent twice, through both servers, at about the same time."""
    load = Load([server.url for server in servers])
    numbers = list(range(300))
    load.send([number for number in numbers for _ in range(2)])
    assert load.statuses == {200}
    assert sorted(load.acknowledged) == numbers
    assert_holds(url, load.acknowledged)


def test_killing_any_process_loses_nothing_acknowledged(
    url: str, servers: list[serving.Server]
) -> None:
    """Workers are killed with -9 one after another; each is replaced."""
    load = Load([server.url for server in servers])
    rng = Random(1)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(load.send, list(range(1_500)), 100)
        assert load.some.wait(_PATIENCE_SECONDS)
        killed = 0
        while not sending.done() and killed < 4:
            workers = [each for server in servers for each in workers_of(server)]
            if not workers:
                continue
            with suppress(psutil.NoSuchProcess):
                victim = rng.choice(workers)
                victim.kill()
                victim.wait(_PATIENCE_SECONDS)
            killed += 1
        sending.result()
    assert killed == 4
    assert sorted(load.acknowledged) == list(range(1_500))
    assert_holds(url, load.acknowledged)


def test_a_database_that_is_killed_and_comes_back_loses_nothing_acknowledged(
    durable: PostgresqlServer, url: str, servers: list[serving.Server]
) -> None:
    """Meanwhile clients are told 503 and when to come again, never a false 200."""
    load = Load([server.url for server in servers])

    def crash() -> None:
        durable.kill()
        durable.start_again()

    disturbed(load, crash)
    assert_holds(url, load.acknowledged)


def test_a_database_that_is_stopped_and_started_loses_nothing_acknowledged(
    durable: PostgresqlServer, url: str, servers: list[serving.Server]
) -> None:
    load = Load([server.url for server in servers])

    def restart() -> None:
        durable.stop()
        durable.start()

    disturbed(load, restart)
    assert_holds(url, load.acknowledged)


def test_a_synchronous_replica_that_is_promoted_has_all_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    """The servers are given both addresses, and find the one that takes writes."""
    with ExitStack() as stack:
        primary = stack.enter_context(postgresql(quick=False, synchronous_standby_names=""))
        replica = stack.enter_context(replica_of(primary))
        primary.set("synchronous_standby_names", "*")
        url = (
            f"postgresql://theodora@127.0.0.1:{primary.port},127.0.0.1:{replica.port}/postgres"
            "?target_session_attrs=read-write&sslmode=disable"
        )
        server = stack.enter_context(serving.serving(tmp_path, "--workers", "2", database=url))
        load = Load([server.url])

        def fail_over() -> None:
            primary.kill()
            replica.promote()

        disturbed(load, fail_over)
        assert_holds(replica.url(), load.acknowledged)


def disturbed(load: Load, disturb: Callable[[], None]) -> None:
    """Sends until all is acknowledged, and disturbs that when some is."""
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(load.send, list(range(2_000)), 200)
        assert load.some.wait(_PATIENCE_SECONDS)
        disturb()
        sending.result()
    assert sorted(load.acknowledged) == list(range(2_000))
    assert load.statuses <= {200, 503}


def workers_of(server: serving.Server) -> list[psutil.Process]:
    children = psutil.Process(server.process.pid).children()
    return [each for each in children if "spawn_main" in " ".join(each.cmdline())]
