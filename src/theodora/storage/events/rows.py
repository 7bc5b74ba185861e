"""Rows of events: upsert, lookup and removal.

Functions here run inside a transaction that their caller has opened. SQL is made of constants
alone; values are always bound.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

import msgspec

from theodora.events import Deployment, Failure, Git
from theodora.events.document import render_attributes
from theodora.storage.engine.cursor import Cursor, Row, in_equal_parts, only_value
from theodora.storage.engine.organisations import Organisation, number_ranges
from theodora.storage.events import index
from theodora.storage.events.change_log import log_change, log_changes
from theodora.storage.events.row_statements import (
    KEYS_AT_ONCE,
    changes_of,
    elements_of,
    lookups_of,
    places_of,
)
from theodora.storage.events.tables import E, EventTable
from theodora.storage.events.terms import elements, other_words, searched_words
from theodora.storage.events.usage import UNLIMITED, Quotas, Usage, count_usage

T = TypeVar("T")

Outcome = Literal["added", "replaced", "unchanged"]

_PAGE = 1_000
_DOCUMENT = 7
"""The place of the document in the values of a new row."""


class Read(Protocol):
    """Runs a function on a cursor that reads."""

    def __call__(self, read: Callable[[Cursor], T], /) -> T: ...


class Stored(msgspec.Struct, Generic[E], frozen=True, gc=False):
    """An event and the key of its row."""

    key: int
    event: E


class Upserted(msgspec.Struct, Generic[E], frozen=True, gc=False):
    """The outcome of an upsert: the event's state now, and before if it existed."""

    outcome: Outcome
    now: Stored[E]
    before: Stored[E] | None = None

    @property
    def states(self) -> list[Stored[E]]:
        return [self.now] if self.before is None else [self.before, self.now]


class _Place(msgspec.Struct, Generic[E], frozen=True, gc=False):
    """The row and id of an event that is upserted."""

    identity: str
    receipt: int
    """The number of its receipt: its key, if it is new."""
    former: Stored[E] | None
    """The event that it replaces: of the same id, service and env or, without an id, the latest
    received of the same identity, whatever its id."""
    is_taken: bool
    """Whether there is an event with the id that it would get."""
    given_id: str | None = None
    """The id that came with it, if an event of another service or env holds that."""


class _Names(NamedTuple):
    """The names under which an event is stored, or finds the one that it replaces."""

    id: str
    """The one that came with it, else the same as the next."""
    own_id: str
    """The one that follows from its identity."""
    identity: str

    @classmethod
    def of(cls, event: Deployment | Failure, org: Organisation) -> "_Names":
        identity = event.identity(org.uuid)
        own_id = event.id_of(identity)
        return cls(event.id or own_id, own_id, identity)

    @property
    def ids(self) -> tuple[str, str]:
        return self.id, self.own_id


