"""Statements that find the candidates of a query by its probes."""

from typing import Any, LiteralString, NamedTuple, assert_never

import msgspec

from theodora.storage.engine.condition import Condition
from theodora.storage.engine.dialect import Dialect
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.lookup import unindexed
from theodora.storage.events.tables import EventTable
from theodora.storage.search.probes import (
    KeyProbe,
    NumberProbe,
    Probe,
    RowProbe,
    SubstringProbe,
    TermProbe,
    TermRangeProbe,
    ValueProbe,
    WordProbe,
)


class Candidates(NamedTuple):
    """Statements for the start (`at`) and the key (`event`) of an organisation's events.

    Where a probe does not know the start, it is 0, and the window does not bound it.
    """

    table: EventTable[Any]
    org: Organisation
    window: tuple[int, int]
    """The first and the last start."""
    dialect: Dialect

    def found_by(self, probe: Probe) -> Condition:
        match probe:
            case TermProbe(term):
                return self._posted("term = ?", term)
            case TermRangeProbe(low, high):
                return self._posted("term >= ? AND term < ?", low, high)
            case WordProbe():
                return self._worded(probe)
            case NumberProbe(field, low, high):
                return self._numbered(field, low, high)
            case KeyProbe(keys):
                return self._listed(keys)
            case RowProbe(condition, values):
                return self._in_rows(condition, values)
            case ValueProbe() | SubstringProbe():
                raise NotImplementedError("it has not been looked up")
            case _:
                assert_never(probe)

    def unindexed(self) -> Condition:
        """Every event that postings and numbers do not know yet."""
        rest = unindexed(self.table, self.org)
        return Condition(
            f"SELECT e.started_at_ns AS at, e.key AS event FROM {self.table.name} e "
            f"WHERE {rest.sql}",
            rest.values,
        )

    def _posted(self, terms: LiteralString, *values: str) -> Condition:
        return Condition(
            f"SELECT started_at_ns AS at, event FROM {self.table.postings} "
            f"WHERE org = ? AND {terms} AND started_at_ns BETWEEN ? AND ?",
            (self.org.key, *values, *self.window),
        )

    def _worded(self, probe: WordProbe) -> Condition:
        words, postings = self.table.words, self.table.postings
        also: LiteralString = "".join(
            [
                f"AND EXISTS (SELECT 1 FROM {words} v "
                "WHERE v.org = w.org AND v.word = ? AND v.term = w.term) "
                for _ in probe.others
            ]
        )
        # Terms that lack a word are dropped before their postings are walked.
        joined = self.dialect.join_in_order(postings, "p", "p.org = w.org AND p.term = w.term")
        return Condition(
            "SELECT p.started_at_ns AS at, p.event AS event FROM ("
            f"SELECT w.org, w.term FROM {words} w "
            f"WHERE w.org = ? AND w.word >= ? AND w.word < ? {also}) w {joined} "
            "WHERE p.started_at_ns BETWEEN ? AND ?",
            (self.org.key, probe.low, probe.high, *probe.others, *self.window),
        )

    def _numbered(self, field: str, low: int, high: int) -> Condition:
        # Numbers are stored without the start, and it is not needed: rows are checked against the
        # window.
        return Condition(
            f"SELECT 0 AS at, event FROM {self.table.numbers} "
            "WHERE org = ? AND field = ? AND value BETWEEN ? AND ?",
            (self.org.key, field, low, high),
        )

    def _listed(self, keys: tuple[int, ...]) -> Condition:
        return Condition(
            f"SELECT 0 AS at, value AS event FROM ({self.dialect.integers}) listed",
            (msgspec.json.encode(keys).decode(),),
        )

    def _in_rows(self, condition: LiteralString, values: tuple[Any, ...]) -> Condition:
        # The plus keeps the index on the start from being taken instead of the probe's.
        return Condition(
            f"SELECT e.started_at_ns AS at, e.key AS event FROM {self.table.name} e "
            f"WHERE e.org = ? AND {condition} AND +e.started_at_ns BETWEEN ? AND ?",
            (self.org.key, *values, *self.window),
        )
