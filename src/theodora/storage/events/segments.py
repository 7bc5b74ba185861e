"""Segments of events, by which parts of words are found.

Indexed events wait in a table until there are as many of an organisation as a segment has. Its
trigrams are then written at once and never change: an event whose words change waits again, and
whatever a segment finds is a candidate, no more.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from math import isqrt
from typing import Any, LiteralString

import msgspec
import numpy as np
from numpy.typing import NDArray

from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.dialect import Dialect
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.tables import EventTable
from theodora.storage.events.trigrams import (
    BLOCK,
    BUCKETS,
    ENTRY,
    SEGMENT,
    bucketed,
    trigrams_of,
)

_CHECKED_AT_ONCE = 4
"""Segments that are looked at for deleted events with each new one."""
_FEW_ROWS = 4_096
"""Candidates that are always worth reading."""
_QUICK = 16
"""Trigrams that are looked up within a few milliseconds."""

Alternatives = tuple[tuple[int, ...], ...]
"""Trigrams: an event may match if it has all of one of these."""
Bits = NDArray[np.uint64]


def segment_some(cursor: Cursor, table: EventTable[Any], org: int, size: int = SEGMENT) -> bool:
    """Makes a segment of `size` of the organisation's waiting events; False for fewer of them."""
    sql = _statements(table, cursor.dialect)
    keys = _waiting(cursor, table, org, size)
    if len(keys) < size:
        return False
    texts = sorted(cursor.execute(sql.texts, (_encoded(keys), org)).fetchall())
    number: int = only_value(cursor.execute(sql.next_segment, (org,)))
    present = [key for key, *_ in texts]
    cursor.execute(sql.add_segment, (org, number, np.array(present, "<i8").tobytes()))
    entries = bucketed([(words, others) for _, words, others in texts])
    cursor.executemany(
        sql.add_trigrams, [(org, bucket, number, part) for bucket, part in entries.items()]
    )
    cursor.execute(sql.forget_up_to, (org, keys[-1]))
    # Last, as it may have lower keys wait again.
    _drop_emptied(cursor, table, org, number)
    return True


def is_segment_due(cursor: Cursor, table: EventTable[Any], org: int, size: int = SEGMENT) -> bool:
    """Whether as many of the organisation's events wait as a segment has."""
    return len(_waiting(cursor, table, org, size)) == size


def _waiting(cursor: Cursor, table: EventTable[Any], org: int, most: int) -> list[int]:
    """The keys of events that are in no segment yet, in order."""
    rows = cursor.execute(_statements(table, cursor.dialect).waiting, (org, most)).fetchall()
    return [key for (key,) in rows]


def wait_for_segment(cursor: Cursor, table: EventTable[Any], events: Sequence[Any]) -> None:
    """Has events, each an organisation and a key, found one by one until they are in a segment."""
    cursor.executemany(_statements(table, cursor.dialect).wait, events)


def forget_waiting(cursor: Cursor, table: EventTable[Any], org: int, event: int) -> None:
    cursor.execute(_statements(table, cursor.dialect).forget, (org, event))


def find_candidates(
    cursor: Cursor,
    table: EventTable[Any],
    org: Organisation,
    sought: Sequence[Alternatives],
    limit: int,
) -> list[int] | None:
    """The keys of all indexed events that may have what is sought, any of it.

    None if a walk in the order asked for will find `limit` matches sooner.
    """
    index = _Trigrams(cursor, table, org)
    bits = index.blocks(sought)
    keys = _waiting(cursor, table, org.key, _most(len(bits), limit))
    blocks = int(np.bitwise_count(bits).sum())
    if blocks * BLOCK + len(keys) >= _most(len(bits), limit):
        return None
    return sorted({*keys, *index.events(bits)})


