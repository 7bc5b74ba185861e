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

_INT64 = 2.0**63
_HALF = 32
"""Bits."""
_TURN = 2.0**64
"""The number of 64-bit integers: arithmetic wraps around here."""


class Distribution(msgspec.Struct, frozen=True, gc=False):
    """Count, mean and percentiles of durations, in seconds."""

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

    Each set is sorted around its percentiles. `offsets` are the starts of the sets, and the end.
    """
    counts = np.diff(offsets)
    means = totals_ns(durations, offsets) / (np.maximum(counts, 1) * float(SECOND_NS))
    percentiles = (_percentiles(durations, offsets[:-1], counts, p) for p in PERCENTILES)
    figures = (none_where(counts == 0, each) for each in (means, *percentiles))
    return Distributions(counts.tolist(), *figures)


def none_where(is_missing: NDArray[np.bool_], values: NDArray[np.float64]) -> list[float | None]:
    """A list of `values`, and of None where they mean nothing."""
    missing = np.flatnonzero(is_missing)
    if 2 * len(missing) < len(values):
        found: list[float | None] = values.tolist()
        for position in missing.tolist():
            found[position] = None
        return found
    found = [None] * len(values)
    present = np.flatnonzero(~is_missing)
    for position, value in zip(present.tolist(), values[present].tolist(), strict=True):
        found[position] = value
    return found


def places_of_percentiles(n: int) -> list[int]:
    """The places at which `n` durations have to be in order."""
    below = [math.floor((n - 1) * p) for p in PERCENTILES]
    return sorted({min(position + step, n - 1) for position in below for step in (0, 1)})


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


def _percentiles(durations: Durations, starts: Ints, counts: Ints, p: float) -> NDArray[np.float64]:
    """The seconds below which a share `p` of each set lies, interpolated between neighbours.

    The same as numpy's default and as `percentile_cont` of SQL.
    """
    if not len(durations):
        return np.zeros(len(counts))
    positions = np.maximum(counts - 1, 0) * p
    below = np.floor(positions).astype(np.int64)
    last = len(durations) - 1
    value = durations[np.minimum(starts + below, last)] / SECOND_NS
    above = np.minimum(starts + np.minimum(below + 1, np.maximum(counts - 1, 0)), last)
    return value + (positions - below) * (durations[above] / SECOND_NS - value)


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


def wilson_intervals(hits: Ints, n: Ints) -> tuple[list[float | None], list[float | None]]:
    """The same of many rates: their lower ends and their upper ends."""
    trials = np.maximum(n, 1)
    rate = hits / trials
    shrink = 1 + Z_95**2 / trials
    centre = (rate + Z_95**2 / (2 * trials)) / shrink
    reach = Z_95 / shrink * np.sqrt(rate * (1 - rate) / trials + Z_95**2 / (4 * trials**2.0))
    low = np.where(hits == 0, 0.0, centre - reach)
    high = np.where(hits == n, 1.0, centre + reach)
    return none_where(n == 0, low), none_where(n == 0, high)
