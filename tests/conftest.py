"""Fixtures that tests of several packages share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import serving
from asking import Tenant, make_tenant, server_in_process
from theodora.app import Built, build
from theodora.config import load
from theodora.storage import Organisation, Store
from theodora.web.wire import render


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store in a real SQLite file."""
    with Store(f"sqlite:///{tmp_path / 'theodora.db'}", render) as store:
        yield store


@pytest.fixture
def org(store: Store) -> Organisation:
    return store.keys.ensure_organisation("default", 1).result()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """The whole server in this process, asked with both keys unless a request says otherwise.

    It derives nothing: what a request changes stays as it is.
    """
    built = build(
        load(
            {
                "THEODORA_DATABASE": f"sqlite:///{tmp_path / 'theodora.db'}",
                "THEODORA_BOOTSTRAP_API_KEY": serving.API_KEY,
                "THEODORA_BOOTSTRAP_APP_KEY": serving.APPLICATION_KEY,
                "THEODORA_DERIVE": "no",
            },
            {},
        )
    )
    with TestClient(built.application, headers=serving.KEYS) as client:
        yield client


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    """A server in a process of its own, shared by tests that do not mind each other's events."""
    with serving.serving(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def shared_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Built, TestClient]]:
    """A whole server in this process, shared by tests that each ask for a tenant.

    It derives nothing: what a request changes stays as it is.
    """
    with server_in_process(
        tmp_path_factory.mktemp("shared"), rate_limit_unauthenticated="1000000/60", derive="no"
    ) as server:
        yield server


@pytest.fixture
def tenant(shared_server: tuple[Built, TestClient]) -> Tenant:
    """A new organisation at the shared server: it holds nothing, and no test sees another's."""
    return make_tenant(*shared_server)
