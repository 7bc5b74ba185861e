"""Events are found by parts of their words, from when they are received until they are deleted."""

import gc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import pytest

from actors import TESTER
from databases import ON_POSTGRESQL, ON_SQLITE
from theodora.events import Deployment, Git
from theodora.query import Kind, parse, sort_key
from theodora.storage import Organisation, Selection, Store, TakesLong
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.organisations import NO_ORGANISATION
from theodora.storage.events.index import index_some
from theodora.storage.events.rows import Rows
from theodora.storage.events.segments import (
    _statements,
    _Trigrams,
    find_candidates,
    segment_some,
)
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.events.trigrams import SEGMENT
from theodora.storage.search.probes import unions

indexed = pytest.mark.parametrize("index", ["everything indexed"], indirect=True)
by_hand = pytest.mark.parametrize("index", ["nothing indexed"], indirect=True)

T = TypeVar("T")
SIZE = 40


@pytest.fixture
def write(store: Store) -> Callable[[Callable[[Cursor], T]], T]:
    """Writes once everything is indexed, as it is before each read."""

    def settle_and_write(write: Callable[[Cursor], T]) -> T:
        store._database.read(lambda _: None)
        return store._database.write(write, TESTER, org=NO_ORGANISATION).result()

    return settle_and_write


def add(store: Store, org: Organisation, numbers: range, **values: Any) -> None:
    for number in numbers:
        event = Deployment(
            id=f"d{number}",
            service=f"service-{chr(97 + number % 26) * 3}",
            version=f"v{number}",
            started_at_ns=number + 1,
            finished_at_ns=number + 1,
            **values,
        )
        store.deployments.add(org, event, 1, actor=TESTER).result()


def listed(store: Store, org: Organisation, query: str) -> list[str]:
    sort = sort_key("started_at", Kind.DEPLOYMENT)
    assert sort
    asked = Selection(query=parse(query), sort=sort, descending=False, limit=1_000)
    return [event.id for event in store.deployments.select(org, asked)]


def candidates(store: Store, org: Organisation, query: str, limit: int = 20) -> list[int] | None:
    """Candidates by trigrams, whatever else the planner would choose."""
    [[probe]] = unions(parse(query), DEPLOYMENTS)
    return store._database.read(
        lambda cursor: find_candidates(cursor, DEPLOYMENTS, org, [probe.trigrams], limit)
    )


def count(store: Store, table: str) -> int:
    return store._database.read(
        lambda cursor: only_value(cursor.execute(f"SELECT count(*) FROM deployment_{table}"))
    )


def segment(org: Organisation, size: int = SIZE) -> Callable[[Cursor], None]:
    return partial(segment_some, table=DEPLOYMENTS, org=org.key, size=size)


@indexed
def test_only_the_blocks_that_have_the_trigrams_are_candidates(
    store: Store, org: Organisation, write: Callable[[Any], Any]
) -> None:
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    add(store, org, range(SIZE + 3))
    add(store, other, range(100, 100 + SIZE))
    assert len(candidates(store, org, "*zzz*") or ()) == SIZE + 3
    write(segment(org))
    write(segment(other))
    # `zzz` is in the second block of sixteen, and three are in no segment.
    assert len(candidates(store, org, "*zzz*") or ()) == 16 + 3
    assert len(candidates(store, org, "*zzqq*") or ()) == 3
    assert listed(store, org, "*zzz*") == ["d25"]
    assert listed(store, other, "*zzz*") == ["d103", "d129"]
    assert listed(store, org, "*zzz* OR *aaa* OR version:*42") == ["d0", "d25", "d26", "d42"]


@by_hand
@ON_POSTGRESQL
def test_events_of_a_segment_are_read_by_their_keys(store: Store) -> None:
    """PostgreSQL would walk all events, and compare each with every key, to have them in order."""

    def plan(cursor: Cursor) -> str:
        texts = _statements(DEPLOYMENTS, cursor.dialect).texts
        return "\n".join(line for (line,) in cursor.execute(f"EXPLAIN {texts}", ("[1, 2]", 1)))

    assert "Index Cond: (key = " in store._database.read(plan)


@indexed
def test_looking_up_leaves_nothing_to_the_garbage_collector(
    store: Store, org: Organisation, write: Callable[[Any], Any]
) -> None:
    """It would free the cursor on whatever thread it runs, which corrupts memory."""
    add(store, org, range(SIZE))
    write(segment(org))
    gc.collect()
    gc.disable()
    try:
        cursors: list[weakref.ref[Any]] = []

        def look_up(cursor: Cursor) -> None:
            index = _Trigrams(cursor, DEPLOYMENTS, org)
            index.blocks([((1,),)])
            cursors.append(weakref.ref(index))

        store._database.read(look_up)
        assert cursors[0]() is None
    finally:
        gc.enable()


