"""Fixtures that tests of several packages share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import serving
from theodora.app import build
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
    """The whole server in this process, asked with both keys unless a request says otherwise."""
    built = build(
        load(
            {
                "THEODORA_DATABASE": f"sqlite:///{tmp_path / 'theodora.db'}",
                "THEODORA_BOOTSTRAP_API_KEY": serving.API_KEY,
                "THEODORA_BOOTSTRAP_APP_KEY": serving.APPLICATION_KEY,
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
