"""A store that Citus keeps on another server than the one it is asked at.

`make citus` runs every test of the store so.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from actors import TESTER
from databases import Databases
from postgresql import HAS_CITUS, PostgresqlServer, citus
from theodora.cli import main
from theodora.events import Deployment
from theodora.query import Kind, parse, sort_key
from theodora.storage import Selection, Store
from theodora.storage.engine.migrate import migrations

needs_citus = pytest.mark.skipif(not HAS_CITUS, reason="Citus is not installed here")


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[PostgresqlServer, PostgresqlServer]]:
    """A coordinator, and the worker that holds what is distributed."""
    with citus() as servers:
        yield servers


def distributed(url: str) -> list[str]:
    """What `theodora migrate --distribute` prints."""
    done = CliRunner().invoke(main, ["migrate", "--distribute"], env={"THEODORA_DATABASE": url})
    return done.output.splitlines()


@needs_citus
def test_a_distributed_store_lies_on_the_worker_and_serves_as_ever(
    cluster: tuple[PostgresqlServer, PostgresqlServer],
):
    coordinator, worker = cluster
    coordinator.execute("CREATE SCHEMA shopist")
    url = coordinator.url(options="-csearch_path%3Dshopist")
    assert distributed(url)[-1] == "the store is distributed"
    assert distributed(url) == ["the database is up to date", "the store is distributed already"]
    shards = coordinator.execute(
        "SELECT DISTINCT nodeport FROM citus_shards WHERE table_name::text = 'shopist.deployments'"
    )
    assert shards == [(worker.port,)]
    with Store(url) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        for number in range(3):
            event = Deployment(
                id=f"d{number}",
                service="web",
                started_at_ns=number,
                finished_at_ns=number,
                custom_tags=(f"number:{number}",),
            )
            store.deployments.add(org, event, 1, actor=TESTER).result()
        assert store.derivations.derive_all_queued(actor=TESTER) == 1
        by_start = sort_key("started_at", Kind.DEPLOYMENT)
        assert by_start
        selection = Selection(query=parse("number:1"), sort=by_start, limit=10)
        [found] = store.deployments.select(org, selection)
        assert (found.id, found.change_failure) == ("d1", False)


@needs_citus
def test_migrations_of_later_versions_reach_the_worker(
    cluster: tuple[PostgresqlServer, PostgresqlServer],
):
    """As all of them do in a schema that is distributed before the first."""
    coordinator, worker = cluster
    coordinator.execute("CREATE SCHEMA early")
    coordinator.execute("SELECT citus_schema_distribute('early')")
    told = distributed(coordinator.url(options="-csearch_path%3Dearly"))
    assert len(told) == len(migrations("postgresql")) + 1
    assert told[-1] == "the store is distributed already"
    functions = worker.execute(
        "SELECT count(*) FROM pg_proc WHERE pronamespace = 'early'::regnamespace"
    )
    assert functions == coordinator.execute(
        "SELECT count(*) FROM pg_proc WHERE pronamespace = 'early'::regnamespace"
    )


@needs_citus
def test_workers_plan_as_the_store_expects(cluster: tuple[PostgresqlServer, PostgresqlServer]):
    coordinator, worker = cluster
    coordinator.execute("CREATE SCHEMA planned")
    distributed(coordinator.url(options="-csearch_path%3Dplanned"))
    assert worker.execute("SHOW enable_seqscan") == [("off",)]


@needs_citus
def test_the_schema_public_cannot_be_distributed(
    cluster: tuple[PostgresqlServer, PostgresqlServer],
):
    assert "make one with CREATE SCHEMA" in distributed(cluster[0].url())[-1]


def test_without_citus_nothing_is_distributed(postgresql_databases: Databases, tmp_path: object):
    with postgresql_databases.new(tmp_path) as url:  # type: ignore[arg-type]
        assert "the database has no Citus: install it" in distributed(url)[-1]


def test_a_sqlite_file_cannot_be_distributed(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'theodora.db'}"
    assert "a SQLite file cannot be distributed" in distributed(url)[-1]