@ON_SQLITE
@indexed
def test_looking_up_many_trigrams_takes_no_longer_than_a_read_may(
    store: Store, org: Organisation, write: Callable[[Any], Any]
) -> None:
    """It computes in Python, so SQLite would not end it."""
    add(store, org, range(SIZE))
    write(segment(org))
    sought = [((trigram,),) for trigram in range(100_000)]

    def look_up() -> None:
        store.answer_briefly()
        store._database.read(lambda cursor: find_candidates(cursor, DEPLOYMENTS, org, sought, 1))

    with ThreadPoolExecutor(1) as brief, pytest.raises(TakesLong):
        brief.submit(look_up).result(60)


@indexed
def test_a_part_that_is_in_too_many_blocks_is_not_looked_up(
    store: Store, org: Organisation, write: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theodora.storage.events.segments._FEW_ROWS", 10)
    add(store, org, range(SIZE))
    assert candidates(store, org, "*zzz*", limit=1) is None
    write(segment(org))
    assert candidates(store, org, "*service*", limit=0) is None
    assert candidates(store, org, "*zzqq*", limit=0) == []
    assert listed(store, org, "*zzz*") == ["d25"]


@indexed
def test_an_event_that_changes_is_found_by_its_new_words_alone(
    store: Store, org: Organisation, write: Callable[[Any], Any]
) -> None:
    add(store, org, range(SIZE))
    write(segment(org))
    assert count(store, "unsegmented") == 0
    add(store, org, range(1), custom_tags=("name:Überweisung",), git=Git("a" * 40, "x.org/zzqq/y"))
    assert listed(store, org, "*weisu*") == listed(store, org, "repository_url:*/zzqq/*") == ["d0"]
    add(store, org, range(1))
    assert listed(store, org, "*weisu*") == []
    assert count(store, "unsegmented") == 1
    # The same again changes nothing.
    add(store, org, range(1, 5))
    assert count(store, "unsegmented") == 1


@indexed
def test_an_event_whose_repository_is_renamed_is_found_by_the_new_name(
    store: Store, org: Organisation, write: Callable[[Any], Any]
) -> None:
    add(store, org, range(SIZE), git=Git("a" * 40, "https://x.org/old/app"))
    write(segment(org))
    rows = Rows(DEPLOYMENTS)

    def rename(cursor: Cursor) -> None:
        stored = rows.find(cursor, org, "d0")
        assert stored
        assert stored.event.git
        former_id = stored.event.git.repository_id
        rows.rename_repository(
            cursor, org, stored, former_id, Git("a" * 40, "https://x.org/renamed/app")
        )

    write(rename)
    assert listed(store, org, "*enam*") == ["d0"]


@indexed
def test_segments_of_deleted_events_are_dropped_and_the_others_of_their_events_wait(
    store: Store, org: Organisation, write: Callable[[Any], Any]
) -> None:
    add(store, org, range(SIZE))
    write(segment(org))
    for number in range(SIZE // 2 + 1):
        store.deployments.delete(org, f"d{number}", actor=TESTER).result()
    assert listed(store, org, "*zzz*") == ["d25"]
    assert (count(store, "segments"), count(store, "unsegmented")) == (1, 0)
    add(store, org, range(SIZE, 2 * SIZE + 1))
    store.deployments.delete(org, f"d{2 * SIZE}", actor=TESTER).result()
    assert count(store, "unsegmented") == SIZE
    write(segment(org))
    assert (count(store, "segments"), count(store, "unsegmented")) == (1, SIZE // 2 - 1)
    assert listed(store, org, "*zzz*") == ["d25", "d51", "d77"]


@by_hand
def test_events_from_before_there_were_segments_get_some_little_by_little(
    store: Store, org: Organisation, write: Callable[[Any], Any]
) -> None:
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    add(store, org, range(2 * SIZE + 1))
    add(store, other, range(100, 100 + SIZE))

    for each in (org, other):
        while write(partial(index_some, table=DEPLOYMENTS, org=each.key, segment=10_000)):
            pass
    steps = 0
    for each in (org, other):
        while write(partial(index_some, table=DEPLOYMENTS, org=each.key, segment=SIZE)):
            steps += 1
            assert listed(store, org, "*zzz*") == ["d25", "d51", "d77"]
            assert listed(store, other, "*zzz*") == ["d103", "d129"]
    assert (steps, count(store, "segments"), count(store, "unsegmented")) == (3, 3, 1)


@indexed
def test_indexing_makes_segments_of_its_own(store: Store, org: Organisation) -> None:
    added = [
        store.deployments.add(
            org,
            Deployment(service=f"s{number}", started_at_ns=number + 1, finished_at_ns=number + 1),
            1,
            actor=TESTER,
        )
        for number in range(SEGMENT + 10)
    ]
    for each in added:
        each.result()
    assert listed(store, org, "*zzz*") == []
    assert 0 < count(store, "unsegmented") <= SEGMENT
    assert count(store, "segments") == 1
    assert len(listed(store, org, "service:*77")) == 10
