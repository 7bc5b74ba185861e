"""The index of events: postings of terms, words and numbers.

Each posting lies on a page of its own, so writing them one event at a time would make every
commit a long one. They are written in batches instead, in order, soon after the event: events
up to its organisation's watermark are indexed, and readers look at the few above it one by one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, LiteralString, NamedTuple

from theodora.events import Deployment, Failure
from theodora.query.words import words
from theodora.storage.engine.cursor import Cursor, Row, in_equal_parts, only_value
from theodora.storage.engine.organisations import NUMBERS_OF_ONE, number_ranges
from theodora.storage.events.segments import (
    forget_waiting,
    is_segment_due,
    segment_some,
    wait_for_segment,
)
from theodora.storage.events.tables import E, EventTable
from theodora.storage.events.terms import TAG_PREFIXES, Posted, other_texts, posted
from theodora.storage.events.trigrams import SEGMENT

BATCH = 512
"""Most events indexed at once; readers rarely find more above the watermark."""

_TERMS_AT_ONCE = 64

_ONE_WORD = "commit_sha:"
"""Terms that are found by their only word without help."""

_NOTE_INDEXED: LiteralString = (
    "DELETE FROM organisations_to_index WHERE org = ?1 AND NOT EXISTS ("
    "SELECT 1 FROM counters r JOIN counters i ON i.org = r.org AND i.value < r.value "
    "AND i.name IN ('deployments_indexed', 'failures_indexed') "
    "WHERE r.org = ?1 AND r.name = 'receipt')"
)

Entry = tuple[int, str, int, int]
"""The row of a posting or of a number: org, term or field, start or value, event."""


@dataclass(frozen=True, slots=True)
class _WatermarkStatements:
    """Statements on how far an organisation's events are indexed."""

    watermark: LiteralString
    above: LiteralString
    raise_watermark: LiteralString
    catch_up: LiteralString
    clear_watermark: LiteralString


@dataclass(frozen=True, slots=True)
class _EntryStatements:
    """Statements on the entries of the index."""

    add_posting: LiteralString
    delete_posting: LiteralString
    posted: LiteralString
    add_number: LiteralString
    delete_number: LiteralString
    add_word: LiteralString
    delete_word: LiteralString


def orgs_to_index(cursor: Cursor) -> set[int]:
    """Organisations that have received events which may not be indexed."""
    return {org for (org,) in cursor.execute("SELECT org FROM organisations_to_index").fetchall()}


def note_to_index(cursor: Cursor, org: int) -> None:
    """Notes that the organisation receives an event; it mostly is noted already."""
    cursor.execute(
        "INSERT INTO organisations_to_index (org) VALUES (?) ON CONFLICT (org) DO NOTHING", (org,)
    )


def index_some(cursor: Cursor, table: EventTable[Any], org: int, segment: int = SEGMENT) -> bool:
    """Indexes the organisation's next batch of events; whether there may be more.

    Or makes a segment of so many of them, if they wait for one: not both at once, as writes wait
    meanwhile. When nothing is left, its watermark is raised to all that it has received: then
    nobody needs to look for events above it.
    """
    if segment_some(cursor, table, org, segment):
        return True
    rows = _unindexed(cursor, table, org)
    if rows:
        _index(cursor, table, org, rows)
    more = len(rows) == BATCH or is_segment_due(cursor, table, org, segment)
    if not more:
        cursor.execute(_watermarks(table).catch_up, (org,))
        cursor.execute(_NOTE_INDEXED, (org,))
    return more


def _unindexed(cursor: Cursor, table: EventTable[Any], org: int) -> list[Row]:
    """The next events above the watermark, at most a batch."""
    rows: list[Row] = []
    for after, end in number_ranges(org, indexed_up_to(cursor, table, org)):
        missing = BATCH - len(rows)
        if missing:
            rows += cursor.execute(_watermarks(table).above, (after, end, org, missing)).fetchall()
    return rows


