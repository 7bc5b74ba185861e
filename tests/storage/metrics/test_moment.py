"""Work at one moment: one snapshot of rows and columns, whatever is written meanwhile."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any, NamedTuple, TypeVar

import pytest

from actors import TESTER
from theodora.dora import MetricsQuery, Period
from theodora.events import Deployment
from theodora.query import Everything
from theodora.storage import Organisation, Store
from theodora.storage.metrics import metrics

PERIOD = Period(0, 10**18)
QUERY = MetricsQuery(period=PERIOD, as_of_ns=PERIOD.end_ns, interval="total")
T = TypeVar("T")


class Seen(NamedTuple):
    """How many deployments there are by four reads, each of its own."""

    rows: int
    documents: int
    reported: int
    counted: int


def look(store: Store, org: Organisation) -> Seen:
    overall = store.metrics.report(org, QUERY).overall
    return Seen(
        store.deployments.count(),
        len(list(store.deployments.everything(org))),
        overall.total.deployment_frequency.count,
        store.metrics.in_period(org, PERIOD, lambda those: those.count(Everything())),
    )


@pytest.fixture
def deploy(store: Store, org: Organisation) -> Callable[[], None]:
    numbers = count(1)

    def deploy() -> None:
        at_ns = 10**9 * next(numbers)
        event = Deployment(id=f"d{at_ns}", service="web", started_at_ns=at_ns, finished_at_ns=at_ns)
        store.deployments.add(org, event, 1, actor=TESTER).result()

    return deploy


@pytest.fixture
def elsewhere() -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Runs something on another thread, and waits for it."""
    with ThreadPoolExecutor(1) as executor:
        yield lambda work: executor.submit(work).result()


def test_what_others_write_and_read_meanwhile_is_not_seen(
    store: Store,
    org: Organisation,
    deploy: Callable[[], None],
    elsewhere: Callable[[Callable[[], Any]], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Although the cache of columns has gone on; and they are not read a second time."""
    deploy()
    monkeypatch.setattr(metrics, "load_period", None)

    def work() -> list[Seen]:
        seen = [look(store, org)]
        for _ in range(3):
            elsewhere(deploy)
            assert elsewhere(lambda: look(store, org)).reported > 1
            seen.append(look(store, org))
        return seen

    assert store.at_one_moment(work) == [Seen(1, 1, 1, 1)] * 4
    assert look(store, org) == Seen(4, 4, 4, 4)


def test_work_that_is_overtaken_before_its_first_question_begins_again(
    store: Store,
    org: Organisation,
    deploy: Callable[[], None],
    elsewhere: Callable[[Callable[[], Any]], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "load_period", None)
    runs = count(1)

    def work() -> tuple[int, int, Seen]:
        rows = store.deployments.count()
        if next(runs) < 3:
            elsewhere(deploy)
            elsewhere(lambda: look(store, org))
        return rows, next(runs), look(store, org)

    rows, run, seen = store.at_one_moment(work)
    assert (rows, seen) == (1, Seen(1, 1, 1, 1))
    assert run == 4, "one run overtaken, one not"


def test_work_that_is_always_overtaken_is_answered_all_the_same(
    store: Store,
    org: Organisation,
    deploy: Callable[[], None],
    elsewhere: Callable[[Callable[[], Any]], Any],
) -> None:
    def work() -> tuple[int, Seen]:
        rows = store.deployments.count()
        elsewhere(deploy)
        elsewhere(lambda: look(store, org))
        return rows, look(store, org)

    rows, seen = store.at_one_moment(work)
    assert seen == Seen(rows, rows, rows, rows)
    assert look(store, org).rows == rows + 1


def test_the_snapshot_ends_with_the_work_and_with_its_error(
    store: Store, org: Organisation, deploy: Callable[[], None]
) -> None:
    def fail() -> None:
        look(store, org)
        raise LookupError

    for number in range(1, 4):
        deploy()
        with pytest.raises(LookupError):
            store.at_one_moment(fail)
        assert store.at_one_moment(lambda: look(store, org)) == Seen(*[number] * 4)


def test_a_moment_inside_another_is_the_same(
    store: Store, org: Organisation, deploy: Callable[[], None], elsewhere: Callable[..., Any]
) -> None:
    def work() -> tuple[Seen, Seen]:
        before = look(store, org)
        elsewhere(deploy)
        return before, store.at_one_moment(lambda: look(store, org))

    assert store.at_one_moment(work) == (Seen(0, 0, 0, 0),) * 2
