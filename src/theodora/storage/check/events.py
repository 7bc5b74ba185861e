"""Rows and index entries of events, compared with those that the events would get today."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any, LiteralString

from theodora.events.document import render_attributes
from theodora.storage.check.findings import REPAIR, RESTORE, Findings
from theodora.storage.check.trigrams import check_trigrams
from theodora.storage.check.values import pages
from theodora.storage.engine.cursor import Cursor, Row, in_equal_parts, placeholders
from theodora.storage.events.index import free_text_words, index_entries, indexed_up_to
from theodora.storage.events.tables import E, EventTable
from theodora.storage.events.terms import elements, other_words, searched_words

_KEYS_AT_ONCE = 64
_MASK = 2**64 - 1

OnRows = Callable[[int], None]


class _Balance:
    """Compares two sets of entries of many events in little memory, by sums of hashes."""

    def __init__(self) -> None:
        self._sums: dict[int, int] = {}

    def expect(self, event: int, entries: Iterable[Row]) -> None:
        self._add(event, sum(map(hash, entries)))

    def meet(self, event: int, entry: Row) -> None:
        self._add(event, -hash(entry))

    def differing(self) -> list[int]:
        return [event for event, sum_ in self._sums.items() if sum_]

    def _add(self, event: int, value: int) -> None:
        self._sums[event] = (self._sums.get(event, 0) + value) & _MASK


class EventCheck:
    """Checks all events of one kind: their columns, their elements and their index entries."""

    def __init__(self, cursor: Cursor, table: EventTable[Any], findings: Findings) -> None:
        self._cursor = cursor
        self._table = table
        self._findings = findings
        self._postings = _Balance()
        self._numbers = _Balance()
        self._terms: set[tuple[int, str]] = set()
        self._indexed: set[tuple[int, int]] = set()

    def run(self, on_rows: OnRows) -> None:
        table = self._table
        self._read_events(on_rows)
        self._meet(table.postings, "org, term, started_at_ns, event", self._postings)
        self._meet(table.numbers, "org, field, value, event", self._numbers)
        self._check_words()
        check_trigrams(self._cursor, table, self._indexed, self._findings)

    def _read_events(self, on_rows: OnRows) -> None:
        table = self._table
        indexed = cache(partial(indexed_up_to, self._cursor, table))
        sent: LiteralString = ", ".join([f"e.{column}" for column in table.sent_columns])
        columns: LiteralString = (
            f"e.key, e.org, e.document, e.words, e.other_words, {sent}, {table.select}"
        )
        for page in pages(self._cursor, f"{table.name} e", "e.key", columns):
            found = _elements(self._cursor, table, [row[0] for row in page])
            for key, org, *texts_and_columns in page:
                texts, rest = texts_and_columns[:3], texts_and_columns[3:]
                width = len(table.sent_columns)
                event = table.from_row(tuple(rest[width:]))
                self._check_row(key, event, tuple(texts), tuple(rest[:width]))
                if found[key] != {(term.field, term.value) for term in elements(table, event)}:
                    self._findings.add(
                        table.elements, "elements of arrays differ from the event", REPAIR, key
                    )
                if key <= indexed(org):
                    self._expect(org, key, event)
            on_rows(len(page))

    def _check_row(self, key: int, event: E, texts: Row, sent: Row) -> None:
        table = self._table
        for column, was, is_ in zip(
            ("document", "words", "other_words"),
            texts,
            (render_attributes(event), searched_words(table, event), other_words(event)),
            strict=True,
        ):
            if was != is_:
                self._findings.add(
                    table.name, f"{column} differs from the other columns", RESTORE, key
                )
        for column, was, is_ in zip(
            table.sent_columns, sent, table.sent_values(event), strict=True
        ):
            if was != is_:
                self._findings.add(
                    table.name, f"{column} differs from the other columns", RESTORE, key
                )

    def _expect(self, org: int, key: int, event: E) -> None:
        postings, numbers = index_entries(self._table, org, key, event)
        self._postings.expect(key, postings)
        self._numbers.expect(key, numbers)
        self._terms.update((org, term) for org, term, _, _ in postings)
        self._indexed.add((org, key))

    def _meet(self, name: LiteralString, columns: LiteralString, balance: _Balance) -> None:
        for page in pages(self._cursor, name, columns, columns):
            for entry in page:
                balance.meet(entry[3], entry)
        for event in balance.differing():
            self._findings.add(name, "entries of the index differ from the event", REPAIR, event)

    def _check_words(self) -> None:
        """Checks the words of every term in use; those of terms without events do no harm."""
        known: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
        for page in pages(self._cursor, self._table.words, "org, word, term", "org, word, term"):
            for org, word, term in page:
                known[org, term].add(word)
        for org, term in self._terms:
            if not free_text_words(term) <= known[org, term]:
                self._findings.add(
                    self._table.words, "a term is not found by its words", REPAIR, (org, term)
                )


def _elements(
    cursor: Cursor, table: EventTable[Any], keys: list[int]
) -> defaultdict[int, set[Row]]:
    found: defaultdict[int, set[Row]] = defaultdict(set)
    statement: LiteralString = (
        f"SELECT x.event, x.field, x.value FROM {table.name} e JOIN {table.elements} x "
        f"ON x.org = e.org AND x.event = e.key WHERE e.key IN ({placeholders(_KEYS_AT_ONCE)})"
    )
    for part in in_equal_parts(keys, _KEYS_AT_ONCE):
        for event, field, value in cursor.execute(statement, part).fetchall():
            found[event].add((field, value))
    return found
