"""The place of a deployment in its sequence, without reading the sequence."""

from collections.abc import Sequence
from typing import LiteralString, NamedTuple

from theodora.events import Deployment
from theodora.storage.derivation.derivation_record import decode_record
from theodora.storage.engine.cursor import Cursor, Row, only_value
from theodora.storage.events.rows import Stored
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.facts.derivation_queue import SequenceKey

_WITHIN: LiteralString = "e.org = ? AND e.service = ? AND coalesce(e.env, '') = ?"
_FINISHED_AT: LiteralString = (
    f"SELECT m.derivation, {DEPLOYMENTS.select} FROM deployments e "
    "LEFT JOIN deployment_measures m ON m.org = e.org AND m.deployment = e.key "
    f"WHERE {_WITHIN} AND e.finished_at_ns = ?"
)
_COUNT_BEFORE: LiteralString = (
    f"SELECT count(*) FROM deployments e WHERE {_WITHIN} AND e.finished_at_ns < ?"
)
_BEFORE: LiteralString = (
    f"SELECT max(e.finished_at_ns) FROM deployments e WHERE {_WITHIN} AND e.finished_at_ns < ?"
)
_AFTER: LiteralString = (
    f"SELECT min(e.finished_at_ns) FROM deployments e WHERE {_WITHIN} AND e.finished_at_ns > ?"
)


class PlaceInSequence(NamedTuple):
    """The place of a deployment in its sequence."""

    position: int
    """From 0."""
    preceding: Deployment | None
    following: Deployment | None


def read_place(
    cursor: Cursor, key: SequenceKey, stored: Stored[Deployment], tie: int
) -> PlaceInSequence:
    """The place of a deployment of a sequence that is derived and that no tag divides.

    `tie` is its place among those that finished at the same instant.
    """
    name = key.org.key, key.service, key.env or ""
    at_ns = stored.event.finished_at_ns
    tied = _finished_at(cursor, name, at_ns)
    earlier = _finished_at(cursor, name, only_value(cursor.execute(_BEFORE, (*name, at_ns))))
    later = _finished_at(cursor, name, only_value(cursor.execute(_AFTER, (*name, at_ns))))
    return PlaceInSequence(
        only_value(cursor.execute(_COUNT_BEFORE, (*name, at_ns))) + tie,
        next(reversed((*earlier, *tied[:tie])), None),
        next(iter((*tied[tie + 1 :], *later)), None),
    )


def _finished_at(
    cursor: Cursor, name: tuple[int, str, str], at_ns: int | None
) -> Sequence[Deployment]:
    """The deployments of an instant in their order; none without one."""
    if at_ns is None:
        return ()
    rows = cursor.execute(_FINISHED_AT, (*name, at_ns)).fetchall()
    if len(rows) > 1:
        rows.sort(key=_tie)
    return [DEPLOYMENTS.from_row(row[1:]) for row in rows]


def _tie(row: Row) -> int:
    return decode_record(row[0]).tie
