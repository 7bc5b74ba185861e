"""The forty worked examples, through a running server and its background worker."""

import itertools
import time
from collections.abc import Iterator

import httpx2
import pytest

import serving
from actors import TESTER
from golden import examples
from golden.compare import differences
from golden.examples import Example
from golden.served import Served
from theodora.storage import Store
from theodora.storage.access.key_secrets import KeyKind, new_secret
from theodora.storage.access.keys import PERMISSIONS_OF

_numbers = itertools.count()


@pytest.fixture(scope="module")
def store(server: serving.Server) -> Iterator[Store]:
    """The store of the running server, opened beside it as commands do."""
    with Store(server.database_url) as store:
        yield store


@pytest.fixture
def served(server: serving.Server, store: Store) -> Iterator[Served]:
    name = f"example {next(_numbers)}"
    now_ns = time.time_ns()
    organisation = store.keys.ensure_organisation(name, now_ns, actor=TESTER).result()
    keys = {
        "DD-API-KEY": _key(store, name, "api"),
        "DD-APPLICATION-KEY": _key(store, name, "application"),
    }
    with httpx2.Client(base_url=server.url, headers=keys) as client:
        yield Served(client, store, organisation)


def _key(store: Store, organisation: str, kind: KeyKind) -> str:
    secret = new_secret(kind)
    permissions = frozenset(PERMISSIONS_OF[kind])
    store.keys.add(
        organisation, kind, secret, name="test", permissions=permissions, now_ns=1, actor=TESTER
    ).result()
    return secret


@pytest.mark.parametrize("example", examples.load(), ids=str)
def test_an_example_comes_out_as_worked_by_hand(example: Example, served: Served):
    assert list(differences(example.expect, served.observe(example), example.id)) == []
