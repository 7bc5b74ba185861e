"""The planner of lists: chooses how to find the events, then reads them in order.

There are three ways. A union of probes that finds few events: read them all and sort. Terms
that hold many: walk their postings in order of time and stop at the limit. Else walk an index
that has the order asked for. Whatever is found is checked against the complete query.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from functools import lru_cache, partial
from itertools import chain
from operator import itemgetter
from typing import Any, LiteralString, NamedTuple, TypeAlias, TypeVar

import msgspec

from theodora.events.values import INT64
from theodora.query import to_text
from theodora.query.ast import Everything, Query
from theodora.query.fields import Field, Scalar
from theodora.query.patterns import fits
from theodora.storage.engine.condition import TRUE, Condition
from theodora.storage.engine.cursor import Cursor, Row
from theodora.storage.engine.deadline import costing
from theodora.storage.engine.dialect import Dialect
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.field_values import leaps
from theodora.storage.events.lookup import has_unindexed, unindexed, unindexed_reach
from theodora.storage.events.segments import find_candidates
from theodora.storage.events.tables import E, EventTable
from theodora.storage.events.terms import TAG_PREFIXES
from theodora.storage.search.candidates import Candidates
from theodora.storage.search.probes import (
    KeyProbe,
    NumberProbe,
    Probe,
    SubstringProbe,
    TermProbe,
    TermRangeProbe,
    Union,
    ValueProbe,
    WordProbe,
    lookups,
    unindexed_parts,
    unions,
)
from theodora.storage.search.where import compile_where

T = TypeVar("T")

_MOST_UNIONS = 16
_MOST_PROBES = 200
_MOST_VALUES = 250
"""Values of a field that are too many to hold each against a pattern."""
_MOST_MERGED = 16
"""Terms whose postings are merged in order of time."""

_NEEDED_NAMES: tuple[LiteralString, ...] = ("q1", "q2", "q3", "q4")
"""The aliases of further terms' postings in a statement; more than these are not joined."""

_ONCE: LiteralString = "DISTINCT ON (p.started_at_ns, e.id, p.event) "
"""Drops an event that is found under several terms, which then follow each other."""

_EVERYTHING = Everything()
_EMPTY = Condition("")
_NOTHING = Condition("SELECT 0 AS at, 0 AS event WHERE FALSE")
_FAR_FUTURE_NS = 2**62
_LAST_NS: LiteralString = "9223372036854775807"


