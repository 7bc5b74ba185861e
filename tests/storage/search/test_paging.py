"""Pages, one after another by their ends, are the list: in whatever order, however many events
share a value, and whether the index knows them or not."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from random import Random, SystemRandom
from typing import Any, TypeVar

import msgspec
import pytest
from msgspec.structs import replace

from actors import TESTER
from lengths import short_and_long
from strategies.queries import random_event, random_query
from theodora.events import Deployment
from theodora.query import SORT_KEYS, Event, Kind, sort_key, to_text
from theodora.storage import Document, Selection
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import NO_ORGANISATION, Organisation, ensure_organisation
from theodora.storage.events.index import index_some
from theodora.storage.events.rows import Rows
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES, EventTable
from theodora.storage.facts.settings import ProductionTrees
from theodora.storage.open import open_database
from theodora.storage.search.planner import document_page, document_search

TABLES: dict[Kind, EventTable[Any]] = {Kind.DEPLOYMENT: DEPLOYMENTS, Kind.FAILURE: FAILURES}
STATES = ("nothing indexed", "half indexed", "everything indexed")
EVENTS = 160
STARTS = (10**18, 10**18 + 1, 1_693_491_974 * 10**9)

T = TypeVar("T")


class Shelf:
    """Random events, most of which share one of three starts, and their lists."""

    def __init__(self, url: str, rng: Random, state: str) -> None:
        self._database = open_database(url, lambda *_: (), lambda _: None)
        self._org = self._write(lambda cursor: ensure_organisation(cursor, "default", 1))
        self.events = [_sharing_a_start(rng, number) for number in range(EVENTS)]
        half = EVENTS // 2
        for part in (self.events[:half], self.events[half:]):
            self._write(lambda cursor, part=part: _put(cursor, self._org, part))
            if state == "everything indexed" or (
                state == "half indexed" and part[0] is self.events[0]
            ):
                self._write(partial(_index, org=self._org))

    def whole_list(self, kind: Kind, selection: Selection) -> list[Document]:
        page = self._page(kind, replace(selection, limit=EVENTS))
        assert page.end is None
        return page.documents

    def paged(self, kind: Kind, selection: Selection) -> Iterator[list[Document]]:
        while True:
            page = self._page(kind, selection)
            yield page.documents
            if page.end is None:
                return
            assert len(page.documents) == selection.limit
            selection = replace(selection, after=page.end)

    def close(self) -> None:
        self._database.close()

    def _page(self, kind: Kind, selection: Selection) -> Any:
        def read(cursor: Cursor) -> Any:
            query = ProductionTrees().resolve(cursor, self._org, selection.query)
            asked = replace(selection, query=query)
            search = document_search(TABLES[kind], self._org, asked, cursor.dialect)
            return document_page(asked, search.rows(cursor))

        return self._database.read(read)

    def _write(self, write: Callable[[Cursor], T]) -> T:
        return self._database.write(write, TESTER, org=NO_ORGANISATION).result()


def _sharing_a_start(rng: Random, number: int) -> Event:
    event = msgspec.structs.replace(random_event(rng), id=f"{rng.choice('aé-')}{number}")
    start = rng.choice(STARTS)
    finish = None if event.finished_at_ns is None else max(event.finished_at_ns, start)
    return msgspec.structs.replace(event, started_at_ns=start, finished_at_ns=finish)


def _put(cursor: Cursor, org: Organisation, events: Iterable[Event]) -> None:
    for event in events:
        rows: Rows[Any] = Rows(TABLES[kind_of(event)])
        stored = rows.put(cursor, org, event, 1).now
        derived = {name: getattr(event, name) for name in rows.table.derived_fields}
        rows.derive(cursor, org, stored, msgspec.structs.replace(stored.event, **derived))


def _index(cursor: Cursor, org: Organisation) -> None:
    for table in TABLES.values():
        index_some(cursor, table, org.key)


def kind_of(event: Event) -> Kind:
    return Kind.DEPLOYMENT if isinstance(event, Deployment) else Kind.FAILURE


@short_and_long("lists", 40, 120)
@pytest.mark.parametrize("state", STATES)
def test_pages_add_up_to_the_list(database: str, state: str, lists: int) -> None:
    seed = SystemRandom().randrange(2**32)
    rng = Random(seed)
    shelf = Shelf(database, rng, state)
    pages = 0
    for _ in range(lists):
        kind = rng.choice(list(TABLES))
        selection = _selection(rng, kind, shelf.events)
        found = list(shelf.paged(kind, selection))
        pages += len(found)
        assert all(found[1:]), f"seed {seed}: an end that nothing comes after: {selection}"
        assert list(chain(*found)) == shelf.whole_list(kind, selection), (
            f"seed {seed}: {to_text(selection.query)!r} {selection}"
        )
    shelf.close()
    assert pages > 2 * lists


def _selection(rng: Random, kind: Kind, events: list[Event]) -> Selection:
    """Half of the lists are of everything, which has the most ties and missing values."""
    about = rng.choice([event for event in events if kind_of(event) is kind])
    sort = sort_key(rng.choice(("started_at", *SORT_KEYS[kind])), kind)
    assert sort
    selection = Selection(sort=sort, descending=rng.random() < 0.5, limit=rng.choice((1, 3, 7, 30)))
    if rng.random() < 0.2:
        selection = replace(selection, from_ns=rng.choice(STARTS), to_ns=rng.choice(STARTS))
    if rng.random() < 0.5:
        selection = replace(selection, query=random_query(rng, about))
    return selection