def found_by_trigrams(
    cursor: Cursor, table: EventTable[Any], org: int, segment: int, events: bytes
) -> list[int]:
    """The keys of those of a segment's events that every trigram finds which they have."""
    sql = _statements(table, cursor.dialect)
    rows = cursor.execute(sql.of_segment, (org, segment, _encoded([*range(BUCKETS)]))).fetchall()
    blocks = {
        rest * BUCKETS + bucket: bits
        for bucket, entries in rows
        for rest, bits in np.frombuffer(entries, ENTRY).tolist()
    }
    keys = _decode_keys(events).tolist()
    block_of = {key: place // BLOCK for place, key in enumerate(keys)}
    return [
        key
        for key, *texts in sorted(cursor.execute(sql.texts, (_encoded(keys), org)).fetchall())
        if all(blocks.get(code, 0) >> block_of[key] & 1 for code in trigrams_of(*texts))
    ]


def _most(segments: int, limit: int) -> int:
    """Candidates that are too many to read.

    If one in each block matches, the walk will read `limit * BLOCK / candidates` of all events.
    """
    return max(_FEW_ROWS, isqrt(segments * SEGMENT * limit * BLOCK))


class _Trigrams:
    """The trigrams of an organisation, each bucket read once."""

    def __init__(self, cursor: Cursor, table: EventTable[Any], org: Organisation) -> None:
        self._cursor = cursor
        self._sql = _statements(table, cursor.dialect)
        self._org = org
        rows = cursor.execute(self._sql.segments, (org.key,)).fetchall()
        self._segments = np.array([segment for (segment,) in rows], np.int64)
        # No cache of a method: the collector would free the cursor later, on any thread.
        self._buckets: dict[int, tuple[NDArray[Any], NDArray[np.int64]]] = {}
        self._looked_up = 0

    def blocks(self, sought: Iterable[Alternatives]) -> Bits:
        """The blocks of each segment that have all trigrams of an alternative."""
        found = np.zeros(len(self._segments), np.uint64)
        for trigrams in {trigrams for alternatives in sought for trigrams in alternatives}:
            found |= self._with_all(trigrams)
        return found

    def events(self, bits: Bits) -> Iterable[int]:
        """The keys of the events in these blocks."""
        places = np.flatnonzero(bits)
        wanted = msgspec.json.encode(self._segments[places].tolist()).decode()
        rows = self._cursor.execute(self._sql.events, (self._org.key, wanted)).fetchall()
        found = dict(rows)
        for place in places:
            keys = _decode_keys(found[int(self._segments[place])])
            yield from keys[_has_bit(bits[place], len(keys))].tolist()

    def _with_all(self, trigrams: tuple[int, ...]) -> Bits:
        bits = np.full(len(self._segments), ~np.uint64(0))
        for trigram in trigrams:
            with self._pace():
                bits &= self._with(trigram)
            if not bits.any():
                break
        return bits

    def _pace(self) -> AbstractContextManager[object]:
        """That of slow reads from some number on: each takes a fraction of a millisecond, and a
        query may name thousands. One that names a few waits for no slow read."""
        self._looked_up += 1
        return nullcontext() if self._looked_up <= _QUICK else self._cursor.pace()

    def _with(self, trigram: int) -> Bits:
        bucket = trigram % BUCKETS
        if bucket not in self._buckets:
            self._buckets[bucket] = self._read(bucket)
        entries, places = self._buckets[bucket]
        chosen = entries["rest"] == trigram // BUCKETS
        bits = np.zeros(len(self._segments), np.uint64)
        bits[places[chosen]] = entries["blocks"][chosen]
        return bits

    def _read(self, bucket: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Its entries, and the place of each one's segment."""
        rows = self._cursor.execute(self._sql.bucket, (self._org.key, bucket)).fetchall()
        entries = np.frombuffer(b"".join([part for _, part in rows]), ENTRY)
        places = np.searchsorted(self._segments, [segment for segment, _ in rows])
        return entries, np.repeat(places, [len(part) // ENTRY.itemsize for _, part in rows])


def _decode_keys(events: bytes) -> NDArray[np.int64]:
    return np.frombuffer(events, "<i8")


def _has_bit(bits: np.uint64, events: int) -> NDArray[np.bool_]:
    """Which of a segment's events are in one of these blocks."""
    blocks = np.arange(events, dtype=np.uint64) // np.uint64(BLOCK)
    return (bits >> blocks & np.uint64(1)).astype(np.bool_)


def _drop_emptied(cursor: Cursor, table: EventTable[Any], org: int, number: int) -> None:
    """Has the events of some segments wait again whose others, most of them, are deleted.

    Each new segment looks at the next ones, so that all have their turn.
    """
    sql = _statements(table, cursor.dialect)
    count: int = only_value(cursor.execute(sql.count_segments, (org,)))
    first = number * _CHECKED_AT_ONCE % count if count else 0
    for segment, events in cursor.execute(
        sql.some_segments, (org, _CHECKED_AT_ONCE, first)
    ).fetchall():
        keys = _decode_keys(events).tolist()
        left = cursor.execute(sql.present, (_encoded(keys), org)).fetchall()
        if len(left) * 2 < len(keys):
            wait_for_segment(cursor, table, [(org, key) for (key,) in left])
            cursor.execute(sql.delete_segment, (org, segment))
            cursor.executemany(
                sql.delete_trigrams, [(org, bucket, segment) for bucket in range(BUCKETS)]
            )


def _encoded(keys: list[int]) -> str:
    return msgspec.json.encode(keys).decode()


@dataclass(frozen=True, slots=True)
class _SegmentStatements:
    wait: LiteralString
    waiting: LiteralString
    forget: LiteralString
    forget_up_to: LiteralString
    texts: LiteralString
    present: LiteralString
    next_segment: LiteralString
    count_segments: LiteralString
    some_segments: LiteralString
    add_segment: LiteralString
    add_trigrams: LiteralString
    delete_segment: LiteralString
    delete_trigrams: LiteralString
    segments: LiteralString
    events: LiteralString
    bucket: LiteralString
    of_segment: LiteralString


@cache
def _statements(table: EventTable[Any], dialect: Dialect) -> _SegmentStatements:
    waiting, segments, trigrams = table.unsegmented, table.segments, table.trigrams
    joined = dialect.join_in_order(table.name, "e", "e.key = k.value AND +e.org = ?")
    by_keys: LiteralString = f"FROM ({dialect.integers}) k {joined}"
    return _SegmentStatements(
        wait=f"INSERT INTO {waiting} (org, event) VALUES (?, ?) ON CONFLICT DO NOTHING",
        waiting=f"SELECT event FROM {waiting} WHERE org = ? ORDER BY event LIMIT ?",
        forget=f"DELETE FROM {waiting} WHERE org = ? AND event = ?",
        forget_up_to=f"DELETE FROM {waiting} WHERE org = ? AND event <= ?",
        # In no order: PostgreSQL, which may not sort, would walk all events along their keys.
        texts=f"SELECT e.key, e.words, e.other_words {by_keys}",
        present=f"SELECT e.key {by_keys}",
        next_segment=f"SELECT coalesce(max(segment), 0) + 1 FROM {segments} WHERE org = ?",
        count_segments=f"SELECT count(*) FROM {segments} WHERE org = ?",
        some_segments=(
            f"SELECT segment, events FROM {segments} WHERE org = ? "
            "ORDER BY segment LIMIT ? OFFSET ?"
        ),
        add_segment=f"INSERT INTO {segments} (org, segment, events) VALUES (?, ?, ?)",
        add_trigrams=(
            f"INSERT INTO {trigrams} (org, bucket, segment, entries) VALUES (?, ?, ?, ?)"
        ),
        delete_segment=f"DELETE FROM {segments} WHERE org = ? AND segment = ?",
        delete_trigrams=f"DELETE FROM {trigrams} WHERE org = ? AND bucket = ? AND segment = ?",
        segments=f"SELECT segment FROM {segments} WHERE org = ? ORDER BY segment",
        events=(
            f"SELECT segment, events FROM {segments} "
            f"WHERE org = ? AND segment IN ({dialect.integers})"
        ),
        bucket=f"SELECT segment, entries FROM {trigrams} WHERE org = ? AND bucket = ?",
        of_segment=(
            f"SELECT bucket, entries FROM {trigrams} "
            f"WHERE org = ? AND segment = ? AND bucket IN ({dialect.integers})"
        ),
    )
