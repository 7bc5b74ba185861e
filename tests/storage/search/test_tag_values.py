"""The keys and values of custom tags, found in the index and in what it does not know yet."""

import pytest

from actors import TESTER
from settling import in_every_state
from theodora.events import Deployment
from theodora.storage import Organisation, Store

pytestmark = in_every_state

TAGS = (
    *("region:eu", "region:us", "region:us", "build:12", "build:7", "build:next", "empty:"),
    *("region-zone:a", "Region:EU", "a b:c", "é:ü", "url:http://x", "regio:n", "zz:\U0001f680"),
)


def add(store: Store, org: Organisation, *tags: str) -> None:
    number = store.deployments.count() + 1
    event = Deployment(
        service="web", started_at_ns=number, finished_at_ns=number, custom_tags=tuple(set(tags))
    )
    store.deployments.add(org, event, 1, actor=TESTER).result()


@pytest.fixture
def tagged(store: Store, org: Organisation) -> Store:
    """A store with `TAGS`."""
    for tag in TAGS:
        add(store, org, tag, "service:x")
    return store


def test_keys_are_told_in_order(tagged: Store, org: Organisation) -> None:
    keys = sorted({tag.partition(":")[0] for tag in TAGS} | {"service"})
    assert tagged.deployments.tag_keys(org, 100) == keys
    assert tagged.deployments.tag_keys(org, 3) == keys[:3]


def test_values_are_told_in_order(tagged: Store, org: Organisation) -> None:
    def values(key: str, beginning: str = "", limit: int = 100) -> list[str]:
        return tagged.deployments.tag_values(org, key, beginning, limit)

    assert values("region") == ["eu", "us"]
    assert values("region", "u") == ["us"]
    assert values("build") == ["12", "7", "next"]
    assert values("build", "", 2) == ["12", "7"]
    assert values("build", "1") == ["12"]
    assert values("empty") == [""]
    assert values("url", "http:") == ["http://x"]
    assert values("zz") == ["\U0001f680"]
    assert values("regio") == ["n"]
    assert values("no such") == values("") == values("region", "x\0") == []


def test_nobody_sees_the_tags_of_others(tagged: Store) -> None:
    other = tagged.keys.ensure_organisation("other", 1, actor=TESTER).result()
    assert tagged.deployments.tag_keys(other, 100) == []
    assert tagged.deployments.tag_values(other, "region", "", 100) == []
