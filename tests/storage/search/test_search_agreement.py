"""SQL and matcher give the same lists, in the order asked for, whatever is asked.

The matcher is the specification. The index knows none, half or all of the events, and thresholds
are lowered now and then, so that every way of searching is taken. `make test` sends a part of the
requests, with another seed in every run; `make slow` sends all. The seed is shown on failure;
`THEODORA_TEST_REQUESTS` sets how many random requests there are in all, `pytest -rP` prints how
often each way was taken.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, TypeVar

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from actors import TESTER
from cases.search import CASES, EVENTS
from databases import KINDS
from lengths import short_and_long
from strategies.queries import INT64_MAX, random_event, random_query
from theodora.dora import Period
from theodora.events import Deployment
from theodora.query import SORT_KEYS, Event, Kind, Query, matches, parse, sort_key, to_text
from theodora.storage import Organisation, Selection
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import NO_ORGANISATION, ensure_organisation
from theodora.storage.events.index import index_some
from theodora.storage.events.rows import Rows
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES, EventTable
from theodora.storage.facts.settings import ProductionTrees
from theodora.storage.metrics.cache import ColumnCache, LoadOptions
from theodora.storage.metrics.columns import CachedDeployments, CachedIncidents
from theodora.storage.metrics.filter import QueryFilter
from theodora.storage.open import open_database
from theodora.storage.search.planner import Choice, Position, Search, Thresholds
from theodora.storage.search.probes import KeyProbe

T = TypeVar("T")

STATES = ("nothing indexed", "half indexed", "everything indexed")
EVENTS_OF_A_WORLD = 80
SEGMENT = 12
"""Events of a segment by trigrams: some of a world are in none."""
EVER = Period(0, 2**63 - 1)
KEPT: dict[Kind, Any] = {Kind.DEPLOYMENT: CachedDeployments, Kind.FAILURE: CachedIncidents}
TABLES: dict[Kind, EventTable[Any]] = {Kind.DEPLOYMENT: DEPLOYMENTS, Kind.FAILURE: FAILURES}
THRESHOLDS = (Thresholds(), Thresholds("2", "2"), Thresholds("8", "4"))
WAYS = (
    *("one probe sorted", "several sorted", "one term walked", "several merged", "index walked"),
    "parts of words looked up",
)


@dataclass(frozen=True)
class Size:
    """How much is asked, of the databases, states and worlds together."""

    worlds: int
    """Organisations with events of their own, in each state."""
    requests: int
    in_memory: int
    """Queries of what is kept in memory."""
    least_taken: float
    """Of the requests in each state, on each database, the share that takes each way."""

    def of_a_world(self, total: int) -> int:
        return total // (len(KINDS) * len(STATES) * self.worlds)


_SET = os.environ.get("THEODORA_TEST_REQUESTS")
SHORT = Size(4, int(_SET or "4000"), 720, 0.002)
LONG = Size(8, int(_SET or "20000"), 6_000, 0.01)
of_each_size = short_and_long("size", SHORT, LONG)


@dataclass
class World:
    """Events of an organisation, as they are stored."""

    org: Organisation
    events: Mapping[Kind, dict[str, Event]] = field(
        default_factory=lambda: {kind: {} for kind in TABLES}
    )
    keys: dict[tuple[Kind, str], int] = field(default_factory=dict[tuple[Kind, str], int])


class Shelf:
    """Events in a real database, derived attributes and all, with indexing in our hands."""

    def __init__(self, url: str) -> None:
        self._database = open_database(url, lambda *_: (), lambda _: None)
        self._rows = {kind: Rows(table) for kind, table in TABLES.items()}
        self._kept = ColumnCache(2**30)
        self._worlds = 0

    def world(self, events: Iterable[Event], state: str) -> World:
        """A new organisation with the events, of which the index then knows as many as said.

        Some may replace others, after those have been indexed. Organisations before it stay as far
        as they are: each is indexed alone.
        """
        self._worlds += 1
        name = f"world-{self._worlds}"
        world = World(self._write(lambda cursor: ensure_organisation(cursor, name, 1)))
        events = list(events)
        half = len(events) // 2
        for part in (events[:half], events[half:]):
            if world.keys and state != "nothing indexed":
                self._index(world.org)
            self._write(lambda cursor, part=part: self._put(cursor, world, part))
        if state == "everything indexed":
            self._index(world.org)
        return world

    def read(self, read: Callable[[Cursor], T]) -> T:
        return self._database.read(read)

    def select_in_memory(
        self, cursor: Cursor, world: World, kind: Kind, query: Query, tags: tuple[str, ...]
    ) -> set[str]:
        """The ids of the events that match, with tags of some keys in memory too."""
        snapshots = self._kept.snapshots(cursor, world.org, LoadOptions(tags))
        snapshot: Any = {
            Kind.DEPLOYMENT: snapshots.deployments,
            Kind.FAILURE: snapshots.incidents,
        }[kind]
        where = cursor, world.org, EVER, ProductionTrees()
        positions = QueryFilter(KEPT[kind], snapshot, *where).selected(query).positions
        of_kind = {id_: key for (each, id_), key in world.keys.items() if each is kind}
        found = snapshot.by_key.find(np.array(list(of_kind.values())))
        return {id_ for id_, place in zip(of_kind, found, strict=True) if place in positions}

    def close(self) -> None:
        self._database.close()

    def _index(self, org: Organisation) -> None:
        for table in TABLES.values():
            while self._write(partial(index_some, table=table, org=org.key, segment=SEGMENT)):
                pass

    def _put(self, cursor: Cursor, world: World, events: Iterable[Event]) -> None:
        for event in events:
            kind = kind_of(event)
            rows = self._rows[kind]
            stored = rows.put(cursor, world.org, event, 1).now
            derived = {name: getattr(event, name) for name in rows.table.derived_fields}
            now = msgspec.structs.replace(stored.event, **derived)
            rows.derive(cursor, world.org, stored, now)
            world.events[kind][now.id] = now
            world.keys[kind, now.id] = stored.key

    def _write(self, write: Callable[[Cursor], T]) -> T:
        return self._database.write(write, TESTER, org=NO_ORGANISATION).result()


@pytest.fixture
def shelf(database: str) -> Iterator[Shelf]:
    shelf = Shelf(database)
    yield shelf
    shelf.close()


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("THEODORA_TEST_SEED") or Random().randrange(2**32))


@of_each_size
@pytest.mark.parametrize("state", STATES)
def test_sql_and_matcher_agree_on_random_requests(
    shelf: Shelf, state: str, seed: int, size: Size
) -> None:
    rng = Random(f"{seed} {state}")
    taken: Counter[str] = Counter()
    for _ in range(size.worlds):
        world = shelf.world(_random_events(rng), state)

        def agree(cursor: Cursor, world: World = world) -> None:
            for _ in range(size.of_a_world(size.requests)):
                taken[_assert_agreement(cursor, world, rng, seed)] += 1

        shelf.read(agree)
    print(dict(taken))  # noqa: T201 - for those who ask, with -rP
    assert min(taken[way] for way in WAYS) >= size.least_taken * taken.total(), taken


def _assert_agreement(cursor: Cursor, world: World, rng: Random, seed: int) -> str:
    """Asks something of SQL and of the matcher; the way that SQL took to its answer."""
    kind = rng.choice(list(TABLES))
    events = list(world.events[kind].values())
    selection = _selection(rng, kind, random_query(rng, rng.choice(events)))
    page_end = rng.choice(events) if rng.random() < 0.2 else None
    if page_end is not None:
        selection = replace(selection, after=_position(page_end, selection))
    thresholds = rng.choice(THRESHOLDS)
    found, way = _listed(cursor, world.org, kind, selection, thresholds)
    expected = _expected(events, selection, page_end)
    assert found == expected, (
        f"THEODORA_TEST_SEED={seed}, {world.org.name}: only SQL finds {_missing(found, expected)}, "
        f"only the matcher {_missing(expected, found)}, or one comes twice, or the order differs: "
        f"{to_text(selection.query)!r} {selection} {thresholds} {way}"
    )
    return way


@pytest.mark.parametrize("state", STATES)
def test_sql_and_matcher_agree_on_every_example(shelf: Shelf, state: str) -> None:
    """In the three states each example has each of the thresholds once.

    The examples' events are stored as they are, so names can be told by id.
    """
    names = {event.id: name for name, event in EVENTS.items()}
    org = shelf.world(EVENTS.values(), state).org

    def agree(cursor: Cursor) -> None:
        for number, case in enumerate(CASES, STATES.index(state)):
            query = parse(case.query)
            thresholds = THRESHOLDS[number % len(THRESHOLDS)]
            found: list[str] = []
            for kind in TABLES:
                selection = Selection(query=query, sort=_field("started_at", kind), limit=1_000)
                listed, _ = _listed(cursor, org, kind, selection, thresholds)
                found += (names[event.id] for event in listed)
            among = sorted(name for name in found if name in case.among)
            assert among == sorted(case.matching), (case.query, thresholds)

    shelf.read(agree)


@of_each_size
@pytest.mark.parametrize("state", STATES)
def test_what_is_in_memory_and_matcher_agree_on_random_trees(
    shelf: Shelf, state: str, seed: int, size: Size
) -> None:
    """Of a field or a tag that is in memory, and of those that are looked up."""
    rng = Random(f"{seed} {state}")
    for number in range(size.worlds):
        world = shelf.world(_random_events(rng), state)
        tags = ("k", "build", "é") if number % 2 else ()

        def agree(cursor: Cursor, world: World = world, tags: tuple[str, ...] = tags) -> None:
            for _ in range(size.of_a_world(size.in_memory)):
                kind = rng.choice(list(TABLES))
                query = random_query(rng, rng.choice(list(world.events[kind].values())))
                concerned = {
                    id_: event
                    for id_, event in world.events[kind].items()
                    if _instant_ns(event) in EVER
                }
                expected = {id_ for id_, event in concerned.items() if matches(query, event)}
                found = shelf.select_in_memory(cursor, world, kind, query, tags)
                assert found & concerned.keys() == expected, (
                    f"THEODORA_TEST_SEED={seed}, {world.org.name}: {to_text(query)!r}"
                )

        shelf.read(agree)


def kind_of(event: Event) -> Kind:
    return Kind.DEPLOYMENT if isinstance(event, Deployment) else Kind.FAILURE


def _listed(
    cursor: Cursor, org: Organisation, kind: Kind, selection: Selection, thresholds: Thresholds
) -> tuple[list[Event], str]:
    """The list that SQL gives, and the way it took."""
    table = TABLES[kind]
    asked = replace(selection, query=ProductionTrees().resolve(cursor, org, selection.query))
    search = Search(table, org, asked, table.select, cursor.dialect, thresholds)
    choice = search.choose(cursor)
    if thresholds is THRESHOLDS[-1]:
        # As it is followed when the list is asked for again: see `RecentChoices`.
        choice = choice._replace(tailed=True)
    return [table.from_row(row[:-1]) for row in search.follow(cursor, choice)], _way(choice)


def _way(choice: Choice) -> str:
    """One of `WAYS`."""
    if choice.few is not None:
        if any(isinstance(probe, KeyProbe) for probe in choice.few):
            return "parts of words looked up"
        return "several sorted" if len(choice.few) > 1 else "one probe sorted"
    if choice.merge is not None:
        return "several merged" if len(choice.merge.walked) > 1 else "one term walked"
    return "index walked"


def _instant_ns(event: Event) -> int:
    """When it counts in metrics."""
    return event.finished_at_ns if isinstance(event, Deployment) else event.started_at_ns


def _random_events(rng: Random) -> list[Event]:
    return [random_event(rng) for _ in range(EVENTS_OF_A_WORLD)]


def _selection(rng: Random, kind: Kind, query: Any) -> Selection:
    """Mostly everything in the default order; sometimes a window, a limit or another order."""
    sort = "started_at" if rng.random() < 0.5 else rng.choice(SORT_KEYS[kind])
    window = rng.random() < 0.2
    return Selection(
        query=query,
        from_ns=rng.randrange(2 * 10**18) if window else None,
        to_ns=rng.randrange(2 * 10**18) if window else None,
        sort=_field(sort, kind),
        descending=rng.random() < 0.5,
        limit=1_000 if rng.random() < 0.7 else rng.randrange(1, 20),
    )


def _field(name: str, kind: Kind) -> Any:
    field = sort_key(name, kind)
    assert field is not None
    return field


def _position(event: Event, selection: Selection) -> Position:
    values = selection.sort.values(event)
    value = values[0] if values else None
    return Position(int(value) if isinstance(value, bool) else value, event.id)


def _expected(events: Iterable[Event], selection: Selection, page_end: Event | None) -> list[Event]:
    """The list by the matcher; of what comes after `page_end`, if there is one."""
    low, high = selection.from_ns or 0, selection.to_ns or INT64_MAX
    matching = [
        event
        for event in events
        if low <= event.started_at_ns <= high and matches(selection.query, event)
    ]
    if page_end is None:
        return _in_order(matching, selection)[: selection.limit]
    others = [event for event in matching if event != page_end]
    ordered = _in_order([*others, page_end], selection)
    return ordered[ordered.index(page_end) + 1 :][: selection.limit]


def _in_order(events: Iterable[Event], selection: Selection) -> list[Event]:
    by_id = sorted(events, key=lambda event: event.id)
    valued = [event for event in by_id if selection.sort.values(event)]
    valued.sort(key=lambda event: selection.sort.values(event)[0], reverse=selection.descending)
    return [*valued, *(event for event in by_id if not selection.sort.values(event))]


def _missing(some: list[Event], others: list[Event]) -> list[Event]:
    return [event for event in some if event not in others]
