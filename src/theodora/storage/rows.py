"""Events as rows: placing one, finding one, removing one, with everything that finds it again.

Functions here run inside a transaction that their caller has opened. SQL is made of constants
alone; values are always bound.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Generic, Literal, LiteralString, Protocol, TypeVar

import msgspec

from theodora.query.words import words
from theodora.storage.cursor import Cursor, Row, only_value
from theodora.storage.organisations import Organisation
from theodora.storage.tables import E, EventTable
from theodora.storage.terms import Term, elements, searched_words, terms

T = TypeVar("T")

Outcome = Literal["added", "replaced", "unchanged"]


_PAGE = 1_000


class Read(Protocol):
    """Runs a function on a cursor that reads."""

    def __call__(self, read: Callable[[Cursor], T], /) -> T: ...


@dataclass(frozen=True, slots=True)
class Stored(Generic[E]):
    """An event and the key of its row."""

    key: int
    event: E


@dataclass(frozen=True, slots=True)
class Placed(Generic[E]):
    """What became of an event that was put: its state now, and before if it was there."""

    outcome: Outcome
    now: Stored[E]
    before: Stored[E] | None = None

    @property
    def states(self) -> list[Stored[E]]:
        return [self.now] if self.before is None else [self.before, self.now]


@dataclass(frozen=True, slots=True)
class _Statements:
    by_id: LiteralString
    by_identity: LiteralString
    count: LiteralString
    page: LiteralString
    insert: LiteralString
    replace: LiteralString
    delete: LiteralString
    delete_elements: LiteralString
    add_element: LiteralString
    add_posting: LiteralString
    delete_posting: LiteralString
    is_posted: LiteralString
    add_word: LiteralString


def next_receipt(cursor: Cursor) -> int:
    """The number of this receipt: greater than every number before it in this store."""
    return only_value(
        cursor.execute(
            "UPDATE counters SET value = value + 1 WHERE name = 'receipt' RETURNING value"
        )
    )


def find(cursor: Cursor, table: EventTable[E], org: Organisation, id_: str) -> Stored[E] | None:
    """The event with this id in this organisation."""
    return _stored(table, cursor.execute(_statements(table).by_id, (org.key, id_)).fetchone())


def count_rows(cursor: Cursor, table: EventTable[E]) -> int:
    """How many events there are, in every organisation."""
    return only_value(cursor.execute(_statements(table).count))


def everything(read: Read, table: EventTable[E], org: Organisation) -> Iterator[E]:
    """Every event, in order of first receipt, a page in memory at a time."""
    key = -1
    while True:
        page = read(partial(_page, table, org, key))
        yield from (stored.event for stored in page)
        if len(page) < _PAGE:
            return
        key = page[-1].key


def _page(table: EventTable[E], org: Organisation, after: int, cursor: Cursor) -> list[Stored[E]]:
    rows = cursor.execute(_statements(table).page, (after, org.key, _PAGE))
    return [Stored(row[0], table.from_row(row[1:])) for row in rows]


def put(
    cursor: Cursor, table: EventTable[E], org: Organisation, event: E, now_ns: int
) -> Placed[E]:
    """Replaces the event of the same id or, without an id, of the same identity; else adds it.

    A replacement keeps the key, the id and the time of first receipt.
    """
    identity = event.identity(org.uuid)
    if event.id:
        former = find(cursor, table, org, event.id)
    else:
        row = cursor.execute(_statements(table).by_identity, (org.key, identity)).fetchone()
        former = _stored(table, row)
    if former is None:
        return Placed("added", _insert(cursor, table, org, event, identity, now_ns))
    same = table.sent_values(event) == table.sent_values(former.event)
    now = _replace(cursor, table, org, former, event, identity)
    return Placed("unchanged" if same else "replaced", now, former)


def remove(cursor: Cursor, table: EventTable[E], org: Organisation, stored: Stored[E]) -> None:
    """Takes the event out, with its postings and elements."""
    statements = _statements(table)
    _unpost(cursor, table, org, stored, terms(table, stored.event))
    cursor.execute(statements.delete_elements, (stored.key,))
    cursor.execute(statements.delete, (stored.key,))


def _insert(
    cursor: Cursor,
    table: EventTable[E],
    org: Organisation,
    event: E,
    identity: str,
    now_ns: int,
) -> Stored[E]:
    key = next_receipt(cursor)
    id_ = event.id or _free_id(cursor, table, org, event, identity)
    created_at_ns = event.created_at_ns or now_ns
    event = msgspec.structs.replace(event, id=id_, created_at_ns=created_at_ns)
    cursor.execute(
        _statements(table).insert,
        (
            *(key, org.key, id_, identity, key, created_at_ns, searched_words(table, event)),
            *table.sent_values(event),
        ),
    )
    stored = Stored(key, event)
    event_terms = terms(table, event)
    _post(cursor, table, org, stored, event_terms)
    _add_elements(cursor, table, key, elements(table, event_terms))
    return stored


def _free_id(
    cursor: Cursor, table: EventTable[E], org: Organisation, event: E, identity: str
) -> str:
    """The id that follows from the identity; another if a client gave that one to another event."""
    return next(
        id_
        for id_ in (event.id_of(identity, attempt) for attempt in itertools.count())
        if find(cursor, table, org, id_) is None
    )


def _replace(
    cursor: Cursor,
    table: EventTable[E],
    org: Organisation,
    former: Stored[E],
    event: E,
    identity: str,
) -> Stored[E]:
    event = msgspec.structs.replace(
        event, id=former.event.id, created_at_ns=former.event.created_at_ns
    )
    stored = Stored(former.key, event)
    cursor.execute(
        _statements(table).replace,
        (
            *(identity, next_receipt(cursor), searched_words(table, event)),
            *table.sent_values(event),
            former.key,
        ),
    )
    old, new = terms(table, former.event), terms(table, event)
    if former.event.started_at_ns != event.started_at_ns or old != new:
        _unpost(cursor, table, org, former, old)
        _post(cursor, table, org, stored, new)
        cursor.execute(_statements(table).delete_elements, (former.key,))
        _add_elements(cursor, table, former.key, elements(table, new))
    return stored


def _post(
    cursor: Cursor,
    table: EventTable[E],
    org: Organisation,
    stored: Stored[E],
    event_terms: list[Term],
) -> None:
    statements = _statements(table)
    for term in event_terms:
        text = str(term)
        if not cursor.execute(statements.is_posted, (org.key, text)).fetchone():
            for word in set(words(term.value)):
                cursor.execute(statements.add_word, (org.key, word, text))
        cursor.execute(
            statements.add_posting, (org.key, text, stored.event.started_at_ns, stored.key)
        )


def _unpost(
    cursor: Cursor,
    table: EventTable[E],
    org: Organisation,
    stored: Stored[E],
    event_terms: list[Term],
) -> None:
    started_at_ns = stored.event.started_at_ns
    cursor.executemany(
        _statements(table).delete_posting,
        [(org.key, str(term), started_at_ns, stored.key) for term in event_terms],
    )


def _add_elements(
    cursor: Cursor, table: EventTable[E], key: int, event_elements: list[Term]
) -> None:
    cursor.executemany(
        _statements(table).add_element,
        [(key, element.field, element.value) for element in event_elements],
    )


def _stored(table: EventTable[E], row: Row | None) -> Stored[E] | None:
    return None if row is None else Stored(row[0], table.from_row(row[1:]))


@cache
def _statements(table: EventTable[E]) -> _Statements:
    name = table.name
    kept: tuple[LiteralString, ...] = (
        *("key", "org", "id", "identity", "receipt", "created_at_ns", "words"),
        *table.sent_columns,
    )
    replaced: tuple[LiteralString, ...] = ("identity", "receipt", "words", *table.sent_columns)
    return _Statements(
        by_id=f"SELECT e.key, {table.select} FROM {name} e WHERE org = ? AND id = ?",
        by_identity=(
            f"SELECT e.key, {table.select} FROM {name} e WHERE org = ? AND identity = ? "
            "ORDER BY receipt DESC LIMIT 1"
        ),
        count=f"SELECT count(*) FROM {name}",
        page=(
            f"SELECT e.key, {table.select} FROM {name} e WHERE key > ? AND +org = ? "
            "ORDER BY key LIMIT ?"
        ),
        insert=(
            f"INSERT INTO {name} ({', '.join(kept)}) VALUES ({', '.join(['?' for _ in kept])})"
        ),
        replace=(
            f"UPDATE {name} SET {', '.join([f'{column} = ?' for column in replaced])} WHERE key = ?"
        ),
        delete=f"DELETE FROM {name} WHERE key = ?",
        delete_elements=f"DELETE FROM {table.elements} WHERE event = ?",
        add_element=f"INSERT INTO {table.elements} (event, field, value) VALUES (?, ?, ?)",
        add_posting=(
            f"INSERT INTO {table.postings} (org, term, started_at_ns, event) VALUES (?, ?, ?, ?)"
        ),
        delete_posting=(
            f"DELETE FROM {table.postings} "
            "WHERE org = ? AND term = ? AND started_at_ns = ? AND event = ?"
        ),
        is_posted=f"SELECT 1 FROM {table.postings} WHERE org = ? AND term = ? LIMIT 1",
        add_word=f"INSERT OR IGNORE INTO {table.words} (org, word, term) VALUES (?, ?, ?)",
    )
