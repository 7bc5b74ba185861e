"""Fixtures that tests of several packages share."""

import gc
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog
from starlette.testclient import TestClient

import serving
from actors import TESTER
from asking import Tenant, make_tenant, server_in_process
from databases import KINDS, Databases
from forked_serving import forked
from postgresql import ON_CITUS, PROGRAMS, PostgresqlServer, either_kind
from settling import hold_index, open_settled_stores
from statements import WATCH
from theodora.app import Built, build
from theodora.config import load
from theodora.storage import Organisation, Store

_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 * 2**30

_SERVER_OF_ALL_WORKERS = pytest.StashKey[tuple[ExitStack, PostgresqlServer]]()


def pytest_configure() -> None:
    """Keeps files of tests in memory where there is room, so that commits wait for no disk.

    Every statement that tests have the store send is looked at, see `statements.py`.
    """
    WATCH.begin()
    if "TMPDIR" not in os.environ and _has_room(_MEMORY):
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Exempts from garbage collection what lives to the end: modules and collected tests.

    Going through it took a fifth of the collection's time, and a twentieth of the tests' after it.
    Garbage of the collection stays too: finding it takes longer than it is worth.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Takes back how a command has configured logs: others would not find theirs.

    Fails a test whose statements leave out the organisation.
    """
    try:
        return (yield)
    finally:
        structlog.reset_defaults()
        WATCH.check()


def _has_room(folder: Path) -> bool:
    """Whether it takes the files of all tests, and programs that they start from there."""
    if not os.access(folder, os.W_OK) or os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return False
    return min(shutil.disk_usage(folder).free, psutil.virtual_memory().available) >= _ROOM_BYTES


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Of tests in several processes, all use one PostgreSQL server.

    Unless they leave those on PostgreSQL out, as `make quick` does: to make one takes seconds.
    """
    if "not postgresql" in node.config.option.keyword:
        return
    stash = node.config.stash
    if _SERVER_OF_ALL_WORKERS not in stash:
        stack = ExitStack()
        stash[_SERVER_OF_ALL_WORKERS] = stack, stack.enter_context(either_kind())
    server = stash[_SERVER_OF_ALL_WORKERS][1]
    node.workerinput["postgresql"] = str(server.folder), server.port


def pytest_unconfigure(config: pytest.Config) -> None:
    if _SERVER_OF_ALL_WORKERS in config.stash:
        config.stash[_SERVER_OF_ALL_WORKERS][0].close()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Ends in one plain line: what was not tested here, and why."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    told = "; ".join(f"{count} as {reason}" for reason, count in reasons.most_common())
    terminalreporter.write_line(f"Not tested on this machine: {told or 'nothing, all was tested'}.")


@pytest.fixture(scope="session")
def postgresql_server(request: pytest.FixtureRequest) -> Iterator[PostgresqlServer]:
    """A PostgreSQL server that keeps nothing on the disk for sure."""
    shared = getattr(request.config, "workerinput", {}).get("postgresql")
    if shared:
        folder, port = shared
        yield PostgresqlServer(Path(folder), port, PROGRAMS, {})
    else:
        with either_kind() as server:
            yield server


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    """As that of xdist, which is not there with `-p no:xdist`."""
    return getattr(request.config, "workerinput", {}).get("workerid", "master")


@pytest.fixture(scope="session")
def postgresql_databases(postgresql_server: PostgresqlServer, worker_id: str) -> Databases:
    return Databases(postgresql_server, worker_id, on_citus=ON_CITUS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for databases runs on each kind, or on the kinds that its mark names."""
    if "databases" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("databases")
        kinds = mark.args if mark else KINDS
        metafunc.parametrize("databases", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Databases:
    if request.param == "sqlite":
        return Databases(None)
    return request.getfixturevalue("postgresql_databases")


@pytest.fixture
def database(databases: Databases, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    with databases.new(tmp_path) as url:
        yield url


@pytest.fixture
def index(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state of the index of `store` and of `tenant`'s server.

    By default it is what the time between two calls makes it; tests whose result must not depend
    on it are marked with `settling.in_every_state`.
    """
    if state := getattr(request, "param", None):
        hold_index(monkeypatch, state)


@pytest.fixture
def store(database: str, index: None) -> Iterator[Store]:
    """An empty store in a real database."""
    with Store(database) as store:
        yield store


@pytest.fixture
def org(store: Store) -> Organisation:
    return store.keys.ensure_organisation("default", 1, actor=TESTER).result()


@pytest.fixture
def client(database: str, tmp_path: Path) -> Iterator[TestClient]:
    """The whole server in this process, asked with both keys unless a request says otherwise.

    It derives nothing: what a request changes stays as it is.
    """
    built = build(
        load(
            {
                "THEODORA_DATABASE": database,
                "THEODORA_BOOTSTRAP_API_KEY": serving.API_KEY,
                "THEODORA_BOOTSTRAP_APP_KEY": serving.APPLICATION_KEY,
                "THEODORA_GIT_FOLDER": str(tmp_path / "git"),
                "THEODORA_METRICS_FOLDER": str(tmp_path / "columns"),
                "THEODORA_DERIVE": "no",
            },
            {},
        )
    )
    with TestClient(built.application, headers=serving.KEYS) as client:
        yield client


@pytest.fixture(scope="session")
def server(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[serving.Server]:
    """A server in a process of its own, shared by tests that do not mind each other's events."""
    folder = tmp_path_factory.mktemp("server")
    with databases.new(folder) as url, forked(folder, database=url) as server:
        yield server


@pytest.fixture(scope="session")
def shared_database(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of the shared server's database."""
    with databases.new(tmp_path_factory.mktemp("shared")) as url:
        yield url


@pytest.fixture(scope="session")
def shared_server(
    shared_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Built, TestClient]]:
    """A whole server in this process, shared by tests that each ask for a tenant.

    It derives nothing: what a request changes stays as it is.
    """
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            open_settled_stores(patch)
            server = server_in_process(
                tmp_path_factory.mktemp("shared"),
                database=shared_database,
                rate_limit_unauthenticated="1000000/60",
                derive="no",
            )
            opened = stack.enter_context(server)
        yield opened


@pytest.fixture
def tenant(shared_server: tuple[Built, TestClient], index: None) -> Tenant:
    """A new organisation at the shared server: it holds nothing, and no test sees another's."""
    return make_tenant(*shared_server)


@pytest.fixture
def other_tenant(shared_server: tuple[Built, TestClient]) -> Tenant:
    """Another organisation at the same server."""
    return make_tenant(*shared_server)
