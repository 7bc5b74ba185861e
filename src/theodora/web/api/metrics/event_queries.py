"""Searches that find the events behind metrics, for list requests and the dashboard."""

from collections.abc import Iterable, Mapping

import msgspec

from theodora.dora.metrics.calendar import Period
from theodora.dora.metrics.groups import value_named
from theodora.query import (
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


def event_queries(tree: Query, period: Period, group: Mapping[str, str]) -> EventQueries:
    """The events of `period` that `tree` is true of and that belong to `group`."""
    clauses = [tree, *(clause_of(key, value) for key, value in group.items())]
    return EventQueries(
        to_text(_all([*clauses, _within(period, "finished_at")])),
        to_text(_all([*clauses, _within(period, "started_at")])),
    )


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


def _all(clauses: Iterable[Query]) -> Query:
    return all_of(dict.fromkeys(each for each in clauses if each != Everything()))
