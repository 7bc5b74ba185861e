"""Several servers of several processes over one PostgreSQL: what was answered 200 is there once.

With real processes and a real server whose commits wait for the disk.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from threading import Event

import psutil
import pytest

import serving
from databases import Databases
from loading import PATIENCE_SECONDS, Found, Load, found, two_servers, workers_of
from postgresql import ON_CITUS, PostgresqlServer, either_kind, either_url, followed

pytestmark = pytest.mark.slow

RIGHT = Found(lost=0, doubled=0, wrongly_derived=[])


@pytest.fixture(scope="module")
def durable() -> Iterator[PostgresqlServer]:
    with either_kind(quick=False) as server:
        yield server


@pytest.fixture(scope="module")
def durable_databases(durable: PostgresqlServer) -> Databases:
    return Databases(durable, on_citus=ON_CITUS)


@pytest.fixture(scope="module")
def url(durable_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with durable_databases.new(tmp_path_factory.mktemp("database")) as url:
        yield url


@pytest.fixture(scope="module")
def servers(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[serving.Server]]:
    """For all tests: each sends events of its own, and looks at those of the earlier ones too."""
    with two_servers(tmp_path_factory.mktemp("servers"), url) as servers:
        yield servers


_numbers = itertools.count()


def new_numbers(count: int) -> list[int]:
    """Those of events that no other test sends."""
    return [*itertools.islice(_numbers, count)]


def test_many_clients_end_in_exactly_the_right_set(url: str, servers: list[serving.Server]) -> None:
    """Each event is sent twice, through both servers, at about the same time.

    It comes first: after what happens in the others, servers may refuse some for a while.
    """
    load = Load([server.url for server in servers])
    numbers = new_numbers(300)
    load.send([number for number in numbers for _ in range(2)])
    assert load.statuses.keys() == {200}
    assert sorted(load.acknowledged) == numbers
    assert found(url, load.acknowledged) == RIGHT


def test_killing_any_process_loses_nothing_acknowledged(
    url: str, servers: list[serving.Server]
) -> None:
    """Workers are killed with -9 one after another; each is replaced."""
    load = Load([server.url for server in servers])
    rng = Random(1)
    is_over = Event()
    sent: list[int] = []

    def numbers() -> Iterator[int]:
        while not is_over.is_set():
            sent.extend(new_numbers(1))
            yield sent[-1]

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(load.send, numbers())
        try:
            for _ in range(4):
                wait_for_more(load, 50)
                kill_one([each for server in servers for each in workers_of(server)], rng)
            wait_for_more(load, 50)
        finally:
            is_over.set()
        sending.result()
    assert sorted(load.acknowledged) == sent
    assert found(url, load.acknowledged) == RIGHT


def wait_for_more(load: Load, count: int) -> None:
    """Until so many more are acknowledged."""
    enough = len(load.acknowledged) + count
    until = time.monotonic() + PATIENCE_SECONDS
    while len(load.acknowledged) < enough:
        assert time.monotonic() < until, "nothing is acknowledged any more"
        time.sleep(0.02)


def kill_one(workers: list[psutil.Process], rng: Random) -> None:
    victim = rng.choice(workers)
    victim.kill()
    victim.wait(PATIENCE_SECONDS)


def test_a_database_that_is_killed_and_comes_back_loses_nothing_acknowledged(
    durable: PostgresqlServer, url: str, servers: list[serving.Server]
) -> None:
    def crash() -> None:
        durable.kill()
        durable.start_again()

    assert_loses_nothing(Load([server.url for server in servers]), url, crash)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_database_that_is_stopped_and_started_loses_nothing_acknowledged(
    durable: PostgresqlServer, url: str, servers: list[serving.Server], mode: str
) -> None:
    def restart() -> None:
        durable.stop(mode)
        durable.start()

    assert_loses_nothing(Load([server.url for server in servers]), url, restart)


@pytest.mark.skipif(ON_CITUS, reason="replicas of servers of Citus are not tested")
def test_a_synchronous_replica_that_is_promoted_has_all_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    """The servers are given both addresses, and find the one that takes writes."""
    with (
        followed() as (primary, replica),
        two_servers(tmp_path, either_url(primary, replica)) as servers,
    ):

        def fail_over() -> None:
            primary.kill()
            replica.promote()

        assert_loses_nothing(Load([server.url for server in servers]), replica.url(), fail_over)


def assert_loses_nothing(load: Load, url: str, disturb: Callable[[], None]) -> None:
    """Meanwhile clients are told 503 and when to come again, never a false 200."""
    numbers = new_numbers(400)
    load.disturbed(disturb, numbers, after=100)
    assert sorted(load.acknowledged) == numbers
    assert load.statuses.keys() <= {200, 503}
    assert found(url, load.acknowledged) == RIGHT
