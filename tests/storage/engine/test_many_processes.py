"""Several servers of several processes over one PostgreSQL: what was answered 200 is there once.

With real processes and a real server whose commits wait for the disk.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random

import psutil
import pytest

import serving
from databases import Databases
from loading import PATIENCE_SECONDS, Found, Load, found, two_servers, workers_of
from postgresql import ON_CITUS, PostgresqlServer, either_kind, either_url, followed

RIGHT = Found(lost=0, doubled=0, wrongly_derived=[])


@pytest.fixture(scope="module")
def durable() -> Iterator[PostgresqlServer]:
    with either_kind(quick=False) as server:
        yield server


@pytest.fixture(scope="module")
def durable_databases(durable: PostgresqlServer) -> Databases:
    return Databases(durable, on_citus=ON_CITUS)


@pytest.fixture
def url(durable_databases: Databases, tmp_path: Path) -> Iterator[str]:
    with durable_databases.new(tmp_path) as url:
        yield url


@pytest.fixture
def servers(url: str, tmp_path: Path) -> Iterator[list[serving.Server]]:
    with two_servers(tmp_path, url) as servers:
        yield servers


def test_many_clients_end_in_exactly_the_right_set(url: str, servers: list[serving.Server]) -> None:
    """Each event is sent twice, through both servers, at about the same time."""
    load = Load([server.url for server in servers])
    numbers = list(range(300))
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
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(load.send, list(range(1_500)), 100)
        assert load.some.wait(PATIENCE_SECONDS)
        killed = 0
        while not sending.done() and killed < 4:
            workers = [each for server in servers for each in workers_of(server)]
            if not workers:
                continue
            with suppress(psutil.NoSuchProcess):
                victim = rng.choice(workers)
                victim.kill()
                victim.wait(PATIENCE_SECONDS)
            killed += 1
        sending.result()
    assert killed == 4
    assert sorted(load.acknowledged) == list(range(1_500))
    assert found(url, load.acknowledged) == RIGHT


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
    load.disturbed(disturb, 1_000, after=200)
    assert sorted(load.acknowledged) == list(range(1_000))
    assert load.statuses.keys() <= {200, 503}
    assert found(url, load.acknowledged) == RIGHT
