"""Searches that find the events behind metrics, for list requests and the dashboard."""

from collections.abc import Mapping

import msgspec

from theodora.dora.metrics.calendar import Period
from theodora.dora.metrics.groups import value_named
from theodora.query import (
    And,
    Equals,
    Everything,
    Exists,
    Field,
    NumberRange,
    Query,
    Tag,
    Wild,
    Wildcard,
    all_of,
    complement,
    resolve,
    to_text,
)
from theodora.query.operands import equals
from theodora.query.patterns import pattern_of
from theodora.storage.metrics.columns import GROUPED


class EventQueries(msgspec.Struct, frozen=True):
    """The queries of a group."""

    deployments: str
    """The deployments that are counted."""
    failures: str
    """The incidents."""


class EventQueryWriter:
    """Writes the queries of the groups of one question."""

    def __init__(self, tree: Query, period: Period) -> None:
        """Of the events of `period` that `tree` is true of."""
        self._tree = tree
        self._finished = to_text(_within(period, "finished_at"))
        self._started = to_text(_within(period, "started_at"))

    def of_group(self, group: Mapping[str, str]) -> EventQueries:
        """The queries for the events that belong to `group`."""
        clauses = [self._tree, *(clause_of(key, value) for key, value in group.items())]
        different = dict.fromkeys(each for each in clauses if each != Everything())
        if not different:
            return EventQueries(self._finished, self._started)
        # Brackets are set as within a longer conjunction: this one goes on.
        shared = to_text(And((all_of(different),)))
        return EventQueries(f"{shared} {self._finished}", f"{shared} {self._started}")


def clause_of(key: str, name: str) -> Query:
    """The condition on `key` for events of the group called `name`."""
    value = value_named(name)
    if key in GROUPED:
        target = resolve(key)
        return complement(Exists(target)) if value is None else equals(target, value)
    if isinstance(resolve(key), Tag):
        return complement(Exists(Tag(key))) if value is None else Equals(Tag(key), value)
    # A field hides the tag of the same name, which is then found among all tags.
    tags = resolve("tags")
    if value is None:
        return complement(Wildcard(tags, pattern_of([*f"{key}:", Wild.RUN])))
    return Equals(tags, f"{key}:{value}")


def _within(period: Period, name: str) -> Query:
    field = resolve(name)
    assert isinstance(field, Field)
    return NumberRange(field, period.start_ns, period.end_ns - 1)
