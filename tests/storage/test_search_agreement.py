"""SQL and matcher give the same events, in the order asked for, whatever is asked.

The matcher is the specification. The seed is fresh in every run and shown on failure; half of
the events are known to the indexes and half are not yet.
"""

import os
from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest

from cases.search import CASES, EVENTS
from strategies.queries import random_event, random_query
from theodora.dora import Period
from theodora.events import Deployment
from theodora.query import SORT_KEYS, Event, Kind, Query, matches, parse, sort_key, to_text
from theodora.storage import Organisation, Selection
from theodora.storage.columns import KeptDeployments, KeptIncidents
from theodora.storage.indexing import index_some
from theodora.storage.kept import KeptColumns, Wanted
from theodora.storage.opening import open_database
from theodora.storage.organisations import ensure_organisation
from theodora.storage.rows import Rows
from theodora.storage.selecting import Selecting
from theodora.storage.selection import select_events
from theodora.storage.tables import DEPLOYMENTS, FAILURES, EventTable
from theodora.web.wire import render

SHARDS = 4
TREES = 20_000
TREES_IN_MEMORY = 4_000
EVENTS_OF_A_KIND = 40
EVER = Period(0, 2**63 - 1)
KEPT: dict[Kind, Any] = {Kind.DEPLOYMENT: KeptDeployments, Kind.FAILURE: KeptIncidents}

TABLES: dict[Kind, EventTable[Any]] = {Kind.DEPLOYMENT: DEPLOYMENTS, Kind.FAILURE: FAILURES}


class Shelf:
    """Events in a real database, derived attributes and all, with indexing in our hands."""

    def __init__(self, url: str) -> None:
        self._database = open_database(url, lambda _: False, lambda _: None)
        self._rows = {kind: Rows(table, render) for kind, table in TABLES.items()}
        self._org = self._write(lambda cursor: ensure_organisation(cursor, "default", 1))
        self._kept = KeptColumns(2**30)
        self._keys: dict[tuple[str, Kind], int] = {}
        # Another organisation's events are of no concern to a query.
        self._stranger = self._write(lambda cursor: ensure_organisation(cursor, "other", 1))

    def put(self, event: Event) -> Event:
        self._put(self._stranger, event)
        return self._put(self._org, event)

    def index(self) -> None:
        for table in TABLES.values():
            self._write(lambda cursor, table=table: index_some(cursor, table))

    def select(self, kind: Kind, selection: Selection) -> list[Event]:
        return self._database.read(
            lambda cursor: select_events(cursor, TABLES[kind], self._org, selection)
        )

    def select_in_memory(self, kind: Kind, query: Query, tags: tuple[str, ...]) -> set[str]:
        """The ids of the events that match, with tags of some keys in memory too."""

        def read(cursor: Any) -> set[str]:
            snapshots = self._kept.snapshots(cursor, self._org, Wanted(tags))
            snapshot: Any = {
                Kind.DEPLOYMENT: snapshots.deployments,
                Kind.FAILURE: snapshots.incidents,
            }[kind]
            where = cursor, self._org, EVER
            places = Selecting(KEPT[kind], snapshot, *where).selected(query).places
            of_kind = {id_: key for (id_, each), key in self._keys.items() if each is kind}
            found = snapshot.by_key.find(np.array(list(of_kind.values())))
            return {id_ for id_, place in zip(of_kind, found, strict=True) if place in places}

        return self._database.read(read)

    def close(self) -> None:
        self._database.close()

    def _put(self, org: Organisation, event: Event) -> Event:
        rows = self._rows[kind_of(event)]

        def write(cursor: Any) -> Event:
            stored = rows.put(cursor, org, event, 1).now
            derived = {name: getattr(event, name) for name in rows.table.derived_fields}
            now = msgspec.structs.replace(stored.event, **derived)
            if org == self._org:
                self._keys[now.id, kind_of(now)] = stored.key
            rows.derive(cursor, org, stored, now)
            return now

        return self._write(write)

    def _write(self, write: Any) -> Any:
        return self._database.write(write).result()


