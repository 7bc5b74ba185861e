"""A filter of cached events by a query.

A leaf about a field or a tag that is held is decided once for each different value, by the matcher
itself. Other parts of the query go to the database, which answers with keys.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, Generic, TypeVar, assert_never

import numpy as np
from numpy.typing import NDArray

from theodora.dora import DeploymentColumns, IncidentColumns, Labels, Period, Selected
from theodora.dora.metrics.columns import Flags, Ints, Positions
from theodora.query import (
    And,
    Equals,
    Everything,
    Field,
    Leaf,
    Not,
    Or,
    Production,
    Query,
    Tag,
    Text,
    leaves_of,
    to_text,
)
from theodora.query.fields import Scalar, Target
from theodora.query.matches import TargetLeaf, holds
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.deadline import check_deadline, costing
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.lookup import events_with
from theodora.storage.events.terms import Term
from theodora.storage.facts.settings import ProductionTrees
from theodora.storage.metrics.columns import CachedEvents, Snapshot
from theodora.storage.search.where import compile_where

C = TypeVar("C", DeploymentColumns, IncidentColumns)

VERDICTS: Sequence[Scalar] = (False, True)
"""The verdicts by their codes; a pending one has the code of no value."""


class QueryFilter(Generic[C]):
    """Selects events of one kind within one period.

    Each part of a query is evaluated once, however many queries contain it.
    """

    def __init__(
        self,
        events: type[CachedEvents[C]],
        snapshot: Snapshot[C],
        cursor: Cursor,
        org: Organisation,
        period: Period,
        production: ProductionTrees,
    ) -> None:
        self._cursor = cursor
        self._org = org
        self._production = production
        self._events = events
        self._snapshot = snapshot
        self._period = period
        instants_ns = snapshot.instants_ns
        is_within = (instants_ns >= period.start_ns) & (instants_ns < period.end_ns)
        self._positions = np.flatnonzero(is_within & snapshot.is_there)
        self._matching: dict[Query, Flags] = {}

    def selected(self, tree: Query) -> Selected[C]:
        """The events of the period that match `tree`."""
        if isinstance(tree, Everything):
            return Selected(self._snapshot.columns, self._positions)
        return Selected(self._snapshot.columns, self._positions[self._matches(tree)])

    def needs_database(self, query: Query) -> bool:
        """Whether parts of the query are about what is not in memory."""
        return any(map(self._leaf_needs_database, leaves_of(query)))

    def _leaf_needs_database(self, leaf: Everything | Leaf | Production) -> bool:
        match leaf:
            case Everything():
                return False
            case Production():
                return self.needs_database(self._production.tree(self._cursor, self._org))
            case Text():
                return True
            case _:
                return not is_verdict(leaf.target) and self._labels(leaf.target) is None

    def _matches(self, query: Query) -> Flags:
        """Whether the query is true of each event of the period."""
        found = self._matching.get(query)
        if found is None:
            found = self._matching[query] = self._looked_into(query)
        return found

    def _looked_into(self, query: Query) -> Flags:
        match query:
            case Everything():
                return np.ones(len(self._positions), np.bool_)
            case And(parts):
                return reduce(np.logical_and, map(self._matches, parts))
            case Or(parts):
                return reduce(np.logical_or, map(self._matches, parts))
            case Not(part):
                return ~self._matches(part)
            case Production():
                return self._matches(self._production.tree(self._cursor, self._org))
            case _:
                return self._leaf(query)

    def _leaf(self, leaf: Leaf) -> Flags:
        if not isinstance(leaf, Text):
            if is_verdict(leaf.target) and isinstance(self._snapshot.columns, DeploymentColumns):
                return _by_value(leaf, VERDICTS, self._snapshot.columns.verdict[self._positions])
            if (labels := self._labels(leaf.target)) is not None:
                return _by_labels(leaf, labels, self._positions)
        return self._of_keys(leaf)

    def _labels(self, target: Field | Tag) -> Labels | None:
        match target:
            case Field():
                return self._snapshot.fields.get(target.name)
            case Tag():
                return self._snapshot.tags.get(target.key)
            case _:
                assert_never(target)

    def _of_keys(self, leaf: Leaf) -> Flags:
        matching = np.zeros_like(self._snapshot.is_there)
        with costing(lambda: [to_text(leaf)]):
            check_deadline()
            matching[self._snapshot.find(self._keys(leaf))] = True
        return matching[self._positions]

    def _keys(self, leaf: Leaf) -> Ints:
        """The keys of matching events: at least those of the period."""
        table, cursor = self._events.table, self._cursor
        term = self._term(leaf)
        if term is not None:
            rows = cursor.execute(*events_with(table, self._org, term))
        else:
            condition = compile_where(leaf, table, cursor.dialect)
            instant = self._events.instant
            rows = cursor.execute(
                f"SELECT e.key FROM {table.name} e WHERE e.org = ? "
                f"AND {instant} >= ? AND {instant} < ? AND {condition.sql}",
                (self._org.key, self._period.start_ns, self._period.end_ns, *condition.values),
            )
        return np.fromiter((key for (key,) in rows), np.int64)

    def _term(self, leaf: Leaf) -> Term | None:
        """The term under which the index holds exactly the events that match, if there is one."""
        match leaf:
            case Equals(Tag(key), str(value)):
                return Term(f"@{key}", value)
            case Equals(Field() as field, str(value)) if (
                field.name in self._events.table.posted_fields
            ):
                return Term(field.name, value)
            case _:
                return None


def is_verdict(target: Target) -> bool:
    """Whether it is the field of verdicts, which columns store as codes."""
    return isinstance(target, Field) and target.name == "change_failure"


def _by_labels(leaf: TargetLeaf, labels: Labels, positions: Positions) -> Flags:
    """Whether a leaf holds of each event, by its values."""
    if labels.offsets is None:
        return _by_value(leaf, labels.values, labels.codes[positions])
    matching = _by_value(leaf, labels.values, labels.codes)
    found = np.concatenate((np.zeros(1, np.int64), np.cumsum(matching)))
    return found[labels.offsets[positions + 1]] > found[labels.offsets[positions]]


def _by_value(leaf: TargetLeaf, values: Iterable[Scalar], codes: NDArray[Any]) -> Flags:
    """Whether a leaf holds of each code, the last of all being that of no value."""
    is_match = np.array([*(holds(leaf, (value,)) for value in values), False])
    return is_match[codes]
