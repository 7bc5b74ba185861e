"""What is cached of sequences is what a reader of everything finds, whoever has written what."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import TESTER
from databases import ON_SQLITE, Databases
from lengths import short_and_long
from repositories import hourly_commits
from settling import in_every_state
from storage.derivation.test_run import (
    HOUR_NS,
    add,
    deployment,
    happenings,
    new_organisation,
    patient,
    storable,
    worlds,
)
from theodora.dora import derive
from theodora.events import Failure, Git
from theodora.storage import Actor, Organisation, OverrideValues, Store
from theodora.storage.derivation import run
from theodora.storage.derivation.inputs import Facts, whole_sequence
from theodora.storage.derivation.sequence_cache import SequenceCache
from theodora.storage.engine.cursor import Cursor
from theodora.storage.facts.derivation_queue import (
    SequenceKey,
    queue_organisation,
    sequences_of,
)

URL = "https://github.com/acme/web"


@pytest.fixture(scope="module")
def processes(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, Store]]:
    """Two processes with one database."""
    with (
        databases.new(tmp_path_factory.mktemp("processes")) as url,
        Store(url) as server,
        Store(url) as command,
    ):
        yield server, command


def key_of(org: Organisation) -> SequenceKey:
    return SequenceKey(org, "web", "production")


def cached(store: Store, key: SequenceKey) -> Facts:
    cache = store.derivations._cache
    return store._database.read(lambda cursor: cache.read(cursor, key))[0]


def assert_is_current(store: Store, org: Organisation) -> None:
    """The cache and the database hold the same, and derivation makes the same of it."""
    cache = store.derivations._cache

    def read(cursor: Cursor) -> None:
        for key in sequences_of(cursor, org, ""):
            (found, _), expected = cache.read(cursor, key), whole_sequence(cursor, key)
            assert found.rows == expected.rows
            assert found.linked == expected.linked
            derived = cache.derive(key, found.sequence).deployments
            assert derived == derive(expected.sequence)

    store._database.read(read)


@short_and_long("histories", 4, 24)
def test_two_processes_that_write_in_turn_both_see_what_is_stored(
    processes: tuple[Store, Store], histories: int
):
    """Corrections, deletions, late commits, verdicts, settings and incidents included."""

    @settings(patient, max_examples=histories)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        org = new_organisation(processes[0])
        for happens in happenings(data, storable(data.draw(worlds.any_sequences))):
            happens(data.draw(st.sampled_from(processes)), org).result()
            if data.draw(st.integers(0, 3)) == 0:
                data.draw(st.sampled_from(processes)).derivations.derive_queued(actor=TESTER)
            if data.draw(st.integers(0, 3)) == 0:
                assert_is_current(data.draw(st.sampled_from(processes)), org)
        for store in processes:
            assert_is_current(store, org)

    holds()


def with_commits(store: Store, org: Organisation) -> None:
    """Three deployments of one commit each, derived."""
    shas = [letter * 40 for letter in "abc"]
    commits = hourly_commits(shas, worlds.START_NS)
    store.commits.add_commits(org, "github.com/acme/web", commits, actor=TESTER).result()
    add(store, org, *(deployment(sha[0], at, git=Git(sha, URL)) for at, sha in enumerate(shas, 5)))
    store.derivations.derive_all_queued(actor=TESTER)


@in_every_state
def test_each_kind_of_change_is_seen_at_once(store: Store, org: Organisation):
    """Before it is derived and after; new commits leave the rows as they were."""
    with_commits(store, org)
    hotfix = {"id": "late", "fields": ["version"], "pattern": "corr.*"}
    incident = Failure(services=("web",), version="c", started_at_ns=worlds.START_NS + 9 * HOUR_NS)
    changes: list[Callable[[], Any]] = [
        lambda: add(store, org, deployment("late", 1)),
        lambda: add(store, org, deployment("late", 2, version="corrected")),
        lambda: store.settings.put(org, {"static_rules": [hotfix]}, "web", actor=TESTER).result(),
        lambda: store.deployments.update(
            org, "b", OverrideValues(False), now_ns=1, actor=TESTER
        ).result(),
        lambda: store.deployments.update(
            org, "b", OverrideValues(False), now_ns=2, actor=Actor("person", "ann")
        ).result(),
        lambda: add(store, org, deployment("late", 2, env="staging")),
        lambda: store.deployments.delete(org, "a", actor=TESTER).result(),
        lambda: store.settings.put(
            org, {"incident_marks_failure": True}, "web", actor=TESTER
        ).result(),
        lambda: store.failures.add(org, incident, 1, actor=TESTER).result(),
    ]
    for change in changes:
        change()
        assert_is_current(store, org)
        store.derivations.derive_all_queued(actor=TESTER)
        assert_is_current(store, org)
    commits = hourly_commits(["d" * 40], worlds.START_NS)
    before = cached(store, key_of(org))
    store.commits.add_commits(org, "github.com/acme/web", commits, actor=TESTER).result()
    assert_is_current(store, org)
    after = cached(store, key_of(org))
    assert after.rows is before.rows
    assert after.sequence.repositories != before.sequence.repositories


def test_what_a_process_has_written_itself_is_not_read_again(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
):
    """Not of several transactions either, nor if an explanation reads between them."""
    monkeypatch.setattr(run, "_ROWS_AT_ONCE", 3)
    add(store, org, *(deployment(f"v{number}", number) for number in range(8)))
    derivations = store.derivations
    write_part = derivations._write_part

    def explain_and_write(*arguments: Any) -> Any:
        derivations.explain(org, "v0")
        return write_part(*arguments)

    monkeypatch.setattr(derivations, "_write_part", explain_and_write)
    derivations.derive_all_queued(actor=TESTER)
    add(store, org, deployment("v8", 8))
    derivations.derive_all_queued(actor=TESTER)
    known = derivations._cache._seen.get(key_of(org))
    assert known
    assert len(known.rows.deployments) == 9
    assert all(each.change_failure is False for each in known.rows.deployments.values())
    assert cached(store, key_of(org)).rows is known.rows


def test_what_others_write_between_two_transactions_is_read(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(run, "_ROWS_AT_ONCE", 3)
    add(store, org, *(deployment(f"v{number}", number) for number in range(8)))
    derivations = store.derivations
    write_part = derivations._write_part
    late = iter(
        [deployment("late", 3), deployment("v1", 1, version="corrected"), deployment("later", 4)]
    )

    def write_late(*arguments: Any) -> Any:
        written = write_part(*arguments)
        coming.append(store.deployments.add(org, next(late), 1, actor=TESTER))
        return written

    coming: list[Any] = []
    monkeypatch.setattr(derivations, "_write_part", write_late)
    derivations.derive_queued(actor=TESTER)
    assert [each.result().outcome for each in coming] == ["added", "replaced", "added"]
    assert_is_current(store, org)


def test_a_snapshot_that_is_older_sees_what_was_then(store: Store, org: Organisation):
    """It takes nothing from the cache that came later, and leaves that there."""
    with_commits(store, org)
    before = cached(store, key_of(org))
    cache = store.derivations._cache

    def read(cursor: Cursor) -> Facts:
        cursor.execute("SELECT count(*) FROM deployments").fetchall()
        with ThreadPoolExecutor(1) as thread:
            thread.submit(add, store, org, deployment("late", 9)).result()
            newer.append(thread.submit(cached, store, key_of(org)).result())
        return cache.read(cursor, key_of(org))[0]

    newer: list[Facts] = []
    older = store._database.read(read)
    assert older.rows == before.rows
    assert cached(store, key_of(org)).rows is newer[0].rows


def test_the_rows_are_read_again_when_the_log_has_been_pruned(store: Store, org: Organisation):
    with_commits(store, org)
    cached(store, key_of(org))
    store.deployments.delete(org, "a", actor=TESTER).result()
    add(store, org, deployment("late", 9))

    def prune(cursor: Cursor) -> None:
        cursor.execute("DELETE FROM changes WHERE number < (SELECT max(number) FROM changes)")

    store._database.write(prune, TESTER, org=org.key).result()
    assert_is_current(store, org)


@ON_SQLITE
def test_a_repository_that_is_not_cached_any_more_takes_no_memory(store: Store, org: Organisation):
    with_commits(store, org)
    cache: SequenceCache = store.derivations._cache
    (derivation,) = (each for each, _ in cache._derivations._known.values())
    assert len(derivation._repositories) == len(derivation._cache._repositories) == 1
    cache._repositories._known.clear()
    assert len(derivation._repositories) == len(derivation._cache._repositories) == 0
    assert_is_current(store, org)


@ON_SQLITE
def test_explanations_take_the_derivation_of_the_worker(store: Store, org: Organisation):
    with_commits(store, org)
    read = partial(store.derivations._cache.read, key=key_of(org))
    facts, _ = store._database.read(read)
    derived = store.derivations._cache.derive(key_of(org), facts.sequence)
    queue = partial(queue_organisation, org=org)
    store._database.write(queue, TESTER, org=org.key).result()
    assert store.derivations.explain(org, "b").derived is derived.deployments[1]
    copy = msgspec.structs.replace(facts.sequence)
    assert store.derivations._cache.derive(key_of(org), copy) is derived
