"""The background worker."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from actors import TESTER
from theodora.events import Deployment, Git
from theodora.storage import Actor, Organisation, Store
from theodora.storage.derivation.run import Want
from theodora.storage.derivation.worker import Deriver, Growth
from theodora.storage.engine.deadline import current_deadline
from theodora.storage.facts.derivation_queue import Changed, SequenceKey

_PATIENCE_SECONDS = 20


class _Watched:
    """Derivations that say when a look has found nothing left to do."""

    def __init__(self, store: Store) -> None:
        self._derivations = store.derivations
        self.idle = threading.Event()
        self.failures_left = 0
        self.waits_for_end = False
        self.waiting = threading.Event()

    def derive_queued(
        self,
        rest: Callable[[float], bool],
        want: Want,
        is_ripe: Callable[[SequenceKey, Changed], bool],
        *,
        actor: Actor,
    ) -> int:
        def is_ripe_in_the_end(key: SequenceKey, changed: Changed) -> bool:
            """Where it waits, the worker is stopped just before the sequence is derived."""
            self.waiting.set()
            deadline = current_deadline()
            assert deadline
            until_sec = time.monotonic() + _PATIENCE_SECONDS
            while self.waits_for_end and not deadline.is_over and time.monotonic() < until_sec:
                time.sleep(0.01)
            return is_ripe(key, changed)

        if self.failures_left:
            self.failures_left -= 1
            raise RuntimeError("a passing trouble")
        derived = self._derivations.derive_queued(rest, want, is_ripe_in_the_end, actor=actor)
        if not derived:
            self.idle.set()
        return derived


@pytest.fixture
def watched(store: Store) -> _Watched:
    return _Watched(store)


@pytest.fixture
def due() -> threading.Event:
    return threading.Event()


@pytest.fixture
def wanted() -> list[tuple[str, str]]:
    """The organisations and repositories whose commits the deriver has asked for."""
    return []


@pytest.fixture
def deriver(
    watched: _Watched, due: threading.Event, wanted: list[tuple[str, str]]
) -> Iterator[Deriver]:
    deriver = Deriver(watched, due, lambda org, id_: wanted.append((org.uuid, id_)))
    yield deriver
    deriver.stop()


def add(store: Store, org: Organisation) -> None:
    event = Deployment(id="d1", service="web", started_at_ns=1, finished_at_ns=1)
    store.deployments.add(org, event, 1, actor=TESTER).result()


def test_what_was_marked_before_the_start_is_worked_off(
    store: Store, org: Organisation, watched: _Watched, deriver: Deriver
):
    add(store, org)
    deriver.start()
    assert watched.idle.wait(_PATIENCE_SECONDS)
    assert store.deployments.get(org, "d1").change_failure is False


def test_what_is_marked_later_is_worked_off_when_it_is_due(
    store: Store, org: Organisation, watched: _Watched, deriver: Deriver, due: threading.Event
):
    deriver.start()
    assert watched.idle.wait(_PATIENCE_SECONDS)
    add(store, org)
    watched.idle.clear()
    due.set()
    assert watched.idle.wait(_PATIENCE_SECONDS)
    assert store.deployments.get(org, "d1").change_failure is False


def test_commits_of_new_deployments_are_wanted_where_they_are_not_known(
    store: Store,
    org: Organisation,
    watched: _Watched,
    deriver: Deriver,
    due: threading.Event,
    wanted: list[tuple[str, str]],
):
    git = Git("0" * 40, "https://example.org/app")
    unknown = Deployment(id="d0", service="web", started_at_ns=0, finished_at_ns=0, git=git)
    store.deployments.add(org, unknown, 1, actor=TESTER).result()
    deriver.start()
    assert watched.idle.wait(_PATIENCE_SECONDS)
    add(store, org)
    watched.idle.clear()
    due.set()
    assert watched.idle.wait(_PATIENCE_SECONDS)
    assert wanted == [(org.uuid, "example.org/app")]


def test_a_failure_is_logged_and_tried_again(
    store: Store, org: Organisation, watched: _Watched, deriver: Deriver
):
    add(store, org)
    watched.failures_left = 1
    deriver.start()
    assert watched.idle.wait(_PATIENCE_SECONDS)
    assert store.deployments.get(org, "d1").change_failure is False


def test_the_end_of_the_worker_ends_a_derivation_under_way_whose_mark_stays(
    store: Store, org: Organisation, watched: _Watched, deriver: Deriver
):
    add(store, org)
    watched.waits_for_end = True
    deriver.start()
    assert watched.waiting.wait(_PATIENCE_SECONDS)
    deriver.stop()
    assert store.derivations.are_due()
    assert store.deployments.get(org, "d1").change_failure is None
    assert not store.derivations.parked(org)


def changed(up_to: int, deployments: int) -> Changed:
    return Changed(oldest=1, up_to=up_to, deployments=frozenset(range(deployments)))


def test_a_few_deployments_are_derived_at_once(org: Organisation):
    growth, key = Growth(), SequenceKey(org, "web", None)
    assert all(growth.is_ripe(key, changed(up_to, 10), 0.0) for up_to in range(5))
    assert not growth.is_any


def test_a_sequence_that_grows_fast_is_derived_when_it_pauses(org: Organisation):
    growth, key = Growth(), SequenceKey(org, "web", None)
    assert not growth.is_ripe(key, changed(1_000, 500), 10.0)
    assert not growth.is_ripe(key, changed(2_000, 900), 10.5)
    assert not growth.is_ripe(key, changed(2_000, 900), 10.9)
    assert growth.is_any
    assert growth.is_ripe(key, changed(2_000, 900), 11.0)
    assert not growth.is_any


def test_one_that_never_pauses_is_derived_from_time_to_time(org: Organisation):
    growth, key = Growth(), SequenceKey(org, "web", None)
    looks = [growth.is_ripe(key, changed(look, 500), float(look)) for look in range(1, 100)]
    assert [look for look, ripe in enumerate(looks, 1) if ripe] == [31, 62, 93]


def test_one_that_was_never_started_can_be_stopped(deriver: Deriver):
    deriver.stop()