def _index(cursor: Cursor, table: EventTable[Any], org: int, rows: Sequence[Row]) -> None:
    postings: list[Entry] = []
    numbers: list[Entry] = []
    for key, *columns in rows:
        event = table.from_row(tuple(columns))
        found = posted(table, event)
        postings += _postings(org, key, event, found)
        numbers += _numbers(table, org, key, event, found)
    _add(cursor, table, sorted(postings), sorted(numbers))
    wait_for_segment(cursor, table, [(org, row[0]) for row in rows])
    cursor.execute(_watermarks(table).raise_watermark, (rows[-1][0], org))


def indexed_up_to(cursor: Cursor, table: EventTable[Any], org: int) -> int:
    """The key up to which the organisation's events are indexed."""
    return only_value(cursor.execute(_watermarks(table).watermark, (org,)))


def watermark_of(table: EventTable[Any]) -> LiteralString:
    """The same, as a term of a statement, which binds the organisation."""
    return f"(SELECT value FROM counters WHERE org = ? AND name = '{table.watermark}')"


def forget(cursor: Cursor, table: EventTable[E], org: int, key: int, event: E) -> None:
    """Takes an event out of the index, if it is there."""
    if key <= indexed_up_to(cursor, table, org):
        found = posted(table, event)
        postings = _postings(org, key, event, found)
        _delete(cursor, table, postings, _numbers(table, org, key, event, found))
        forget_waiting(cursor, table, org, key)


def index_entries(
    table: EventTable[E], org: int, key: int, event: E
) -> tuple[list[Entry], list[Entry]]:
    """The postings and the numbers that an event is found by, once it is indexed."""
    found = posted(table, event)
    return _postings(org, key, event, found), _numbers(table, org, key, event, found)


def free_text_words(term: str) -> set[str]:
    """The words by which free text finds a term; none for a term that is found by itself."""
    return set() if term.startswith(_ONE_WORD) else set(words(_searched(term)))


def index_tables(table: EventTable[Any]) -> tuple[LiteralString, ...]:
    """The tables of the index."""
    in_segments = (table.unsegmented, table.segments, table.trigrams)
    return (table.postings, table.numbers, table.words, *in_segments)


def clear_index(cursor: Cursor, table: EventTable[Any], org: int) -> None:
    """Removes the entries of the organisation, so that all of its events are indexed again."""
    for name in index_tables(table):
        cursor.execute(f"DELETE FROM {name} WHERE org = ?", (org,))
    cursor.execute(_watermarks(table).clear_watermark, (NUMBERS_OF_ONE, NUMBERS_OF_ONE, org))
    note_to_index(cursor, org)


class ChangedEvent(NamedTuple, Generic[E]):
    """An event that has changed."""

    key: int
    was: E
    now: E


def move_all(
    cursor: Cursor, table: EventTable[E], org: int, changes: Iterable[ChangedEvent[E]], indexed: int
) -> None:
    """Keeps the index in step with those of the changed events that are in it.

    `indexed` is the key up to which events are; the next batch indexes others as they are then.
    """
    postings, numbers = _Difference([], []), _Difference([], [])
    there = [moved for moved in changes if moved.key <= indexed]
    for moved in there:
        _compare(table, org, moved, postings, numbers)
    _delete(cursor, table, sorted(postings.before), sorted(numbers.before))
    _add(cursor, table, sorted(postings.now), sorted(numbers.now))
    others = sorted((org, moved.key) for moved in there if _has_other_words(table, moved))
    wait_for_segment(cursor, table, others)


def _has_other_words(table: EventTable[E], moved: ChangedEvent[E]) -> bool:
    was, now = moved.was, moved.now
    return (
        was.custom_tags != now.custom_tags
        or tuple(table.searched(was)) != tuple(table.searched(now))
        or other_texts(was) != other_texts(now)
    )


