"""Which of the events in memory match a query.

A leaf about a field or a tag that is held is decided once for each different value, by the
matcher itself. Whatever else is asked goes to the database, which answers with keys.
"""

from functools import reduce
from typing import Generic, TypeVar, assert_never

import numpy as np

from theodora.dora import DeploymentColumns, IncidentColumns, Labels, Period, Selected
from theodora.dora.columns import Flags, Ints
from theodora.query import And, Equals, Everything, Field, Leaf, Not, Or, Query, Tag, Text
from theodora.query.matches import TargetLeaf, holds
from theodora.storage.columns import KeptEvents, Snapshot
from theodora.storage.cursor import Cursor
from theodora.storage.indexing import watermark_of
from theodora.storage.organisations import Organisation
from theodora.storage.terms import Term
from theodora.storage.where import compile_where

C = TypeVar("C", DeploymentColumns, IncidentColumns)


class Selecting(Generic[C]):
    """Selects among the events of one kind, of which those of one period matter."""

    def __init__(
        self,
        kept: type[KeptEvents[C]],
        snapshot: Snapshot[C],
        cursor: Cursor,
        org: Organisation,
        period: Period,
    ) -> None:
        self._cursor = cursor
        self._org = org
        self._kept = kept
        self._snapshot = snapshot
        self._period = period

    def selected(self, tree: Query) -> Selected[C]:
        """The events that match `tree`."""
        is_there = self._snapshot.is_there
        if not isinstance(tree, Everything):
            is_there = is_there & self._matching(tree)
        return Selected(self._snapshot.columns, np.flatnonzero(is_there))

    def _matching(self, query: Query) -> Flags:
        match query:
            case Everything():
                return np.ones_like(self._snapshot.is_there)
            case And(parts):
                return reduce(np.logical_and, map(self._matching, parts))
            case Or(parts):
                return reduce(np.logical_or, map(self._matching, parts))
            case Not(part):
                return ~self._matching(part)
            case _:
                return self._leaf(query)

    def _leaf(self, leaf: Leaf) -> Flags:
        if isinstance(leaf, Text) or (labels := self._labels(leaf.target)) is None:
            return self._of_keys(leaf)
        return _by_value(leaf, labels)

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
        matching[self._snapshot.find(self._keys(leaf))] = True
        return matching

    def _keys(self, leaf: Leaf) -> Ints:
        """The keys of the events of the period, at the least, that match."""
        table, cursor = self._kept.table, self._cursor
        condition = compile_where(leaf, table, cursor.dialect)
        term = self._term(leaf)
        if term is not None:
            rows = cursor.execute(
                f"SELECT event FROM {table.postings} WHERE org = ? AND term = ? "
                f"UNION ALL SELECT e.key FROM {table.name} e "
                f"WHERE e.key > {watermark_of(table)} AND e.org = ? AND {condition.sql}",
                (self._org.key, str(term), self._org.key, *condition.values),
            )
        else:
            instant = self._kept.instant
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
                field.name in self._kept.table.posted_fields
            ):
                return Term(field.name, value)
            case _:
                return None


def _by_value(leaf: TargetLeaf, labels: Labels) -> Flags:
    """Whether a leaf holds of each event, by its values."""
    codes = labels.codes
    values = tuple(labels.values)
    is_match = np.array([*(holds(leaf, (value,)) for value in values), False])
    matching = is_match[codes]
    if labels.offsets is None:
        return matching
    found = np.concatenate((np.zeros(1, np.int64), np.cumsum(matching)))
    return found[labels.offsets[1:]] > found[labels.offsets[:-1]]
