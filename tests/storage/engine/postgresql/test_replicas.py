"""Reads from a replica: nobody misses what was acknowledged, and what is left when one is gone.

With a real primary and a real replica that follows it a little late, or stands still.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from actors import TESTER
from asking import DEPLOYMENTS, SHOPIST, Tenant, make_tenant, server_in_process
from postgresql import PostgresqlServer, postgresql, replica_of
from theodora.errors import ReadOnly, UnusableSetting
from theodora.events import Deployment
from theodora.storage import Organisation, ReplicaUse, Store
from visiting import sign_in

_PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[PostgresqlServer, PostgresqlServer]]:
    """A primary and its replica."""
    follows_soon = {"wal_retrieve_retry_interval": "100ms"}
    with postgresql() as primary, replica_of(primary, **follows_soon) as replica:
        yield primary, replica


@pytest.fixture
def urls(pair: tuple[PostgresqlServer, PostgresqlServer]) -> tuple[str, str]:
    """Those of a new database on both."""
    primary, replica = pair
    name = f"replicated_{next(_NUMBERS)}"
    primary.execute(f"CREATE DATABASE {name}")
    return primary.url(name), replica.url(name)


_NUMBERS = itertools.count(1)


@pytest.fixture
def store(urls: tuple[str, str]) -> Iterator[Store]:
    url, read_url = urls
    with Store(url, read_url=read_url) as store:
        yield store


@pytest.fixture
def org(store: Store) -> Organisation:
    return store.keys.ensure_organisation("default", 1, actor=TESTER).result()


def deployment(number: int) -> Deployment:
    return Deployment(id=f"d{number}", service="web", started_at_ns=number, finished_at_ns=number)


def use_of(store: Store) -> ReplicaUse:
    assert store.replica is not None
    return store.replica


def wait_for(is_so: Callable[[], bool]) -> None:
    until_sec = time.monotonic() + _PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < until_sec, "that never came"


def answers_from_replica(store: Store) -> bool:
    before = use_of(store).answered
    store.check()
    return use_of(store).answered > before


@contextmanager
def standing_still(replica: PostgresqlServer) -> Iterator[None]:
    """The replica replays nothing for the length of a `with`."""
    replica.execute("SELECT pg_wal_replay_pause()")
    wait_for(lambda: replica.execute("SELECT pg_get_wal_replay_pause_state()") == [("paused",)])
    try:
        yield
    finally:
        replica.execute("SELECT pg_wal_replay_resume()")


@contextmanager
def stopped(server: PostgresqlServer) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


def test_a_replica_that_has_caught_up_answers_reads(store: Store, org: Organisation):
    store.deployments.add(org, deployment(1), 1, actor=TESTER).result()
    wait_for(lambda: answers_from_replica(store))
    before = use_of(store)
    assert store.deployments.get(org, "d1").service == "web"
    assert use_of(store) == before._replace(answered=before.answered + 1)


def test_all_reads_of_one_moment_go_to_the_same_server(store: Store, org: Organisation):
    """Also if the replica is behind by the second of them."""
    wait_for(lambda: answers_from_replica(store))

    def work() -> tuple[int, int]:
        before = store.deployments.count()
        store.deployments.add(org, deployment(1), 1, actor=TESTER).result()
        return before, store.deployments.count()

    answered, left, _ = use_of(store)
    assert store.at_one_moment(work) == (0, 0)
    assert sum(use_of(store)[:2]) == answered + left + 1
    assert store.deployments.count() == 1


def test_whoever_reads_sees_all_that_was_acknowledged_to_anybody(urls: tuple[str, str]):
    """Two processes' stores share both servers; each reads what the other was just told."""
    url, read_url = urls
    with ExitStack() as stack:
        stores = [stack.enter_context(Store(url, read_url=read_url)) for _ in range(2)]
        org = stores[0].keys.ensure_organisation("default", 1, actor=TESTER).result()
        for each in stores:
            wait_for(lambda each=each: answers_from_replica(each))

        def write_and_look(part: int) -> list[int]:
            missed: list[int] = []
            for number in range(part, 200, 2):
                stores[part].deployments.add(org, deployment(number), 1, actor=TESTER).result()
                if not stores[1 - part].deployments.exists(org, f"d{number}"):
                    missed.append(number)
            return missed

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(write_and_look, range(2))) == [[], []]


def test_a_replica_that_is_behind_is_passed_over_until_it_has_caught_up(
    pair: tuple[PostgresqlServer, PostgresqlServer], store: Store, org: Organisation
):
    wait_for(lambda: answers_from_replica(store))
    with standing_still(pair[1]):
        for number in range(20):
            store.deployments.add(org, deployment(number), 1, actor=TESTER).result()
            assert store.deployments.exists(org, f"d{number}")
        [problem] = use_of(store).problems
        assert "the replica is passed over" in problem
        assert "of the log behind" in problem
    wait_for(lambda: answers_from_replica(store))
    assert use_of(store).problems == ()