class _Difference(NamedTuple):
    """The entries that have to go, and those that come."""

    before: list[Entry]
    now: list[Entry]


def _compare(
    table: EventTable[E],
    org: int,
    moved: ChangedEvent[E],
    postings: _Difference,
    numbers: _Difference,
) -> None:
    """Adds the entries that differ: most stay as they are."""
    key, was, now = moved
    if was.started_at_ns != now.started_at_ns or was.custom_tags != now.custom_tags:
        (old_postings, old_numbers), (new_postings, new_numbers) = (
            map(set, index_entries(table, org, key, event)) for event in (was, now)
        )
        postings.before.extend(old_postings - new_postings)
        postings.now.extend(new_postings - old_postings)
        numbers.before.extend(old_numbers - new_numbers)
        numbers.now.extend(new_numbers - old_numbers)
        return
    # Without other tags or another start, only the fields that differ have other entries.
    at_ns = now.started_at_ns
    for field, values in table.posted:
        before, after = values(was), values(now)
        if before != after:
            old, new = set(before), set(after)
            postings.before.extend(
                (org, f"{field}:{it}", at_ns, key) for it in old - new if it is not None
            )
            postings.now.extend(
                (org, f"{field}:{it}", at_ns, key) for it in new - old if it is not None
            )
    for field, read in table.ranged:
        before, after = read(was), read(now)
        if before != after:
            numbers.before.extend([(org, field, before, key)] if before is not None else [])
            numbers.now.extend([(org, field, after, key)] if after is not None else [])


def replace_terms(
    cursor: Cursor,
    table: EventTable[Any],
    org: int,
    key: int,
    started_at_ns: int,
    changed: Sequence[tuple[str, str]],
) -> None:
    """Posts an event under other terms, if it is indexed. Of each pair the first is the former."""
    if key > indexed_up_to(cursor, table, org):
        return
    # Indexed by today's rules before its row was renamed, an event is under the new terms already.
    either = [(org, term, started_at_ns, key) for pair in changed for term in pair]
    _delete(cursor, table, either, [])
    _add(cursor, table, [(org, now, started_at_ns, key) for _, now in changed], [])
    wait_for_segment(cursor, table, [(org, key)])


def _postings(org: int, key: int, event: Deployment | Failure, found: Posted) -> list[Entry]:
    return [(org, term, event.started_at_ns, key) for term in found.terms]


def _numbers(table: EventTable[E], org: int, key: int, event: E, found: Posted) -> list[Entry]:
    values = ((field, read(event)) for field, read in table.ranged)
    entries = [(org, field, value, key) for field, value in values if value is not None]
    return entries + [(org, field, value, key) for field, value in found.numbers]


def _add(
    cursor: Cursor, table: EventTable[Any], postings: Iterable[Entry], numbers: Iterable[Entry]
) -> None:
    sql = _entries(table)
    postings = list(postings)
    # Before the postings: words are added only for terms that have none yet.
    _add_words(cursor, table, dict.fromkeys((org, term) for org, term, _, _ in postings))
    cursor.executemany(sql.add_posting, postings)
    cursor.executemany(sql.add_number, numbers)


def _add_words(cursor: Cursor, table: EventTable[Any], found: Iterable[tuple[int, str]]) -> None:
    """Makes terms that have no posting yet known by their words."""
    cursor.executemany(_entries(table).add_word, _words_without_postings(cursor, table, found))


def _delete_words(cursor: Cursor, table: EventTable[Any], found: Iterable[tuple[int, str]]) -> None:
    """Removes the words of terms that have no posting left: they are texts of deleted events."""
    cursor.executemany(_entries(table).delete_word, _words_without_postings(cursor, table, found))


