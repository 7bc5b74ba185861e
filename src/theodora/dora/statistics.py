"""Means, percentiles and the intervals of rates. An empty set has no value, never 0."""

import math
from collections.abc import Iterable, Sequence

import msgspec

Z_95 = 1.959963984540054
"""The normal quantile of a two-sided level of 95 %."""


class Distribution(msgspec.Struct, frozen=True):
    """What is said of a set of durations, in seconds."""

    n: int = 0
    mean: float | None = None
    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    p95: float | None = None


def distribution(values: Iterable[float]) -> Distribution:
    """Of `values` in any order."""
    ordered = sorted(values)
    if not ordered:
        return Distribution()
    return Distribution(
        n=len(ordered),
        mean=math.fsum(ordered) / len(ordered),
        p50=percentile(ordered, 0.50),
        p75=percentile(ordered, 0.75),
        p90=percentile(ordered, 0.90),
        p95=percentile(ordered, 0.95),
    )


def percentile(ordered: Sequence[float], p: float) -> float:
    """The value below which a share `p` of `ordered` lies, interpolated between neighbours.

    The same as numpy's default and as `percentile_cont` of SQL. `ordered` is not empty.
    """
    place = (len(ordered) - 1) * p
    below = math.floor(place)
    value = ordered[below]
    if below + 1 == len(ordered):
        return value
    return value + (place - below) * (ordered[below + 1] - value)


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