class Position(NamedTuple):
    """A place in a sorted list: that of the event with this id and value."""

    value: Scalar | None
    """The value that the list is sorted by, as stored; None if the event has none."""
    id: str


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The events to list, their order and the limit."""

    query: Query = _EVERYTHING
    """For the functions below without `is:production`: see `ProductionTrees`."""
    from_ns: int | None = None
    to_ns: int | None = None
    """The window on the start, both ends included."""
    sort: Field
    descending: bool = True
    after: Position | None = None
    """Only what comes after this place in the list."""
    limit: int

    @property
    def window(self) -> tuple[int, int]:
        """Both ends within int64, which every stored instant is.

        In a list by start the place to go on after bounds it too, so that later pages are found
        as quickly as the first.
        """
        low = INT64[0] if self.from_ns is None else max(self.from_ns, INT64[0])
        high = INT64[1] if self.to_ns is None else min(self.to_ns, INT64[1])
        if self.after and self.sort.name == "started_at" and isinstance(self.after.value, int):
            if self.descending:
                high = min(high, self.after.value)
            else:
                low = max(low, self.after.value)
        return low, high


_Step: TypeAlias = Condition | Callable[[Cursor], Any]
"""A statement, or a look-up of several; is sent its rows, or its result."""


class Thresholds(NamedTuple):
    """How many entries of an index are too many to read and sort all of their events."""

    few: LiteralString = "400"
    few_in_order: LiteralString = "32"
    """The same where the alternative is to walk them in the order asked for."""


_THRESHOLDS = Thresholds()


class Merge(NamedTuple):
    """Terms whose postings are walked together, and other terms that an event also needs."""

    walked: Sequence[TermProbe]
    needed: Sequence[TermProbe]


class _Reach(NamedTuple):
    """How much a union finds, as measured."""

    is_complete: bool
    """Whether it finds few events."""
    span_ns: int
    """Else the time over which it finds that many: the longer, the rarer they are."""
    tailed: bool
    """Whether there are events that no index knows yet: that is asked along the way."""


class _Choices(NamedTuple):
    """The unions to choose from, those last that have to be looked up."""

    unions: Sequence[Union]
    ready: int
    """How many need no look-up."""


class Choice(NamedTuple):
    """How to find events: read all of a union and sort, walk a merge, or walk an index."""

    few: Union | None
    merge: Merge | None
    tailed: bool
    """Whether there are events that no index knows yet."""


class DocumentPage(NamedTuple):
    """A page of a list, and where it ended if there is more to come."""

    documents: "Sequence[Document]"
    end: Position | None


Document: TypeAlias = tuple[str, int, int | None, int, str, Scalar | None]
"""An event as responses write it: id, start, finish, receipt, and its attributes, rendered but for
these instants. Last the value that the list is sorted by. A row as it is read: to make something
else of each took a twentieth of a list.
"""


def select_events(
    cursor: Cursor, table: EventTable[E], org: Organisation, selection: Selection
) -> list[E]:
    """The events of `org` that match, in order, at most `selection.limit`."""
    search = Search(table, org, selection, table.select, cursor.dialect)
    return [table.from_row(row[:-1]) for row in search.rows(cursor)]


def document_search(
    table: EventTable[Any], org: Organisation, selection: Selection, dialect: Dialect
) -> "Search":
    """A search whose rows are `Document`, for `document_page`."""
    columns: LiteralString = "e.id, e.started_at_ns, e.finished_at_ns, e.created_at_ns, e.document"
    # One more than asked for shows whether there is another page.
    return Search(table, org, selection, columns, dialect, limit=selection.limit + 1)


def document_page(selection: Selection, rows: Sequence[Any]) -> DocumentPage:
    """The rows of such a search, without the one that is too many."""
    if len(rows) <= selection.limit:
        return DocumentPage(rows, None)
    id_, *_, value = rows[selection.limit - 1]
    return DocumentPage(rows[: selection.limit], Position(value, id_))


class Search:
    """One list request against one table; makes the statements that answer it.

    A row is `columns` and, last, the value it is sorted by. Whatever an index finds is joined
    by the tail of events that it does not know yet.
    """

    def __init__(
        self,
        table: EventTable[Any],
        org: Organisation,
        selection: Selection,
        columns: LiteralString,
        dialect: Dialect,
        thresholds: Thresholds = _THRESHOLDS,
        limit: int | None = None,
    ) -> None:
        """At most `limit` rows are found; without it, as many as the selection asks for."""
        self._dialect = dialect
        self._thresholds = thresholds
        self._table = table
        self._org = org
        self._selection = selection
        self._limit = selection.limit if limit is None else limit
        self._window = selection.window
        self._candidates = Candidates(table, org, self._window, dialect)
        self._direction: LiteralString = "DESC" if selection.descending else "ASC"
        self._sorted_by: LiteralString = _column(table, selection.sort)
        self._columns: LiteralString = f"{columns}, {self._sorted_by} AS sorted_by"
        self._id = columns.split(", ").index("e.id")
        matching = compile_where(selection.query, table, dialect)
        rest = self._after()
        self._where = Condition(
            f"e.org = ? AND e.started_at_ns BETWEEN ? AND ? AND {matching.sql}{rest.sql}",
            (org.key, *self._window, *matching.values, *rest.values),
        )

    def rows(self, cursor: Cursor) -> list[Row]:
        """The selected rows, in order."""
        return [] if self.is_empty else self.follow(cursor, self.choose(cursor))

    @property
    def is_empty(self) -> bool:
        """Whether the window has no room for any event."""
        low, high = self._window
        return low > high

    @property
    def looks_nothing_up(self) -> bool:
        """Whether a choice names only what the query names, and nothing that is stored by now."""
        choices, ready = _choices(self._selection.query, self._table)
        return ready == len(choices)

    def is_one_statement(self, choice: Choice) -> bool:
        """Whether one statement finds all rows."""
        return len(self._statements(choice)) == 1

    def only_statement(self, choice: Choice) -> Condition:
        """That statement, complete."""
        [(sql, values)] = self._statements(choice)
        return Condition(sql, (*values, self._limit))

    def follow(self, cursor: Cursor, choice: Choice) -> list[Row]:
        """The same rows, found as chosen; `TooSlow` names the parts that no index finds."""
        with costing(self._costly):
            return self._followed(cursor, choice)

    def _costly(self) -> list[str]:
        return [to_text(part) for part in unindexed_parts(self._selection.query, self._table)]

    def _followed(self, cursor: Cursor, choice: Choice) -> list[Row]:
        in_time = self._in_time(cursor, choice)
        if in_time is not None:
            return in_time
        found: list[Row] = []
        for sql, values in self._statements(choice):
            # Rows without a value come last, so they are read only if the first statement found too
            # few.
            if missing := self._limit - len(found):
                found += cursor.execute(sql, (*values, missing)).fetchall()
        return found

    def choose(self, cursor: Cursor) -> Choice:
        """The first union that finds few events, or else the rarest that comes in order."""
        with costing(self._costly):
            few, merge, tailed = _taken(self._chosen(), cursor)
        if tailed is None:
            is_asked = merge is None or self._dialect.merges_lazily
            tailed = is_asked and has_unindexed(cursor, self._table, self._org)
        return Choice(few, merge, tailed)

    def choosing(self) -> Generator[Condition, list[Row], Choice]:
        """The statements of choosing, of a search that looks nothing up; each is sent its rows.

        They need not see one snapshot: what comes in between is found all the same.
        """
        steps = self._chosen()
        try:
            step = next(steps)
            while True:
                assert isinstance(step, Condition), "a search that looks something up"
                step = steps.send((yield step))
        except StopIteration as end:
            few, merge, _ = end.value
        return Choice(few, merge, tailed=True)

    def _in_time(self, cursor: Cursor, choice: Choice) -> list[Row] | None:
        """The rows of a merge, read in order of time alone; None if that would not do.

        Postings are in this order. To have SQLite sort events of one time by their ids as well
        takes it a third of a list, though most lists have no two of one time.
        """
        merge = choice.merge
        if merge is None or not self._dialect.merges_lazily or not self._are_apart(merge.walked):
            return None
        tail = [self._tail_rows()] if choice.tailed else []
        found = _together(" UNION ALL ", [*self._merged(merge), *tail])
        sql: LiteralString = f"{found.sql} ORDER BY sorted_by {self._direction} LIMIT ?"
        rows = cursor.execute(sql, (*found.values, self._limit + 1)).fetchall()
        times = [row[-1] for row in rows]
        # Of several at the end of the list, others may come first.
        if len(rows) > self._limit and times[-1] == times[-2]:
            return None
        if len(set(times)) < len(times):
            rows.sort(key=itemgetter(self._id))
            rows.sort(key=itemgetter(-1), reverse=self._selection.descending)
        return rows[: self._limit]

    def _are_apart(self, terms: Sequence[TermProbe]) -> bool:
        """Whether an event has one of these terms at most."""
        fields = {probe.term.partition(":")[0] for probe in terms}
        alike = len(fields) == 1 and fields.isdisjoint(self._table.arrays)
        return len(terms) == 1 or (alike and not terms[0].term.startswith(TAG_PREFIXES))

    def _after(self) -> Condition:
        """A condition for the events after the end of the page before."""
        after, value = self._selection.after, self._sorted_by
        if after is None:
            return _EMPTY
        if after.value is None:
            return Condition(f" AND {value} IS NULL AND e.id > ?", (after.id,))
        beyond: LiteralString = "<" if self._selection.descending else ">"
        return Condition(
            f" AND ({value} {beyond} ? OR ({value} = ? AND e.id > ?) OR {value} IS NULL)",
            (after.value, after.value, after.id),
        )

    def _has_value(self, value: LiteralString) -> Condition:
        """That there is a value to be sorted by; it bounds a walk to what comes after the place."""
        after = self._selection.after
        if after is None or after.value is None:
            return Condition(f"{value} IS NOT NULL")
        beyond: LiteralString = "<=" if self._selection.descending else ">="
        return Condition(f"{value} {beyond} ?", (after.value,))

    def _statements(self, choice: Choice) -> list[Condition]:
        """The statements to run in turn until the limit is met; each ends in `LIMIT ?`."""
        few, merge, tailed = choice
        if few is not None:
            return [self._sorted(few, tailed=tailed)]
        if merge is not None and self._dialect.merges_lazily:
            return [self._in_order(self._merged(merge), tailed=tailed)]
        if merge is not None:
            return [self._merged_keys(merge)]
        return self._walked(tailed=tailed)

    def _chosen(self) -> "Generator[_Step, Any, tuple[Union | None, Merge | None, bool | None]]":
        """The parts of a choice; the last is None if nothing had to be asked to choose."""
        choices, ready = _choices(self._selection.query, self._table)
        rarest: Merge | None = None
        longest_ns = -1
        tailed: bool | None = None
        for number, choice in enumerate(choices):
            union = choice
            if number >= ready:
                union = yield partial(self._looked_up, union=choice)
            if union is None:
                continue
            merge = self._mergeable(union, choices)
            # With a single choice there is nothing to compare, so nothing has to be measured.
            if merge and len(choices) == 1:
                return None, merge, tailed
            # Keys are few, else they would not have been looked up.
            unmeasured = [probe for probe in union if not isinstance(probe, KeyProbe)]
            if not unmeasured:
                return union, None, tailed
            in_order = merge is not None
            [(count, first_ns, last_ns, above)] = yield self._measuring(unmeasured, in_order)
            reach = _Reach(count < int(self._few(in_order)), last_ns - first_ns, above > 0)
            tailed = reach.tailed
            # The first that finds few is good enough: measuring the others would cost more than it
            # saves.
            if reach.is_complete:
                return union, None, tailed
            if merge and reach.span_ns > longest_ns:
                rarest, longest_ns = merge, reach.span_ns
        return None, rarest, tailed

    def _looked_up(self, cursor: Cursor, union: Union) -> Union | None:
        """The union with what its values and parts of words lead to; None if that is too much."""
        found = self._with_terms(cursor, union)
        sought = [probe.trigrams for probe in union if isinstance(probe, SubstringProbe)]
        if found is None or not sought:
            return found
        keys = find_candidates(cursor, self._table, self._org, sought, self._limit)
        if keys is None:
            return None
        others = (probe for probe in found if not isinstance(probe, SubstringProbe))
        return (*others, KeyProbe(tuple(keys)))

    def _with_terms(self, cursor: Cursor, union: Union) -> Union | None:
        """The union with the terms whose values fit patterns."""
        found: list[Probe] = []
        for probe in union:
            if not isinstance(probe, ValueProbe):
                found.append(probe)
                continue
            terms = self._terms(cursor, probe)
            if terms is None or len(terms) > _MOST_PROBES:
                return None
            # No term is no reason not to look at events that are not indexed yet.
            found += map(TermProbe, terms) if terms else [KeyProbe(())]
        return tuple(dict.fromkeys(found))

    def _terms(self, cursor: Cursor, probe: ValueProbe) -> list[str] | None:
        """The terms that fit; None if there are too many to look at."""
        found: list[str] = []
        for start, first, last in probe.ranges:
            terms = leaps(
                cursor, self._table, self._org, (first, last), "> found.term", _MOST_VALUES
            )
            if len(terms) == _MOST_VALUES:
                return None
            found += (term for term in terms if fits(probe.pattern, term[len(start) :]))
        return found

    def _mergeable(self, union: Union, choices: Sequence[Union]) -> Merge | None:
        """How to walk the union's terms, if their postings come in the order asked for."""
        if self._selection.sort.name != "started_at" or not 0 < len(union) <= _MOST_MERGED:
            return None
        walked = [probe for probe in union if isinstance(probe, TermProbe)]
        if len(walked) < len(union):
            return None
        alone = (choice[0] for choice in choices if len(choice) == 1 and choice != union)
        return Merge(walked, [probe for probe in alone if isinstance(probe, TermProbe)])

    def _measuring(self, union: Sequence[Probe], in_order: bool) -> Condition:
        """Looks up what the union finds, no further than until there are no longer few."""
        arms = [self._candidates.found_by(probe) for probe in union]
        few = self._few(in_order)
        order: LiteralString = f" ORDER BY at {self._direction}" if in_order else ""
        # PostgreSQL would read and sort every arm completely before it applies the limit.
        if order and not self._dialect.merges_lazily:
            first: LiteralString = f"{order} LIMIT {few}"
            arms = [
                Condition(f"SELECT * FROM ({arm.sql}{first}) first", arm.values) for arm in arms
            ]
        found = _together(" UNION ALL ", arms)
        tail = unindexed_reach(self._table, self._org)
        return Condition(
            f"SELECT count(*), coalesce(min(at), 0), coalesce(max(at), 0), ({tail.sql}) "
            f"FROM (SELECT at FROM ({found.sql}) arms{order} LIMIT {few}) few",
            (*tail.values, *found.values),
        )

    def _few(self, in_order: bool) -> LiteralString:
        return self._thresholds.few_in_order if in_order else self._thresholds.few

    def _sorted(self, union: Union, *, tailed: bool) -> Condition:
        """Reads all that the probes find, and sorts it."""
        arms = [self._candidates.found_by(probe) for probe in union]
        if arms and tailed:
            arms.append(self._candidates.unindexed())
        # UNION drops an event that several arms find, but a single arm has no UNION.
        event: LiteralString = "DISTINCT event" if _may_repeat(union) and not tailed else "event"
        events = [Condition(f"SELECT {event} FROM ({arm.sql}) arm", arm.values) for arm in arms]
        found = _together(" UNION ", events) if events else _NOTHING
        joined = self._join_event("p.event")
        return Condition(
            f"SELECT {self._columns} FROM ({found.sql}) p {joined.sql} WHERE {self._where.sql} "
            f"ORDER BY {self._sorted_by} IS NULL, {self._sorted_by} {self._direction}, e.id "
            "LIMIT ?",
            (*found.values, *joined.values, *self._where.values),
        )

    def _merged(self, merge: Merge) -> list[Condition]:
        """Walks the postings of a few terms in order of time, each in a statement of its own."""
        # Sorting by the posting's column lets the index deliver the order; the row's would need a
        # sort.
        columns = _replaced(self._columns, "e.started_at_ns", "p.started_at_ns")
        return [
            Condition(
                f"SELECT {columns} {each.sql} AND {self._where.sql}",
                (*each.values, *self._where.values),
            )
            for each in self._postings(merge, self._join_event("p.event"))
        ]

    def _merged_keys(self, merge: Merge) -> Condition:
        """Merges the keys of postings in order of time, and reads events until the limit is met.

        For PostgreSQL, which merges lazily what is ordered and has no limit of its own. Events that
        no index knows yet are among them, which costs less than to ask whether there are any.
        """
        rest, order = unindexed(self._table, self._org), self._direction
        arms = [
            Condition(f"SELECT p.started_at_ns, p.event {each.sql}", each.values)
            for each in self._postings(merge, Condition("", ()))
        ]
        tail = Condition(
            f"SELECT e.started_at_ns, e.key AS event FROM {self._table.name} e WHERE {rest.sql}",
            rest.values,
        )
        ordered = [
            Condition(f"SELECT * FROM ({arm.sql} ORDER BY started_at_ns {order}) arm", arm.values)
            for arm in (*arms, tail)
        ]
        keys = _together(" UNION ALL ", ordered)
        columns = _replaced(self._columns, "e.started_at_ns", "p.started_at_ns")
        once: LiteralString = "" if self._are_apart(merge.walked) else _ONCE
        joined = self._join_event("p.event")
        return Condition(
            f"SELECT {once}{columns} "
            f"FROM (SELECT * FROM ({keys.sql}) every ORDER BY started_at_ns {order} OFFSET 0) p "
            f"{joined.sql} WHERE {self._where.sql} "
            f"ORDER BY p.started_at_ns {order}, e.id, p.event LIMIT ?",
            (*keys.values, *joined.values, *self._where.values),
        )

    def _postings(self, merge: Merge, more: Condition) -> list[Condition]:
        """The part of a statement from FROM on for the postings `p` of each term that is walked.

        `more` is joined to them. Before that, other terms that have to be there are looked up among
        postings of the same time, which are at hand; an event's row is not.
        """
        needed: LiteralString = "".join(
            [
                self._dialect.join_in_order(
                    self._table.postings,
                    name,
                    f"{name}.org = p.org AND {name}.term = ? "
                    f"AND {name}.started_at_ns = p.started_at_ns AND {name}.event = p.event",
                )
                + " "
                for name, _ in zip(_NEEDED_NAMES, merge.needed, strict=False)
            ]
        )
        terms = [probe.term for _, probe in zip(_NEEDED_NAMES, merge.needed, strict=False)]
        walked: LiteralString = (
            f"FROM {self._table.postings} p {needed}{more.sql} "
            "WHERE p.org = ? AND p.term = ? AND p.started_at_ns BETWEEN ? AND ?"
        )
        return [
            Condition(walked, (*terms, *more.values, self._org.key, probe.term, *self._window))
            for probe in merge.walked
        ]

    def _walked(self, *, tailed: bool) -> list[Condition]:
        """Walks an index that has the order asked for; without one, sorts the window."""
        table, sort = self._table, self._selection.sort.name
        after = self._selection.after
        if after is not None and after.value is None:
            return [self._without_value()]
        # The table of numbers is the index of these fields.
        if sort in table.ranged_fields:
            return [self._in_order([self._numbers(sort)], tailed=tailed), self._without_value()]
        index = table.indexes.get(sort)
        if index is None:
            return [self._sorted_window()]
        bounds = self._finish_bounds() if sort == "finished_at" else TRUE
        valued = self._has_value(self._sorted_by)
        walk = Condition(
            f"SELECT {self._columns} FROM {table.name} e {self._dialect.walk_index(index)} "
            f"WHERE {self._where.sql} AND {valued.sql} AND {bounds.sql}",
            (*self._where.values, *valued.values, *bounds.values),
        )
        in_order = self._in_order([walk], tailed=False)
        # Every event has a start.
        return [in_order] if sort == "started_at" else [in_order, self._without_value()]

    def _in_order(self, arms: Sequence[Condition], *, tailed: bool) -> Condition:
        """Merges arms; UNION drops an event that is in two."""
        order: LiteralString = f"ORDER BY sorted_by {self._direction}, id LIMIT ?"
        every = [*arms, self._tail_rows()] if tailed else arms
        if len(every) > 1 and not self._dialect.merges_lazily:
            every = [self._first_of(arm, order) for arm in every]
        found = _together(" UNION ", every)
        return Condition(f"{found.sql} {order}", found.values)

    def _join_event(self, key: LiteralString) -> Condition:
        """Joins the event's row, `e`, to those before it."""
        on: LiteralString = f"e.key = {key} AND +e.org = ?"
        return Condition(self._dialect.join_in_order(self._table.name, "e", on), (self._org.key,))

    def _first_of(self, arm: Condition, order: LiteralString) -> Condition:
        """No more of an arm than the limit can ask for."""
        return Condition(f"SELECT * FROM ({arm.sql} {order}) arm", (*arm.values, self._limit))

    def _tail_rows(self) -> Condition:
        """Reads such events, if they match and have a value to be sorted by."""
        rest, valued = unindexed(self._table, self._org), self._has_value(self._sorted_by)
        return Condition(
            f"SELECT {self._columns} FROM {self._table.name} e "
            f"WHERE {rest.sql} AND +{self._where.sql} AND {valued.sql}",
            (*rest.values, *self._where.values, *valued.values),
        )

    def _numbers(self, field: str) -> Condition:
        """Reads matching events in order of a number."""
        columns = _replaced(
            self._columns, f"{self._sorted_by} AS sorted_by", "n.value AS sorted_by"
        )
        valued, joined = self._has_value("n.value"), self._join_event("n.event")
        return Condition(
            f"SELECT {columns} FROM {self._table.numbers} n {joined.sql} "
            f"WHERE n.org = ? AND n.field = ? AND {valued.sql} AND {self._where.sql}",
            (*joined.values, self._org.key, field, *valued.values, *self._where.values),
        )

    def _without_value(self) -> Condition:
        """Reads matching events that have no value to be sorted by."""
        return Condition(
            f"SELECT {self._columns} FROM {self._table.name} e "
            f"WHERE {self._where.sql} AND {self._sorted_by} IS NULL ORDER BY e.id LIMIT ?",
            self._where.values,
        )

    def _sorted_window(self) -> Condition:
        return Condition(
            f"SELECT {self._columns} FROM {self._table.name} e WHERE {self._where.sql} "
            f"ORDER BY {self._sorted_by} IS NULL, {self._sorted_by} {self._direction}, e.id "
            "LIMIT ?",
            self._where.values,
        )

    def _finish_bounds(self) -> Condition:
        """Bounds for the finishes of the window's events: no later than the longest takes.

        Without them a window in the past would be found by walking all that came after it.
        """
        low, high = self._window
        if "duration" not in self._table.ranged_fields or high > _FAR_FUTURE_NS:
            return Condition("e.finished_at_ns >= ?", (low,))
        rest = unindexed(self._table, self._org)
        longest: LiteralString = (
            "SELECT coalesce(max(value), 0) AS seconds FROM (SELECT max(value) AS value "
            f"FROM {self._table.numbers} WHERE org = ? AND field = 'duration' "
            f"UNION ALL SELECT max(e.duration) AS value FROM {self._table.name} e "
            f"WHERE {rest.sql}) every"
        )
        # Beyond some centuries the sum would not fit.
        latest: LiteralString = (
            "SELECT CASE WHEN seconds < 4000000000 THEN ? + 1000000000 * (1 + seconds) "
            f"ELSE {_LAST_NS} END FROM ({longest}) longest"
        )
        return Condition(
            f"e.finished_at_ns BETWEEN ? AND ({latest})",
            (low, high, self._org.key, *rest.values),
        )