def _words_without_postings(
    cursor: Cursor, table: EventTable[Any], found: Iterable[tuple[int, str]]
) -> list[tuple[int, str, str]]:
    """The rows (org, word, term) of those of the terms that have no posting."""
    asked = [at for at in found if not at[1].startswith(_ONE_WORD)]
    posted = _posted(cursor, table, asked)
    return sorted(
        (org, word, term)
        for org, term in asked
        if (org, term) not in posted
        for word in set(words(_searched(term)))
    )


def _posted(
    cursor: Cursor, table: EventTable[Any], asked: Sequence[tuple[int, str]]
) -> set[tuple[int, str]]:
    """The terms that have a posting."""
    found: set[tuple[int, str]] = set()
    for part in in_equal_parts(asked, _TERMS_AT_ONCE):
        values = [value for term in part for value in term]
        found.update(cursor.execute(_entries(table).posted, values).fetchall())
    return found


def _searched(term: str) -> str:
    """The text by which free text finds a term: the complete tag, or the value of a field."""
    return term[1:] if term[0] in TAG_PREFIXES else term.partition(":")[2]


def _delete(
    cursor: Cursor, table: EventTable[Any], postings: Iterable[Entry], numbers: Iterable[Entry]
) -> None:
    sql = _entries(table)
    postings = list(postings)
    cursor.executemany(sql.delete_posting, postings)
    cursor.executemany(sql.delete_number, numbers)
    # After the postings: words are removed only for terms that have none left.
    _delete_words(cursor, table, dict.fromkeys((org, term) for org, term, _, _ in postings))


@cache
def _watermarks(table: EventTable[Any]) -> _WatermarkStatements:
    name = table.name
    return _WatermarkStatements(
        watermark=f"SELECT {watermark_of(table)}",
        above=(
            f"SELECT e.key, {table.select} FROM {name} e WHERE e.key > ? AND e.key < ? "
            "AND +e.org = ? ORDER BY e.key LIMIT ?"
        ),
        raise_watermark=(
            f"UPDATE counters SET value = ? WHERE org = ? AND name = '{table.watermark}'"
        ),
        catch_up=(
            "UPDATE counters SET value = r.value FROM counters r "
            f"WHERE counters.org = ? AND counters.name = '{table.watermark}' "
            "AND r.org = counters.org AND r.name = 'receipt' AND r.value > counters.value"
        ),
        # Below the organisation's own numbers only where it has events there: readers would have to
        # look for its few unindexed ones among those of all others.
        clear_watermark=(
            "UPDATE counters SET value = CASE WHEN EXISTS ("
            f"SELECT 1 FROM {name} e WHERE e.key < ? AND +e.org = counters.org) THEN -1 "
            f"ELSE org * ? - 1 END WHERE org = ? AND name = '{table.watermark}'"
        ),
    )


@cache
def _entries(table: EventTable[Any]) -> _EntryStatements:
    postings, numbers = table.postings, table.numbers
    return _EntryStatements(
        add_posting=(
            f"INSERT INTO {postings} (org, term, started_at_ns, event) VALUES (?, ?, ?, ?)"
        ),
        delete_posting=(
            f"DELETE FROM {postings} WHERE org = ? AND term = ? AND started_at_ns = ? AND event = ?"
        ),
        add_number=f"INSERT INTO {numbers} (org, field, value, event) VALUES (?, ?, ?, ?)",
        delete_number=(
            f"DELETE FROM {numbers} WHERE org = ? AND field = ? AND value = ? AND event = ?"
        ),
        posted=(
            f"WITH asked (org, term) AS (VALUES (?, ?){', (?, ?)' * (_TERMS_AT_ONCE - 1)}) "
            "SELECT org, term FROM asked a WHERE EXISTS ("
            f"SELECT 1 FROM {postings} p WHERE p.org = a.org AND p.term = a.term)"
        ),
        add_word=(
            f"INSERT INTO {table.words} (org, word, term) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        ),
        delete_word=f"DELETE FROM {table.words} WHERE org = ? AND word = ? AND term = ?",
    )
