"""The reads that deployments and failures share in the store."""

import time
from collections.abc import Awaitable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic

from msgspec.structs import replace

from theodora.errors import NotFound
from theodora.query.production import names_production
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.condition import Condition
from theodora.storage.engine.cursor import Cursor, Row
from theodora.storage.engine.database import Database, TakesLong
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.outbox import queue_again
from theodora.storage.events.rows import Rows, Stored
from theodora.storage.events.tables import E, EventTable
from theodora.storage.events.usage import Quotas
from theodora.storage.facts.settings import ProductionTrees
from theodora.storage.search.planner import (
    DocumentPage,
    Search,
    Selection,
    document_page,
    document_search,
    select_events,
)
from theodora.storage.search.recent_choices import RecentChoices

_BRIEF_SECONDS = 0.05
"""A list that takes longer is not worth to be found in the same way on an event loop."""

_SLOW_SECONDS = 30.0
"""For so long an event loop asks for no lists of an organisation after one that took long."""


class Events(Generic[E]):
    """The events of one kind. Every method is about one organisation and sees no other."""

    def __init__(
        self,
        database: Database,
        production: ProductionTrees,
        table: EventTable[E],
        quotas: Quotas,
    ) -> None:
        self._database = database
        self._production = production
        self._table = table
        self._rows = Rows(table, quotas)
        self._choices = RecentChoices()
        self._slow_until_sec: dict[int, float] = {}
        """Until when lists of an organisation, by its key, are read on threads alone."""

    def get(self, org: Organisation, id_: str) -> E:
        """Raises `NotFound` where there is no such event."""
        return self._database.read(lambda cursor: self._found(cursor, org, id_).event)

    def exists(self, org: Organisation, id_: str) -> bool:
        return self._database.read(lambda cursor: self._rows.find(cursor, org, id_) is not None)

    def counterpart(self, org: Organisation, event: E) -> E | None:
        """The stored event that is the same one: of its id and place, else of its identity."""
        return self._database.read(lambda cursor: self._rows.counterpart(cursor, org, event))

    def select(self, org: Organisation, selection: Selection) -> list[E]:
        """The events that match, in order."""
        return self._database.read(
            lambda cursor: select_events(
                cursor, self._table, org, self._resolved(cursor, org, selection)
            )
        )

    def documents(self, org: Organisation, selection: Selection) -> DocumentPage:
        """The same, as responses write them."""
        began_sec = time.monotonic()
        choice = self._choices.recall(org, selection)
        if choice is None:
            return self._database.read(partial(self._planned_page, org, selection))

        def read(cursor: Cursor) -> DocumentPage:
            search = document_search(self._table, org, selection, cursor.dialect)
            return document_page(selection, search.follow(cursor, choice))

        page = self._database.read_statement(read)
        if time.monotonic() - began_sec > _BRIEF_SECONDS:
            self._choices.forget(org, selection)
        return page

    def documents_soon(
        self, org: Organisation, selection: Selection
    ) -> "Awaitable[DocumentPage] | None":
        """The same for an event loop; see `Database.ask_soon`. None if that takes more than that.

        Each statement has a snapshot of its own: those before the last only decide how to search.
        """
        if not self._database.can_ask_soon or names_production(selection.query):
            return None
        search = document_search(self._table, org, selection, self._database.dialect)
        if not search.looks_nothing_up or search.is_empty:
            return None
        if self._slow_until_sec.get(org.key, 0) > time.monotonic():
            return None
        return self._found_soon(org, selection, self._finding(org, selection, search))

    def _finding(
        self, org: Organisation, selection: Selection, search: Search
    ) -> Generator[Condition, list[Row], DocumentPage]:
        """The statements that find a page; each is sent its rows."""
        choice = self._choices.recall(org, selection)
        if choice is None:
            choice = yield from search.choosing()
            if not search.is_one_statement(choice):
                raise TakesLong
            self._choices.note(org, selection, search, choice)
        return document_page(selection, (yield search.only_statement(choice)))

    async def _found_soon(
        self,
        org: Organisation,
        selection: Selection,
        steps: Generator[Condition, list[Row], DocumentPage],
    ) -> DocumentPage:
        try:
            step = next(steps)
            while True:
                asked = self._database.ask_soon(*step)
                if asked is None:
                    raise TakesLong
                step = steps.send(await asked)
        except StopIteration as end:
            return end.value
        except TakesLong:
            # Others shall not wait for more of them.
            self._slow_until_sec[org.key] = time.monotonic() + _SLOW_SECONDS
            raise

    def _planned_page(self, org: Organisation, asked: Selection, cursor: Cursor) -> DocumentPage:
        selection = self._resolved(cursor, org, asked)
        search = document_search(self._table, org, selection, cursor.dialect)
        if search.is_empty:
            return document_page(selection, [])
        began_sec = time.monotonic()
        choice = search.choose(cursor)
        rows = search.follow(cursor, choice)
        if selection is asked and time.monotonic() - began_sec < _BRIEF_SECONDS:
            self._choices.note(org, selection, search, choice)
        return document_page(selection, rows)

    def count(self, org: Organisation | None = None) -> int:
        """How many there are, in one organisation or in all."""
        return self._database.read(lambda cursor: self._rows.count(cursor, org))

    def everything(self, org: Organisation) -> Iterator[E]:
        """Every one, in order of first receipt; what comes in meanwhile is included."""
        return self._rows.everything(self._database.read, org)

    def send_again(self, org: Organisation, ids: Sequence[str], *, actor: Actor) -> Future[int]:
        """Has stored events forwarded again, as they are now; how many, from the first on.

        Fewer than all where the outbox has no more room, none if the organisation does not
        forward. Events that are gone count as sent.
        """

        def write(cursor: Cursor) -> int:
            for done, id_ in enumerate(ids):
                stored = self._rows.find(cursor, org, id_)
                if stored is None:
                    continue
                if not queue_again(cursor, org, stored.event, self._patch_of(cursor, org, stored)):
                    return done
            return len(ids)

        return self._database.write(write, actor, org=org.key)

    def _patch_of(self, cursor: Cursor, org: Organisation, stored: Stored[E]) -> Mapping[str, Any]:
        """The attributes of a patch that an event needs to be sent completely."""
        return {}

    def last_received(self, org: Organisation) -> E | None:
        """The one that was new last, or one of those."""

        def read(cursor: Cursor) -> E | None:
            row = cursor.execute(
                f"SELECT {self._table.select} FROM {self._table.name} e WHERE e.org = ? "
                "ORDER BY e.created_at_ns DESC LIMIT 1",
                (org.key,),
            ).fetchone()
            return self._table.from_row(row) if row else None

        return self._database.read(read)

    def _resolved(self, cursor: Cursor, org: Organisation, selection: Selection) -> Selection:
        """The selection with the environments from the settings in place of `is:production`."""
        query = self._production.resolve(cursor, org, selection.query)
        return selection if query is selection.query else replace(selection, query=query)

    def _found(self, cursor: Cursor, org: Organisation, id_: str) -> Stored[E]:
        stored = self._rows.find(cursor, org, id_)
        if stored is None:
            raise NotFound(f"{self._table.kind.value} does not exist")
        return stored