def test_derivation_reads_from_the_primary(
    pair: tuple[PostgresqlServer, PostgresqlServer], store: Store, org: Organisation
):
    wait_for(lambda: answers_from_replica(store))
    with standing_still(pair[1]):
        store.deployments.add(org, deployment(1), 1, actor=TESTER).result()
        before = use_of(store)
        assert store.derivations.derive_all_queued(actor=TESTER) == 1
        assert use_of(store) == before
        assert store.deployments.get(org, "d1").change_failure is False


def test_without_the_replica_the_primary_answers(
    pair: tuple[PostgresqlServer, PostgresqlServer], store: Store, org: Organisation
):
    with stopped(pair[1]):
        store.deployments.add(org, deployment(1), 1, actor=TESTER).result()
        assert store.deployments.exists(org, "d1")
        [problem] = use_of(store).problems
        assert "the replica is passed over" in problem
    wait_for(lambda: answers_from_replica(store))


def test_without_the_primary_the_replica_answers_and_writes_are_refused(
    pair: tuple[PostgresqlServer, PostgresqlServer], store: Store, org: Organisation
):
    store.deployments.add(org, deployment(1), 1, actor=TESTER).result()
    wait_for(lambda: answers_from_replica(store))
    with stopped(pair[0]):
        assert store.deployments.exists(org, "d1")
        with pytest.raises(ReadOnly, match="send the same request again"):
            store.deployments.add(org, deployment(2), 1, actor=TESTER).result()
        [problem] = use_of(store).problems
        assert "nothing can be written" in problem
    wait_for(lambda: _is_taken(store, org, deployment(2)))
    assert store.deployments.exists(org, "d2")
    wait_for(lambda: answers_from_replica(store))
    assert use_of(store).problems == ()


def _is_taken(store: Store, org: Organisation, event: Deployment) -> bool:
    return store.deployments.add(org, event, 1, actor=TESTER).exception() is None


@pytest.fixture
def tenant(urls: tuple[str, str], tmp_path: Path) -> Iterator[Tenant]:
    """At a whole server in this process."""
    url, read_url = urls
    with server_in_process(tmp_path, database=url, read_database_url=read_url) as server:
        yield make_tenant(*server)


def test_lists_and_pages_show_what_was_just_sent(
    pair: tuple[PostgresqlServer, PostgresqlServer], tenant: Tenant
):
    browser = sign_in(tenant)
    wait_for(lambda: answers_from_replica(tenant.built.store))
    with standing_still(pair[1]):
        id_ = tenant.create(SHOPIST)
        assert tenant.ids(from_="2023-01-01T00:00:00Z", to="2024-01-01T00:00:00Z") == [id_]
        page = browser.page(f"/deployments/{id_}")
        assert "shopist" in page.text
        ready = tenant.client.get("/readyz")
        assert ready.status_code == 200
        assert ready.text.startswith("ready\nthe replica is passed over")
    metrics = tenant.client.get("/metrics").text
    assert 'theodora_reads_total{answered_by="primary"}' in metrics
    assert 'theodora_reads_total{answered_by="replica"}' in metrics


def test_a_server_without_its_primary_shows_what_there_is_and_says_that_it_cannot_write(
    pair: tuple[PostgresqlServer, PostgresqlServer], tenant: Tenant
):
    browser = sign_in(tenant)
    id_ = tenant.create(SHOPIST)
    wait_for(lambda: answers_from_replica(tenant.built.store))
    with stopped(pair[0]):
        assert tenant.get(id_)["service"] == "shopist"
        assert "shopist" in browser.page(f"/deployments/{id_}").text
        for refused in (
            tenant.send(SHOPIST),
            tenant.patch(id_, {"change_failure": True}),
            tenant.delete(id_),
        ):
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
            [error] = refused.json()["errors"]
            assert error["detail"].startswith("nothing can be written now")
        ready = tenant.client.get("/readyz")
        assert ready.status_code == 200
        assert "nothing can be written" in ready.text
    wait_for(lambda: tenant.send(SHOPIST).status_code == 200)
    assert tenant.client.get(f"{DEPLOYMENTS}/{id_}", headers=tenant.keys).status_code == 200


@pytest.mark.parametrize(
    ("url", "read_url"),
    [
        ("sqlite:///a.db", "postgresql://replica/theodora"),
        ("postgresql://primary/theodora", "sqlite:///a.db"),
    ],
)
def test_only_postgresql_has_replicas(url: str, read_url: str):
    with pytest.raises(UnusableSetting, match="a SQLite file has none"):
        Store(url, read_url=read_url)
