"""Intervals and tests of chance, by scipy: level 95 %, two-sided."""

from collections.abc import Sequence
from functools import cache

import scipy

LEVEL = 0.95
FEWEST_DURATIONS = 5


@cache
def wilson(hits: int, n: int) -> tuple[float, float] | tuple[None, None]:
    """The score interval of a rate."""
    if n == 0:
        return None, None
    low, high = scipy.stats.binomtest(hits, n).proportion_ci(LEVEL, "wilson")
    return float(low), float(high)


def counts_are_alike(count: int, days: float, before: int, days_before: float) -> bool:
    """The exact conditional binomial test of two Poisson rates."""
    if count + before == 0 or days <= 0 or days_before <= 0:
        return True
    share = days / (days + days_before)
    return bool(scipy.stats.binomtest(count, count + before, share).pvalue >= 1 - LEVEL)


def rates_are_alike(hits: int, n: int, hits_before: int, n_before: int) -> bool:
    """Whether Newcombe's hybrid score interval of the difference contains 0."""
    if n == 0 or n_before == 0:
        return True
    rate, rate_before = hits / n, hits_before / n_before
    low, high = wilson(hits, n)
    low_before, high_before = wilson(hits_before, n_before)
    below = ((rate - low) ** 2 + (high_before - rate_before) ** 2) ** 0.5
    above = ((high - rate) ** 2 + (rate_before - low_before) ** 2) ** 0.5
    return rate - rate_before - below <= 0 <= rate - rate_before + above


def durations_are_alike(values: Sequence[float], before: Sequence[float]) -> bool:
    """Mann and Whitney's test, with too few values on a side always so."""
    if min(len(values), len(before)) < FEWEST_DURATIONS or len({*values, *before}) == 1:
        return True
    test = scipy.stats.mannwhitneyu(values, before, use_continuity=True, method="asymptotic")
    return bool(test.pvalue >= 1 - LEVEL)
