"""Means, percentiles and the intervals of rates. An empty set has no value, never 0."""

import math
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from theodora.events.values import SECOND_NS

Ints: TypeAlias = NDArray[np.int64]
Durations: TypeAlias = NDArray[np.int64 | np.float64]
"""Nanoseconds; floats where they are means."""

Z_95 = 1.959963984540054
"""The normal quantile of a two-sided level of 95 %."""


PERCENTILES = (0.5, 0.75, 0.9, 0.95)
_PERCENTILE_ROWS = np.array(PERCENTILES)[:, np.newaxis]

_INT64 = 2.0**63
_HALF = 32
"""Bits."""
_TURN = 2.0**64
"""The number of 64-bit integers: arithmetic wraps around here."""


class Distribution(msgspec.Struct, frozen=True, gc=False):
    """Count, mean and percentiles: of durations in seconds, of other values in their own unit."""

    n: int = 0
    mean: float | None = None
    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    p95: float | None = None

    @property
    def headline(self) -> float | None:
        return self.p50


class Distributions(NamedTuple):
    """Distributions of many sets, a list a figure, in the order of a `Distribution`."""

    n: list[int]
    mean: list[float | None]
    p50: list[float | None]
    p75: list[float | None]
    p90: list[float | None]
    p95: list[float | None]


def distributions(durations: Durations, offsets: Ints) -> Distributions:
    """The distributions of sets of nanoseconds that lie one after another in one array.

    Each set is in order. `offsets` are the starts of the sets, and the end.
    """
    starts = offsets[:-1]
    counts = offsets[1:] - starts
    means = totals_ns(durations, offsets) / (np.maximum(counts, 1) * float(SECOND_NS))
    percentiles = _percentiles(durations, starts, counts)
    return Distributions(counts.tolist(), *none_where(counts == 0, means, *percentiles))


def none_where(
    is_missing: NDArray[np.bool_], *columns: NDArray[np.float64]
) -> list[list[float | None]]:
    """Each of the columns as a list, with None where its values mean nothing."""
    missing = np.flatnonzero(is_missing).tolist()
    if 2 * len(missing) < len(is_missing):
        return [_without(missing, column) for column in columns]
    present = np.flatnonzero(~is_missing)
    return [_only(present, column) for column in columns]


def _without(missing: list[int], column: NDArray[np.float64]) -> list[float | None]:
    values: list[float | None] = column.tolist()
    for position in missing:
        values[position] = None
    return values


def _only(present: Ints, column: NDArray[np.float64]) -> list[float | None]:
    values: list[float | None] = [None] * len(column)
    for position, value in zip(present.tolist(), column[present].tolist(), strict=True):
        values[position] = value
    return values


def totals_ns(durations: Durations, offsets: Ints) -> NDArray[np.float64]:
    """The sum of each set; exact for integers of any size, but for the rounding to a float."""
    if durations.dtype.kind == "f":
        return _sums(durations, offsets)
    whole = durations.astype(np.int64, copy=False)
    sums = _sums(whole, offsets).astype(np.float64)
    largest = float(whole.max(initial=0)) * int(np.diff(offsets).max(initial=0))
    if largest < _INT64:
        return sums
    # Such sums have overflowed; the sums of the upper halves show how often.
    rough = _sums(whole >> _HALF, offsets) * 2.0**_HALF
    return sums + np.rint((rough - sums) / _TURN) * _TURN


def _sums(values: NDArray[Any], offsets: Ints) -> NDArray[Any]:
    """The sum of each set; 0 for an empty one."""
    sums = np.zeros(len(offsets) - 1, values.dtype)
    has_any = offsets[1:] > offsets[:-1]
    if len(values):
        sums[has_any] = np.add.reduceat(values, offsets[:-1][has_any])
    return sums


def _percentiles(durations: Durations, starts: Ints, counts: Ints) -> NDArray[np.float64]:
    """The seconds below which the shares `PERCENTILES` of each set lie, a row a share.

    Interpolated between neighbours, as numpy does by default and `percentile_cont` of SQL.
    """
    if not len(durations):
        return np.zeros((len(PERCENTILES), len(counts)))
    last = np.maximum(counts - 1, 0)
    positions = last * _PERCENTILE_ROWS
    below = np.floor(positions).astype(np.int64)
    # Of an empty set at the end, the place is none of the array.
    starts = np.minimum(starts, len(durations) - 1)
    value = durations[starts + below] / SECOND_NS
    above = durations[starts + np.minimum(below + 1, last)] / SECOND_NS
    return value + (positions - below) * (above - value)


def wilson_interval(hits: int, n: int) -> tuple[float, float] | None:
    """The 95 % score interval of a rate; None without observations (Wilson 1927)."""
    if n == 0:
        return None
    rate = hits / n
    shrink = 1 + Z_95**2 / n
    centre = (rate + Z_95**2 / (2 * n)) / shrink
    reach = Z_95 / shrink * math.sqrt(rate * (1 - rate) / n + Z_95**2 / (4 * n**2))
    low = 0.0 if hits == 0 else centre - reach
    high = 1.0 if hits == n else centre + reach
    return low, high


def wilson_intervals(hits: Ints, n: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same of many rates: their lower and their upper ends; 0 and 1 without observations."""
    trials = np.maximum(n, 1)
    rate = hits / trials
    shrink = 1 + Z_95**2 / trials
    centre = (rate + Z_95**2 / (2 * trials)) / shrink
    reach = Z_95 / shrink * np.sqrt(rate * (1 - rate) / trials + Z_95**2 / (4 * trials**2.0))
    low = np.where(hits == 0, 0.0, centre - reach)
    high = np.where(hits == n, 1.0, centre + reach)
    return low, high
