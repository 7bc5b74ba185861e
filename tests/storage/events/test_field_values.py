"""The services of an organisation are listed whether the index knows their events or not."""

import pytest

from actors import TESTER
from settling import STATES
from theodora.events import Deployment, Failure
from theodora.storage import Organisation, Store

pytestmark = pytest.mark.parametrize("index", STATES, indirect=True)


@pytest.fixture(autouse=True)
def events(store: Store, org: Organisation) -> None:
    for service in ("cart", "web", "cart", "pay", "Web", "web:eu"):
        event = Deployment(service=service, started_at_ns=10**18, finished_at_ns=10**18)
        store.deployments.add(org, event, 1, actor=TESTER).result()
    store.failures.add(
        org, Failure(services=("pay", "mail"), started_at_ns=10**18), 1, actor=TESTER
    ).result()


def names(store: Store, org: Organisation, after: str = "", limit: int = 100) -> list[str]:
    return [service.name for service in store.settings.services(org, after, limit)]


def test_each_is_listed_once_in_order(store: Store, org: Organisation) -> None:
    assert names(store, org) == ["Web", "cart", "mail", "pay", "web", "web:eu"]


def test_pages_follow_one_another(store: Store, org: Organisation) -> None:
    assert names(store, org, limit=2) == ["Web", "cart"]
    assert names(store, org, "cart", limit=2) == ["mail", "pay"]
    assert names(store, org, "n", limit=2) == ["pay", "web"]
    assert names(store, org, "web") == ["web:eu"]
    assert names(store, org, "web:eu") == []
