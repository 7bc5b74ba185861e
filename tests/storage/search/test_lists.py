"""A list shows each event once, whether the index knows the events or does not yet."""

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from actors import TESTER
from settling import in_every_state
from theodora.events import Deployment, Failure, Git
from theodora.query import Kind, parse, sort_key
from theodora.storage import Organisation, Selection, Store

pytestmark = in_every_state

IDS = ("1", "2", "3", "4")


def deployment(id_: str) -> Deployment:
    """One with the same words in its service, its repository and tags, and two builds."""
    return Deployment(
        id=id_,
        service="checkout-api",
        started_at_ns=10**18 - int(id_),
        finished_at_ns=10**18,
        git=Git("66adc9350f2cc9b250b69abddab733dd55e1a588", "https://x.example/acme/checkout-api"),
        custom_tags=("runbook:checkout-api", "build:7", "build:8", "build:next"),
    )


def failure(id_: str) -> Failure:
    return Failure(
        id=id_,
        services=("web-eu", "web-us", "pay"),
        started_at_ns=10**18 - int(id_),
        name="checkout api down",
        custom_tags=("runbook:checkout-api", "page:checkout-api"),
    )


REPEATED_WORDS = ("checkout-api", '"checkout api"', "*:checkout-api", "check*", "*:check*", "api")
DEPLOYMENT_QUERIES = (
    *REPEATED_WORDS,
    *("tags:*", "tags:*checkout*", "build:*", "build:[7 TO 8]", "build:>6", "build:[7 TO z]"),
)
FAILURE_QUERIES = (
    *REPEATED_WORDS,
    *("tags:*", "service:*", "service:web*", "service:[a TO z]", "_exists_:service"),
)


@pytest.fixture
def filled(store: Store, org: Organisation) -> Store:
    for id_ in IDS:
        store.deployments.add(org, deployment(id_), 1, actor=TESTER)
        store.failures.add(org, failure(id_), 1, actor=TESTER).result()
    return store


def both_lists(events: Any) -> Iterable[Callable[[Organisation, Selection], Iterable[str]]]:
    """The ids of selected events, and those of rendered ones."""
    return (
        lambda *asked: (each.id for each in events.select(*asked)),
        lambda *asked: (id_ for id_, *_ in events.documents(*asked).documents),
    )


def listed(
    select: Callable[[Organisation, Selection], Iterable[str]],
    org: Organisation,
    kind: Kind,
    queries: Iterable[str],
    limit: int,
) -> dict[tuple[str, str], tuple[str, ...]]:
    """The ids in the list of each query, in the order of postings and in that of no index."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for query, sort in product(queries, ("started_at", "env")):
        by = sort_key(sort, kind)
        assert by
        asked = Selection(query=parse(query), sort=by, limit=limit)
        found[query, sort] = tuple(select(org, asked))
    return found


@pytest.mark.parametrize("limit", [3, 100])
def test_a_list_shows_each_deployment_once(filled: Store, org: Organisation, limit: int) -> None:
    for select in both_lists(filled.deployments):
        found = listed(select, org, Kind.DEPLOYMENT, DEPLOYMENT_QUERIES, limit)
        assert found == dict.fromkeys(found, IDS[:limit])


@pytest.mark.parametrize("limit", [3, 100])
def test_a_list_shows_each_failure_once(filled: Store, org: Organisation, limit: int) -> None:
    for select in both_lists(filled.failures):
        found = listed(select, org, Kind.FAILURE, FAILURE_QUERIES, limit)
        assert found == dict.fromkeys(found, IDS[:limit])


@pytest.mark.parametrize("descending", [True, False])
def test_of_events_that_start_together_those_with_the_least_ids_come_first(
    store: Store, org: Organisation, descending: bool
) -> None:
    """Their postings are in another order, and the end of a list may divide them."""
    starts = [5] * 4 + [7] * 4
    for id_, start in zip("hgfedcba", starts, strict=True):
        event = replace(deployment("1"), id=id_, started_at_ns=start)
        store.deployments.add(org, event, 1, actor=TESTER).result()
    whole = "abcdefgh" if descending else "efghabcd"
    sort = sort_key("started_at", Kind.DEPLOYMENT)
    assert sort is not None
    for select, limit in product(both_lists(store.deployments), range(1, 9)):
        asked = Selection(
            query=parse("service:checkout-api"),
            sort=sort,
            descending=descending,
            limit=limit,
        )
        assert "".join(select(org, asked)) == whole[:limit]