def _taken(steps: Generator[_Step, Any, T], cursor: Cursor) -> T:
    """The result of steps that are taken at once."""
    found = None
    while True:
        try:
            step = steps.send(found)
        except StopIteration as end:
            return end.value
        if isinstance(step, Condition):
            found = cursor.execute(step.sql, step.values).fetchall()
        else:
            found = step(cursor)


@lru_cache(maxsize=512)
def _choices(query: Query, table: EventTable[Any]) -> _Choices:
    found = [
        tuple(dict.fromkeys(union))
        for union in unions(query, table)[:_MOST_UNIONS]
        if sum(not isinstance(probe, SubstringProbe) for probe in union) <= _MOST_PROBES
    ]
    return _Choices(sorted(found, key=lookups), sum(not lookups(union) for union in found))


def _may_repeat(union: Union) -> bool:
    """Whether a union of a single probe can find an event twice, under several terms or numbers."""
    match union:
        case (TermRangeProbe() | WordProbe() | NumberProbe(),):
            return True
        case _:
            return False


def _together(operator: LiteralString, statements: Iterable[Condition]) -> Condition:
    parts = list(statements)
    return Condition(
        operator.join([part.sql for part in parts]),
        tuple(chain.from_iterable([part.values for part in parts])),
    )


def _replaced(text: LiteralString, old: LiteralString, new: LiteralString) -> LiteralString:
    return text.replace(old, new)


@lru_cache(maxsize=128)
def _column(table: EventTable[Any], field: Field) -> LiteralString:
    column = table.column(field)
    assert column is not None, "a field that events cannot be sorted by"
    return column
