"""Columns of events: arrays with one element for each event, in any order.

What metrics are computed from. Arrays may hold more events than a question is about; a
`Selected` marks those that count. None of the arrays is ever changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from theodora.dora.derivation.stages import STAGES, Stages
from theodora.dora.metrics.rows import DeploymentRow, IncidentRow

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int32]
Flags: TypeAlias = NDArray[np.bool_]
Positions: TypeAlias = NDArray[np.intp]

NO_VALUE = -1
"""The code for no value."""
UNKNOWN_NS = -1
"""The value of a missing span."""
EVERY = slice(None)
"""Selects all of an array without copying it, as an equal index array would."""
PENDING, FINE, FAILED = -1, 0, 1
"""Verdicts."""

_HALF = 32
"""Bits."""

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Labels:
    """The values that events have of one key, as codes: places in `values`."""

    values: Sequence[str]
    codes: Codes
    offsets: Ints | None = None
    """Where the codes of each event begin, and in the end where the last ones end.

    None where each event has one code, be it `NO_VALUE`.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentColumns:
    """The columns of deployments for metrics. Instants and spans are nanoseconds."""

    finished_at_ns: Ints
    verdict: NDArray[np.int8]
    is_rework: Flags
    recovery_ns: Ints
    """`UNKNOWN_NS` where nothing has remedied the deployment."""
    lead_times_ns: Ints
    """The lead times of commits, one deployment's after another's."""
    commit_offsets: Ints
    """Where the commits of each deployment begin, and in the end where the last ones end."""
    lead_time_sums_ns: Floats
    """The sum of the lead times of each deployment's commits."""
    stage_sums_ns: Floats
    """The sums of their stages, a column for each; what is not known adds nothing."""
    stages_ns: Ints | None
    """The stages of the same commits, a column for each; None if they were not requested."""
    labels: Mapping[str, Labels]
    """By key; of a key that is missing no event has a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentColumns:
    """The columns of incidents for metrics. Instants and spans are nanoseconds."""

    started_at_ns: Ints
    is_open: Flags
    restore_ns: Ints
    """`UNKNOWN_NS` of one that is open, or ends before it starts."""
    labels: Mapping[str, Labels]


@dataclass(frozen=True, slots=True)
class Selected(Generic[C]):
    """Columns, and the places in them that count."""

    columns: C
    positions: Positions


def chosen(flags: Flags) -> Flags | slice:
    """An index that selects flagged rows; a full slice when all are (fast path)."""
    return EVERY if flags.all() else flags


def sums_ns(spans_ns: Ints, counts: Ints) -> Floats:
    """The sum of each event's spans, a row an event; `counts` has how many each has.

    Spans have one column or several; unknown ones add nothing. Sums are exact, but for the rounding
    to a float: halves are summed apart, because the sum of several spans may be too large.
    """
    sums = np.zeros((len(counts), *spans_ns.shape[1:]))
    has_any, starts = counts > 0, np.cumsum(counts) - counts
    if has_any.any():
        known = np.where(spans_ns == UNKNOWN_NS, 0, spans_ns)
        halves = (known >> _HALF, known & ((1 << _HALF) - 1))
        upper, lower = (np.add.reduceat(half, starts[has_any], axis=0) for half in halves)
        sums[has_any] = upper * 2.0**_HALF + lower
    return sums


def select_deployments(rows: Iterable[DeploymentRow]) -> Selected[DeploymentColumns]:
    """Columns of rows."""
    every = list(rows)
    lead_times_ns = _ints(span for row in every for span in row.lead_times_ns)
    encoded = [_encoded(each) for row in every for each in row.stages]
    stages_ns = np.array(encoded, np.int64).reshape(-1, len(STAGES))
    columns = DeploymentColumns(
        finished_at_ns=_ints(row.finished_at_ns for row in every),
        verdict=np.array([_verdict(row.change_failure) for row in every], np.int8),
        is_rework=np.array([row.is_rework for row in every], np.bool_),
        recovery_ns=_spans(row.recovery_time_ns for row in every),
        lead_times_ns=lead_times_ns,
        commit_offsets=_offsets(len(row.lead_times_ns) for row in every),
        lead_time_sums_ns=sums_ns(lead_times_ns, _ints(len(row.lead_times_ns) for row in every)),
        stage_sums_ns=sums_ns(stages_ns, _ints(len(row.stages) for row in every)),
        stages_ns=stages_ns,
        labels=_labels(every),
    )
    return Selected(columns, np.arange(len(every)))


def select_incidents(rows: Iterable[IncidentRow]) -> Selected[IncidentColumns]:
    """Columns of rows."""
    every = list(rows)
    columns = IncidentColumns(
        started_at_ns=_ints(row.started_at_ns for row in every),
        is_open=np.array([row.is_open for row in every], np.bool_),
        restore_ns=_spans(row.time_to_restore_ns for row in every),
        labels=_labels(every),
    )
    return Selected(columns, np.arange(len(every)))


def _verdict(change_failure: bool | None) -> int:
    return PENDING if change_failure is None else int(change_failure)


def _encoded(stages: Stages) -> list[int]:
    spans: list[int | None] = [getattr(stages, stage) for stage in STAGES]
    return [UNKNOWN_NS if span is None else span for span in spans]


def _labels(rows: Sequence[DeploymentRow] | Sequence[IncidentRow]) -> Mapping[str, Labels]:
    """The labels of every key that at least one row has a value for."""
    values = [row.values() for row in rows]
    keys = dict.fromkeys(key for of_row in values for key in of_row)
    return {key: _labels_of([of_row.get(key, ()) for of_row in values]) for key in keys}


def _labels_of(values: Sequence[Sequence[str]]) -> Labels:
    known = {
        value: code for code, value in enumerate(dict.fromkeys(v for each in values for v in each))
    }
    codes = np.array([known[value] for each in values for value in each], np.int32)
    return Labels(tuple(known), codes, _offsets(len(each) for each in values))


def _ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, np.int64)


def _spans(values: Iterable[int | None]) -> Ints:
    return _ints(UNKNOWN_NS if value is None else value for value in values)


def _offsets(lengths: Iterable[int]) -> Ints:
    return _ints(accumulate(lengths, initial=0))
