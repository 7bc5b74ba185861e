"""Runs a list request: chooses how to find the events, then reads them in order.

There are three ways. A union of probes that finds few events: read them all and sort. Terms
that hold many: walk their postings in order of time and stop at the limit. Else walk an index
that has the order asked for. Whatever is found is checked against the whole query.
"""

from dataclasses import dataclass
from typing import Generic, LiteralString, assert_never

from theodora.query.ast import Everything, Query
from theodora.query.fields import Field
from theodora.storage.cursor import Cursor
from theodora.storage.organisations import Organisation
from theodora.storage.probes import (
    Probe,
    RowProbe,
    TermProbe,
    TermRangeProbe,
    Union,
    WordProbe,
    unions,
)
from theodora.storage.tables import E, EventTable
from theodora.storage.where import Condition, compile_where

_FEW: LiteralString = "400"
"""Events that are read and sorted without a thought for order."""
_MOST_UNIONS = 16
_MOST_PROBES = 200
_MOST_MERGED = 16
"""Terms whose postings are merged in order of time."""

_EVERYTHING = Everything()
_INT64 = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which events, in which order, and how many."""

    query: Query = _EVERYTHING
    from_ns: int | None = None
    to_ns: int | None = None
    """The window on the start, both ends included."""
    sort: Field
    descending: bool = True
    limit: int

    @property
    def window(self) -> tuple[int, int]:
        """Both ends within int64, which every stored instant is."""
        low = _INT64[0] if self.from_ns is None else max(self.from_ns, _INT64[0])
        high = _INT64[1] if self.to_ns is None else min(self.to_ns, _INT64[1])
        return low, high


def select_events(
    cursor: Cursor, table: EventTable[E], org: Organisation, selection: Selection
) -> list[E]:
    """The events of `org` that match, in order, at most `selection.limit`."""
    low, high = selection.window
    if low > high:
        return []
    search = _Search(table, org, selection)
    found: list[E] = []
    for sql, values in search.statements(cursor):
        missing = selection.limit - len(found)
        rows = cursor.execute(sql, (*values, missing)) if missing else ()
        found.extend(table.from_row(row) for row in rows)
    return found


class _Search(Generic[E]):
    """One list request against one table; makes the statements that answer it."""

    def __init__(self, table: EventTable[E], org: Organisation, selection: Selection) -> None:
        self._table = table
        self._org = org
        self._selection = selection
        self._window = selection.window
        self._direction: LiteralString = "DESC" if selection.descending else "ASC"
        matching = compile_where(selection.query, table)
        self._where = Condition(
            f"e.org = ? AND e.started_at_ns BETWEEN ? AND ? AND {matching.sql}",
            (org.key, *self._window, *matching.values),
        )

    def statements(self, cursor: Cursor) -> list[Condition]:
        """What to read, one after another until the limit is met; each ends in `LIMIT ?`."""
        few, merged = self._choose(cursor)
        if few is not None:
            return [self._sorted(few)]
        if merged is not None:
            return [self._merged(merged)]
        return self._walked()

    def _choose(self, cursor: Cursor) -> tuple[Union | None, tuple[TermProbe, ...] | None]:
        """The first union that finds few events, or else the rarest that comes in order."""
        rarest: tuple[TermProbe, ...] | None = None
        longest_ns = -1
        for union in unions(self._selection.query, self._table)[:_MOST_UNIONS]:
            if len(union) > _MOST_PROBES:
                continue
            merged = self._mergeable(union)
            complete, span_ns = self._reach(cursor, union, in_order=merged is not None)
            if complete:
                return union, None
            if merged and span_ns > longest_ns:
                rarest, longest_ns = merged, span_ns
        return None, rarest

    def _mergeable(self, union: Union) -> tuple[TermProbe, ...] | None:
        """The union's terms, if their postings come in the order asked for."""
        if self._selection.sort.name != "started_at" or len(union) > _MOST_MERGED:
            return None
        probes = tuple(probe for probe in union if isinstance(probe, TermProbe))
        return probes if len(probes) == len(union) else None

    def _reach(self, cursor: Cursor, union: Union, *, in_order: bool) -> tuple[bool, int]:
        """Whether the union finds few events; else the time over which it finds that many.

        The longer that is, the rarer the events are.
        """
        if not union:
            return True, 0
        arms = [self._probe(probe) for probe in union]
        order: LiteralString = f" ORDER BY at {self._direction}" if in_order else ""
        found: LiteralString = " UNION ALL ".join([arm.sql for arm in arms])
        count, span_ns = cursor.execute(
            "SELECT count(*), max(at) - min(at) "
            f"FROM (SELECT at FROM ({found}){order} LIMIT {_FEW})",
            tuple(value for arm in arms for value in arm.values),
        ).fetchall()[0]
        return count < int(_FEW), span_ns or 0

    def _probe(self, probe: Probe) -> Condition:
        """A statement for the start (`at`) and the key (`event`) of what a probe finds."""
        postings = self._table.postings
        match probe:
            case TermProbe(term):
                return Condition(
                    f"SELECT started_at_ns AS at, event FROM {postings} "
                    "WHERE org = ? AND term = ? AND started_at_ns BETWEEN ? AND ?",
                    (self._org.key, term, *self._window),
                )
            case TermRangeProbe(low, high):
                return Condition(
                    f"SELECT started_at_ns AS at, event FROM {postings} "
                    "WHERE org = ? AND term >= ? AND term < ? AND started_at_ns BETWEEN ? AND ?",
                    (self._org.key, low, high, *self._window),
                )
            case WordProbe(low, high):
                return Condition(
                    "SELECT p.started_at_ns AS at, p.event AS event "
                    f"FROM {self._table.words} w "
                    f"CROSS JOIN {postings} p ON p.org = w.org AND p.term = w.term "
                    "WHERE w.org = ? AND w.word >= ? AND w.word < ? "
                    "AND p.started_at_ns BETWEEN ? AND ?",
                    (self._org.key, low, high, *self._window),
                )
            case RowProbe(condition, values):
                # The plus keeps the index on the start from being taken instead of the probe's.
                return Condition(
                    f"SELECT e.started_at_ns AS at, e.key AS event FROM {self._table.name} e "
                    f"WHERE e.org = ? AND {condition} AND +e.started_at_ns BETWEEN ? AND ?",
                    (self._org.key, *values, *self._window),
                )
            case _:
                assert_never(probe)

    def _sorted(self, union: Union) -> Condition:
        """Reads all that the probes find, and sorts it."""
        if not union:
            return Condition(
                f"SELECT {self._table.select} FROM {self._table.name} e WHERE FALSE LIMIT ?"
            )
        arms = [self._probe(probe) for probe in union]
        keys: LiteralString = " UNION ".join([f"SELECT event FROM ({arm.sql})" for arm in arms])
        return Condition(
            f"SELECT {self._table.select} FROM ({keys}) p "
            f"CROSS JOIN {self._table.name} e ON e.key = p.event "
            f"WHERE {self._where.sql} ORDER BY {self._order()} LIMIT ?",
            (*(value for arm in arms for value in arm.values), *self._where.values),
        )

    def _merged(self, probes: tuple[TermProbe, ...]) -> Condition:
        """Walks the postings of a few terms in order of time, all at once.

        UNION drops an event that is posted under two of them.
        """
        table = self._table
        columns: LiteralString = table.select.replace(
            "e.started_at_ns", "p.started_at_ns AS started_at_ns"
        )
        arm: LiteralString = (
            f"SELECT {columns} FROM {table.postings} p "
            f"CROSS JOIN {table.name} e ON e.key = p.event "
            "WHERE p.org = ? AND p.term = ? AND p.started_at_ns BETWEEN ? AND ? "
            f"AND {self._where.sql}"
        )
        values = (
            (self._org.key, probe.term, *self._window, *self._where.values) for probe in probes
        )
        return Condition(
            f"{' UNION '.join([arm for _ in probes])} "
            f"ORDER BY started_at_ns {self._direction}, id LIMIT ?",
            tuple(value for arm_values in values for value in arm_values),
        )

    def _walked(self) -> list[Condition]:
        """Walks the index that has the order asked for; without one, sorts the window."""
        sort = self._selection.sort
        table = self._table
        index = table.indexes.get(sort.name)
        if index is None:
            return [self._walk(table.name + " e", self._where, self._order())]
        column = self._column()
        indexed: LiteralString = f"{table.name} e INDEXED BY {index}"
        ordered: LiteralString = f"{column} {self._direction}, e.id"
        if sort.name not in table.partly_indexed:
            return [self._walk(indexed, self._where, ordered)]
        sql, values = self._where
        return [
            self._walk(indexed, Condition(f"{sql} AND {column} IS NOT NULL", values), ordered),
            self._walk(table.name + " e", Condition(f"{sql} AND {column} IS NULL", values), "e.id"),
        ]

    def _walk(self, source: LiteralString, where: Condition, order: LiteralString) -> Condition:
        return Condition(
            f"SELECT {self._table.select} FROM {source} WHERE {where.sql} ORDER BY {order} LIMIT ?",
            where.values,
        )

    def _order(self) -> LiteralString:
        column = self._column()
        return f"{column} IS NULL, {column} {self._direction}, e.id"

    def _column(self) -> LiteralString:
        column = self._table.column(self._selection.sort)
        assert column is not None, "a field that events cannot be sorted by"
        return column