class Rows(Generic[E]):
    """The rows of one kind of event."""

    def __init__(self, table: EventTable[E], quotas: Quotas = UNLIMITED) -> None:
        """`quotas` are those that `put` keeps to."""
        self.table = table
        self._quotas = quotas
        self._lookups = lookups_of(table)
        self._places = places_of(table)
        self._changes = changes_of(table)
        self._elements = elements_of(table)

    def find(self, cursor: Cursor, org: Organisation, id_: str) -> Stored[E] | None:
        """The event with this id in this organisation."""
        return self._stored(cursor.execute(self._lookups.by_id, (org.key, id_)).fetchone())

    def counterpart(self, cursor: Cursor, org: Organisation, event: E) -> E | None:
        """The event that is the same one: of its id and place, else of its identity."""
        named = self.find(cursor, org, event.id) if event.id else None
        if named and event.shares_id_with(named.event):  # pyright: ignore[reportArgumentType]
            return named.event
        identity = event.identity(org.uuid)
        values = (org.key, event.id_of(identity), org.key, identity)
        for row in cursor.execute(self._places.by_identity, (*values, org.key)).fetchall():
            if row[1] == identity:
                return self.table.from_row(row[4:])
        return None

    def get(self, cursor: Cursor, org: Organisation, key: int) -> Stored[E] | None:
        """The event of the organisation whose row has this key."""
        return self._stored(cursor.execute(self._lookups.by_key, (key, org.key)).fetchone())

    def get_all(
        self, cursor: Cursor, org: Organisation, keys: Sequence[int]
    ) -> dict[int, Stored[E]]:
        """The events of the organisation whose rows have these keys, by key.

        Without those that do not exist.
        """
        found: dict[int, Stored[E]] = {}
        for part in in_equal_parts(keys, KEYS_AT_ONCE):
            rows = cursor.execute(self._lookups.by_keys, (*part, org.key)).fetchall()
            found.update((row[0], Stored(row[0], self.table.from_row(row[1:]))) for row in rows)
        return found

    def count(self, cursor: Cursor, org: Organisation | None = None) -> int:
        """How many events there are, in one organisation or in all."""
        if org is None:
            return only_value(cursor.execute(self._lookups.count))
        return only_value(cursor.execute(self._lookups.count_of, (org.key,)))

    def everything(self, read: Read, org: Organisation) -> Iterator[E]:
        """Every event, in order of first receipt, a page in memory at a time."""
        for after, end in number_ranges(org.key, -1):
            key = after
            while page := read(partial(self._page, org, key, end)):
                yield from (stored.event for stored in page)
                key = page[-1].key

    def put(
        self,
        cursor: Cursor,
        org: Organisation,
        event: E,
        now_ns: int,
        merge: Callable[[E, E], E] | None = None,
    ) -> Upserted[E]:
        """Replaces the event of the same id or, without an id, of the same identity; else adds.

        An id that an event of another service or env holds is no reason to replace that: the event
        gets the id that follows from its identity, and is found again by the id that came with it.
        A replacement keeps the key, the id and the time of first receipt. `merge` makes it from
        the event that was put and the one that it replaces. Raises `OverQuota`.
        """
        identity = event.identity(org.uuid)
        place = self._place(cursor, org, event, identity)
        former = place.former
        if former is None:
            event = msgspec.structs.replace(event, id=self._free_id(cursor, org, event, place))
            [now] = self._insert_all(cursor, org, [(event, place)], now_ns)
            return Upserted("added", now)
        if merge is not None:
            event = merge(event, former.event)
            place = msgspec.structs.replace(place, identity=event.identity(org.uuid))
        # A retry sends the same values: that is no change.
        same = self.table.sent_values(event) == self.table.sent_values(former.event)
        now = self._replace(cursor, org, former, event, place)
        return Upserted("unchanged" if same else "replaced", now, former)

    def put_all(
        self, cursor: Cursor, org: Organisation, events: Sequence[E], now_ns: int
    ) -> list[Upserted[E]]:
        """Puts each as `put` does, one after another; new ones are written together."""
        if len(events) == 1:
            return [self.put(cursor, org, events[0], now_ns)]
        placed: list[Upserted[E]] = []
        for start in range(0, len(events), KEYS_AT_ONCE):
            placed += self._put_some(cursor, org, events[start : start + KEYS_AT_ONCE], now_ns)
        return placed

    def remove(self, cursor: Cursor, org: Organisation, stored: Stored[E]) -> None:
        """Removes the event and its index entries."""
        count_usage(cursor, org.key, Usage(-1, -self._stored_bytes(cursor, org, [stored.key])))
        index.forget(cursor, self.table, org.key, stored.key, stored.event)
        cursor.execute(self._elements.delete, (org.key, stored.key))
        cursor.execute(self._changes.delete, (stored.key, org.key))
        log_change(cursor, self.table, org, stored.key)

    def renew_elements(self, cursor: Cursor, org: int, after: int, limit: int) -> int | None:
        """Writes the elements of the next events of an organisation again; the key of the last.

        None for no events: then elements of events that are not there have been deleted.
        """
        rows: list[Row] = []
        for start, end in number_ranges(org, after):
            limits = (start, end, org, limit - len(rows))
            rows += cursor.execute(self._lookups.page, limits).fetchall()
        for key, *columns in rows:
            cursor.execute(self._elements.delete, (org, key))
            self._add_elements(cursor, org, [Stored(key, self.table.from_row(tuple(columns)))])
        if rows:
            return rows[-1][0]
        cursor.execute(self._elements.delete_lost, (org,))
        return None

    def derive(self, cursor: Cursor, org: Organisation, stored: Stored[E], now: E) -> None:
        """Writes the derived columns and the default team of an event; `now` is the event with
        them."""
        self.derive_all(cursor, org, [(stored, now)])

    def derive_all(
        self, cursor: Cursor, org: Organisation, changes: Iterable[tuple[Stored[E], E]]
    ) -> None:
        """The same for several events; skips unchanged ones."""
        changed = [(stored, now) for stored, now in changes if now != stored.event]
        if not changed:
            return
        keys = [stored.key for stored, _ in changed]
        teams = [
            (now.team, now.team_is_filled_in, searched_words(self.table, now), stored.key, org.key)
            for stored, now in changed
            if now.team != stored.event.team
        ]
        cursor.executemany(self._changes.fill_in, teams)
        documents = [render_attributes(now) for _, now in changed]
        change = sum(map(_length, documents)) - self._stored_bytes(cursor, org, keys)
        cursor.executemany(
            self._changes.derive,
            [
                (
                    *(document, other_words(now), *self.table.derived_values(now)),
                    *(stored.key, org.key),
                )
                for document, (stored, now) in zip(documents, changed, strict=True)
            ],
        )
        moved = [index.ChangedEvent(stored.key, stored.event, now) for stored, now in changed]
        indexed = index.indexed_up_to(cursor, self.table, org.key)
        index.move_all(cursor, self.table, org.key, moved, indexed)
        log_changes(cursor, self.table, org, keys)
        if change:
            count_usage(cursor, org.key, Usage(bytes=change))

    def rename_repository(
        self, cursor: Cursor, org: Organisation, stored: Stored[E], former_id: str, git: Git
    ) -> None:
        """Renames the repository in the row and in the index."""
        former = stored.event.git
        now = msgspec.structs.replace(stored.event, git=git)
        document = render_attributes(now)
        change = _length(document) - self._stored_bytes(cursor, org, [stored.key])
        count_usage(cursor, org.key, Usage(bytes=change))
        texts = (document, searched_words(self.table, now), other_words(now))
        cursor.execute(
            self._changes.rename_repository,
            (git.repository_id, git.repository_url, *texts, stored.key, org.key),
        )
        names = [("repository_id", former_id, git.repository_id)]
        if former is not None:
            names.append(("repository_url", former.repository_url, git.repository_url))
        changed = [(f"{name}:{was}", f"{name}:{is_}") for name, was, is_ in names if was != is_]
        index.replace_terms(cursor, self.table, org.key, stored.key, now.started_at_ns, changed)
        log_change(cursor, self.table, org, stored.key)

    def _put_some(
        self, cursor: Cursor, org: Organisation, events: Sequence[E], now_ns: int
    ) -> list[Upserted[E]]:
        """Puts at most `KEYS_AT_ONCE` events."""
        names = [_Names.of(event, org) for event in events]
        known = self._known(cursor, org, names)
        placed: list[Upserted[E]] = []
        new: list[tuple[E, str]] = []
        for event, name in zip(events, names, strict=True):
            if known.isdisjoint(name):
                new.append((event, name.identity))
            else:
                placed += self._add_all(cursor, org, new, now_ns)
                new.clear()
                upserted = self.put(cursor, org, event, now_ns)
                placed.append(upserted)
                known.add(upserted.now.event.id)
            # An event of the same name finds this one only once it is written.
            known.update(name)
        return placed + self._add_all(cursor, org, new, now_ns)

    def _known(self, cursor: Cursor, org: Organisation, names: Sequence["_Names"]) -> set[str]:
        """The names under which some stored event may be found."""
        ids = {id_: None for name in names for id_ in name.ids}
        identities = [name.identity for name in names]
        found: set[str] = set()
        for part in in_equal_parts(list(ids), KEYS_AT_ONCE):
            values = (org.key, *part)
            found.update(
                id_ for (id_,) in cursor.execute(self._lookups.known_ids, values).fetchall()
            )
            if len(ids) > len(names):
                given = cursor.execute(self._lookups.known_given_ids, values).fetchall()
                found.update(id_ for (id_,) in given)
        for part in in_equal_parts(identities, KEYS_AT_ONCE):
            same = cursor.execute(self._lookups.known_identities, (org.key, *part)).fetchall()
            found.update(identity for (identity,) in same)
        return found

    def _add_all(
        self, cursor: Cursor, org: Organisation, events: Sequence[tuple[E, str]], now_ns: int
    ) -> list[Upserted[E]]:
        """Adds events of these identities; none is stored under any of its names."""
        if not events:
            return []
        last = only_value(cursor.execute(self._places.add_receipts, (len(events), org.key)))
        index.note_to_index(cursor, org.key)
        first = last - len(events) + 1
        placed: list[tuple[E, _Place[E]]] = [
            (
                msgspec.structs.replace(event, id=event.id or event.id_of(identity)),
                _Place(identity, receipt, None, is_taken=False),
            )
            for receipt, (event, identity) in enumerate(events, first)
        ]
        return [Upserted("added", now) for now in self._insert_all(cursor, org, placed, now_ns)]

    def _page(self, org: Organisation, after: int, end: int, cursor: Cursor) -> list[Stored[E]]:
        found = cursor.execute(self._lookups.page, (after, end, org.key, _PAGE))
        return [Stored(row[0], self.table.from_row(row[1:])) for row in found]

    def _place(self, cursor: Cursor, org: Organisation, event: E, identity: str) -> _Place[E]:
        """Reads everything in one statement, because each statement waits for the server."""
        own_id = event.id_of(identity)
        if event.id:
            narrowing = self.table.narrowing_of_given_id(event)
            values = (org.key, event.id, org.key, event.id, *narrowing, org.key, own_id, org.key)
            found = cursor.execute(self._places.by_id, values).fetchall()
        else:
            values = (org.key, own_id, org.key, identity, org.key)
            found = cursor.execute(self._places.by_identity, values).fetchall()
        # The statement joins from the counter, so there is a first row even if no event was found.
        receipt = found[0][0] + 1
        cursor.execute(self._places.raise_receipt, (receipt, org.key))
        index.note_to_index(cursor, org.key)
        there = [
            _There(row[1], row[2], Stored(row[3], self.table.from_row(row[4:])))
            for row in found
            if row[1] is not None
        ]
        if event.id:
            return _place_of_id(event, identity, own_id, receipt, there)
        former = next((each.stored for each in there if each.identity == identity), None)
        return _Place(identity, receipt, former, is_taken=bool(there))

    def _insert_all(
        self,
        cursor: Cursor,
        org: Organisation,
        events: Iterable[tuple[E, _Place[E]]],
        now_ns: int,
    ) -> list[Stored[E]]:
        stored: list[Stored[E]] = []
        rows: list[Row] = []
        for given, place in events:
            event = msgspec.structs.replace(given, created_at_ns=given.created_at_ns or now_ns)
            stored.append(Stored(place.receipt, event))
            rows.append(self._row(org, event, place))
        grown = Usage(len(rows), sum(_length(row[_DOCUMENT]) for row in rows))
        self._grow(cursor, org, grown)
        cursor.executemany(self._changes.insert, rows)
        self._add_elements(cursor, org.key, stored)
        log_changes(cursor, self.table, org, [each.key for each in stored])
        return stored

    def _row(self, org: Organisation, event: E, place: _Place[E]) -> Row:
        """The values of the columns of `insert`."""
        key, identity = place.receipt, place.identity
        return (
            *(key, org.key, event.id, identity, event.id != event.id_of(identity), key),
            *(event.created_at_ns, render_attributes(event), searched_words(self.table, event)),
            *(other_words(event), place.given_id),
            *(*self.table.sent_values(event), *self.table.derived_values(event)),
        )

    def _free_id(self, cursor: Cursor, org: Organisation, event: E, place: _Place[E]) -> str:
        """Its own id, or the one that follows from its identity.

        Another one if a client gave that to another event.
        """
        if event.id and place.given_id is None:
            return event.id
        if not place.is_taken:
            return event.id_of(place.identity)
        return next(
            id_
            for id_ in (event.id_of(place.identity, attempt) for attempt in count(1))
            if self.find(cursor, org, id_) is None
        )

    def _replace(
        self, cursor: Cursor, org: Organisation, former: Stored[E], event: E, place: _Place[E]
    ) -> Stored[E]:
        event = msgspec.structs.replace(
            event,
            id=former.event.id,
            created_at_ns=former.event.created_at_ns,
            **{name: getattr(former.event, name) for name in self.table.derived_fields},
        )
        document = render_attributes(event)
        change = _length(document) - self._stored_bytes(cursor, org, [former.key])
        self._grow(cursor, org, Usage(bytes=change))
        cursor.execute(
            self._changes.replace,
            (
                *(place.identity, event.id != event.id_of(place.identity), place.receipt),
                *(document, searched_words(self.table, event), other_words(event)),
                *(place.given_id, *self.table.sent_values(event), former.key, org.key),
            ),
        )
        # Sending the same again raises its receipt, but costs no index or change log.
        if event != former.event:
            moved = [index.ChangedEvent(former.key, former.event, event)]
            index.move_all(
                cursor, self.table, org.key, moved, index.indexed_up_to(cursor, self.table, org.key)
            )
            cursor.execute(self._elements.delete, (org.key, former.key))
            self._add_elements(cursor, org.key, [Stored(former.key, event)])
            log_change(cursor, self.table, org, former.key)
        return Stored(former.key, event)

    def _grow(self, cursor: Cursor, org: Organisation, change: Usage) -> None:
        """Counts what is put; raises `OverQuota`."""
        if any(change):
            self._quotas.add(cursor, org, change)

    def _stored_bytes(self, cursor: Cursor, org: Organisation, keys: Sequence[int]) -> int:
        """The length of the documents in these rows, in bytes."""
        return sum(
            only_value(cursor.execute(self._lookups.bytes, (*part, org.key)))
            for part in in_equal_parts(keys, KEYS_AT_ONCE)
        )

    def _add_elements(self, cursor: Cursor, org: int, events: Iterable[Stored[E]]) -> None:
        found = [
            (org, stored.key, field, value)
            for stored in events
            for field, value in elements(self.table, stored.event)
        ]
        cursor.executemany(self._elements.add, found)

    def _stored(self, row: Row | None) -> Stored[E] | None:
        return None if row is None else Stored(row[0], self.table.from_row(row[1:]))