@pytest.fixture
def shelf(database: str) -> Iterator[Shelf]:
    shelf = Shelf(database)
    yield shelf
    shelf.close()


def kind_of(event: Event) -> Kind:
    return Kind.DEPLOYMENT if isinstance(event, Deployment) else Kind.FAILURE


@pytest.mark.parametrize("shard", range(SHARDS))
def test_sql_and_matcher_agree_on_random_trees(shelf: Shelf, shard: int) -> None:
    seed = int(os.environ.get("THEODORA_TEST_SEED") or Random().randrange(2**32))
    rng = Random(seed + shard)
    events = _fill(shelf, rng)
    for number in range(TREES // SHARDS):
        kind = rng.choice(list(Kind))
        query = random_query(rng, rng.choice(events[kind]))
        selection = _selection(rng, kind, query)
        found = shelf.select(kind, selection)
        expected = _expected(events[kind], selection)
        assert found == expected, (
            f"THEODORA_TEST_SEED={seed}, shard {shard}, tree {number}: "
            f"only SQL finds {_missing(found, expected)}, "
            f"only the matcher {_missing(expected, found)}, or the order differs: "
            f"{to_text(query)!r} {selection}"
        )


def test_sql_and_matcher_agree_on_every_example(shelf: Shelf) -> None:
    """The examples' events are stored as they are, so names can be told by id."""
    names = {shelf.put(event).id: name for name, event in EVENTS.items()}
    for indexed in (False, True):
        if indexed:
            shelf.index()
        for case in CASES:
            found = {
                names[event.id]
                for kind in Kind
                for event in shelf.select(
                    kind,
                    Selection(
                        query=parse(case.query), sort=_field("started_at", kind), limit=1_000
                    ),
                )
            }
            assert found & case.among == case.matching, (case.query, indexed)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_what_is_in_memory_and_matcher_agree_on_random_trees(shelf: Shelf, shard: int) -> None:
    """Of a field or a tag that is in memory, and of those that are looked up."""
    seed = int(os.environ.get("THEODORA_TEST_SEED") or Random().randrange(2**32))
    rng = Random(seed + shard)
    events = _fill(shelf, rng)
    for number in range(TREES_IN_MEMORY // SHARDS):
        kind = rng.choice(list(Kind))
        query = random_query(rng, rng.choice(events[kind]))
        tags = ("k", "build", "é") if number > TREES_IN_MEMORY // SHARDS // 2 else ()
        concerned = {event.id: event for event in events[kind] if _instant_ns(event) in EVER}
        expected = {id_ for id_, event in concerned.items() if matches(query, event)}
        found = shelf.select_in_memory(kind, query, tags)
        assert found & concerned.keys() == expected, (
            f"THEODORA_TEST_SEED={seed}, shard {shard}, tree {number}: {to_text(query)!r}"
        )


def _instant_ns(event: Event) -> int:
    """When it counts in metrics."""
    return event.finished_at_ns if isinstance(event, Deployment) else event.started_at_ns


def _fill(shelf: Shelf, rng: Random) -> dict[Kind, list[Event]]:
    events: dict[Kind, dict[str, Event]] = {kind: {} for kind in Kind}
    for number in range(2 * EVENTS_OF_A_KIND):
        event = shelf.put(random_event(rng))
        events[kind_of(event)][event.id] = event
        if number == EVENTS_OF_A_KIND:
            shelf.index()
    return {kind: list(found.values()) for kind, found in events.items()}


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


def _expected(events: list[Event], selection: Selection) -> list[Event]:
    low, high = selection.window
    matching = [
        event
        for event in events
        if low <= event.started_at_ns <= high and matches(selection.query, event)
    ]
    matching.sort(key=lambda event: event.id)
    valued = [event for event in matching if selection.sort.values(event)]
    valued.sort(key=lambda event: selection.sort.values(event)[0], reverse=selection.descending)
    without = [event for event in matching if not selection.sort.values(event)]
    return [*valued, *without][: selection.limit]


def _missing(some: list[Event], others: list[Event]) -> list[Event]:
    return [event for event in some if event not in others]