def _length(document: str) -> int:
    """In bytes."""
    return len(document) if document.isascii() else len(document.encode())


class _There(msgspec.Struct, Generic[E], frozen=True, gc=False):
    """The attributes of a stored event that decide where another one belongs."""

    identity: str
    given_id: str | None
    stored: Stored[E]


def _place_of_id(
    event: E, identity: str, own_id: str, receipt: int, there: Sequence[_There[E]]
) -> _Place[E]:
    """The place of an event that was sent with an id."""
    holder = next((each for each in there if each.stored.event.id == event.id), None)
    named = [each for each in there if each is holder or each.given_id == event.id]
    same = [each for each in named if event.shares_id_with(each.stored.event)]  # pyright: ignore[reportArgumentType]
    if same:
        # Of several failures that have services in common, the one of exactly these is meant.
        best = min(
            same, key=lambda each: (each.stored.event.place != event.place, each is not holder)
        )
        given_id = None if best is holder else event.id
        return _Place(identity, receipt, best.stored, is_taken=True, given_id=given_id)
    if holder is None:
        return _Place(identity, receipt, None, is_taken=False)
    of_own_id = next((each for each in there if each.stored.event.id == own_id), None)
    former = of_own_id.stored if of_own_id and of_own_id.identity == identity else None
    return _Place(identity, receipt, former, is_taken=of_own_id is not None, given_id=event.id)


def next_receipt(cursor: Cursor, org: Organisation) -> int:
    """A number greater than every one before it in the organisation, and no other's."""
    return only_value(
        cursor.execute(
            "UPDATE counters SET value = value + 1 WHERE org = ? AND name = 'receipt' "
            "RETURNING value",
            (org.key,),
        )
    )
