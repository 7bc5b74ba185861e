"""Significance tests, two-sided at a level of 95 %.

With too little data, a change counts as noise.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from theodora.dora.metrics.statistics import Durations, Ints, wilson_interval

Floats: TypeAlias = NDArray[np.float64]

ALPHA = 0.05

FEWEST_DURATIONS = 5
"""With fewer on a side, no difference of durations counts as real."""

_MANY = 500
"""Durations: of so many, it is quicker to look first whether bounds of the p-value suffice."""
_BINS_A_ROOT = 4
"""Bins for each unit of the root of the number of durations."""
_TIE_TOLERANCE = 1 + 1e-7
"""Outcomes as likely as the observed one, but for rounding, count as equally extreme."""


def count_within_noise(count: int, days: float, before: int, days_before: float) -> bool:
    """Whether two counts, each over its own number of days, may share one rate.

    The exact conditional test of two Poisson rates: given the total, one of the counts is
    binomial with the share of its days (Przyborowski and Wilenski 1940).
    """
    if days <= 0 or days_before <= 0:
        return True
    share = days / (days + days_before)
    return binomial_p_value(count, count + before, share) >= ALPHA


def rate_within_noise(hits: int, n: int, hits_before: int, n_before: int) -> bool:
    """Whether the interval of the difference of two rates holds 0 (Newcombe 1998, method 10)."""
    interval = newcombe_interval(hits, n, hits_before, n_before)
    return interval is None or interval[0] <= 0 <= interval[1]


def durations_within_noise(values: Durations, before: Durations) -> bool:
    """Whether neither set tends to be longer, each in order (Mann and Whitney 1947)."""
    if min(len(values), len(before)) < FEWEST_DURATIONS:
        return True
    if len(values) + len(before) >= _MANY:
        least, most = p_value_bounds(values, before)
        if least >= ALPHA or most < ALPHA:
            return least >= ALPHA
    return mann_whitney_p_value(values, before) >= ALPHA


def binomial_p_value(k: int, n: int, p: float) -> float:
    """That `n` trials of probability `p` give `k` or a count no likelier, on either side."""
    mean = n * p
    if k == mean:
        return 1.0
    if k > mean:
        return binomial_p_value(n - k, n, 1 - p)
    limit = _log_likelihood(k, n, p) + math.log(_TIE_TOLERANCE)
    opposite = _first_below(limit, math.ceil(mean), n, p)
    upper = _tail(n - opposite, n, 1 - p) if opposite <= n else 0.0
    return min(1.0, _tail(k, n, p) + upper)


def dispersed_count_p_value(parts: Ints, parts_before: Ints, share: float) -> float:
    """The p-value of two counts that come in bursts, each cut into equal parts of its period.

    `share` is the current period's part of the days of both. The variance is that of the parts
    within each period, at least Poisson's, and is estimated: Student's t (quasi-Poisson).
    """
    total = int(parts.sum() + parts_before.sum())
    degrees = len(parts) + len(parts_before) - 2
    if not total or degrees < 1:
        return 1.0
    spread = (_chi_square(parts) + _chi_square(parts_before)) / degrees
    distance = abs(float(parts.sum()) - total * share)
    return student_p_value(
        distance / math.sqrt(max(spread, 1.0) * total * share * (1 - share)), degrees
    )


def _chi_square(parts: Ints) -> float:
    """How much the counts of equal parts differ from their mean, 1 a part under Poisson."""
    mean = parts.mean()
    return float(((parts - mean) ** 2).sum() / mean) if mean else 0.0


def student_p_value(t: float, degrees: int) -> float:
    """The two-sided p-value of Student's t; the finite sums of Abramowitz and Stegun 26.7."""
    angle = math.atan(t / math.sqrt(degrees))
    cosine_squared = math.cos(angle) ** 2
    is_odd = degrees % 2
    term = total = math.cos(angle) if is_odd else 1.0
    for step in range(2 + is_odd, degrees - 1, 2):
        term *= cosine_squared * (step - 1) / step
        total += term
    if is_odd:
        total = 0.0 if degrees == 1 else total
        return max(0.0, 1 - 2 / math.pi * (angle + math.sin(angle) * total))
    return max(0.0, 1 - math.sin(angle) * total)


def fisher_p_value(hits: int, n: int, hits_before: int, n_before: int) -> float:
    """The two-sided p-value of Fisher's exact test: splits of the hits no likelier than this."""
    total = hits + hits_before
    lowest = max(0, total - n_before)
    splits = np.arange(lowest, min(total, n) + 1, dtype=np.float64)
    here = splits[:-1]
    odds = (total - here) * (n - here) / ((here + 1) * (n_before - total + here + 1))
    logs = np.concatenate((np.zeros(1), np.cumsum(np.log(odds))))
    likelihoods = np.exp(logs - logs.max())
    observed = likelihoods[hits - lowest] * _TIE_TOLERANCE
    return float(likelihoods[likelihoods <= observed].sum() / likelihoods.sum())


def largest_discovery(p_values: Sequence[float], rate: float, tests: int) -> float:
    """The largest p-value that counts if of all discoveries at most `rate` are to be false.

    `tests` is how many were made; those that are not in `p_values` found nothing. 0 without a
    discovery (Benjamini and Hochberg 1995).
    """
    ranked = enumerate(sorted(p_values), 1)
    return max((p for rank, p in ranked if p <= rate * rank / tests), default=0.0)


def _first_below(limit: float, low: int, n: int, p: float) -> int:
    """The least count from `low`, where the likelihood falls, that is no likelier than `limit`."""
    high = n + 1
    while low < high:
        middle = (low + high) // 2
        if _log_likelihood(middle, n, p) <= limit:
            high = middle
        else:
            low = middle + 1
    return low


def _log_likelihood(k: int, n: int, p: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return ways + k * math.log(p) + (n - k) * math.log1p(-p)


def _tail(k: int, n: int, p: float) -> float:
    """The probability of `k` or fewer, for `k` at most the mean."""
    term = math.exp(_log_likelihood(k, n, p))
    total, odds = term, (1 - p) / p
    while k > 0 and term > total * 1e-17:
        term *= k / (n - k + 1) * odds
        total += term
        k -= 1
    return total


def newcombe_interval(
    hits: int, n: int, hits_before: int, n_before: int
) -> tuple[float, float] | None:
    """The 95 % hybrid score interval of the first rate less the second; None if one has no n."""
    now, then = wilson_interval(hits, n), wilson_interval(hits_before, n_before)
    if now is None or then is None:
        return None
    rate, rate_before = hits / n, hits_before / n_before
    difference = rate - rate_before
    low = difference - math.hypot(rate - now[0], then[1] - rate_before)
    high = difference + math.hypot(now[1] - rate, rate_before - then[0])
    return low, high


def mann_whitney_p_value(values: Durations, before: Durations) -> float:
    """The p-value by the normal approximation, corrected for ties and continuity."""
    n, m = len(values), len(before)
    rank_sum, ties = _rank_sum_and_ties(values, before)
    u = rank_sum - n * (n + 1) / 2
    return _p_value(abs(u - n * m / 2), n, m, ties)


def p_value_bounds(values: Durations, before: Durations) -> tuple[float, float]:
    """Bounds of the p-value, from a look at some of the durations, each set in order.

    They are counted by bins that some of them begin; those of one bin may be in any order, and
    tied or not.
    """
    n, m = len(values), len(before)
    edges = np.union1d(_some_of(values), _some_of(before))
    ours, theirs = (_counts_by_bin(each, edges) for each in (values, before))
    tied = ours + theirs
    if tied.max() == n + m:
        return 0.0, 1.0
    shorter = np.cumsum(theirs) - theirs
    lowest = float(ours @ shorter) - n * m / 2
    highest = lowest + float(ours @ theirs)
    nearest = max(lowest, -highest, 0.0)
    furthest = max(-lowest, highest)
    ties = float(tied @ (tied * tied - 1))
    # Ties lower the variance and so the p-value: in a bin all may be tied, or none.
    return _p_value(furthest, n, m, ties), _p_value(nearest, n, m, 0.0)


def _some_of(durations: Durations) -> Durations:
    """Evenly many between each and the next.

    Their number grows with the root of all, as the precision that a test of so many needs does.
    """
    return durations[:: max(1, len(durations) // (_BINS_A_ROOT * math.isqrt(len(durations))))]


def _counts_by_bin(durations: Durations, edges: Durations) -> Floats:
    """How many are below the first edge, and from each edge up to the next."""
    starts = np.searchsorted(durations, edges)
    return np.diff(starts, prepend=0, append=len(durations)).astype(np.float64)


def _p_value(distance: float, n: int, m: int, ties: float) -> float:
    """The p-value of a U at this distance from its mean."""
    variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
    # All durations are equal.
    if variance <= 0:
        return 1.0
    # The continuity correction: U is discrete, the normal distribution is not.
    z = (distance - 0.5) / math.sqrt(variance)
    return min(1.0, math.erfc(z / math.sqrt(2)))


def _rank_sum_and_ties(values: Durations, others: Durations) -> tuple[float, float]:
    """The sum of the mid-ranks of `values` in both sets, and the sum of t³ - t over the ties."""
    pooled = np.concatenate((values, others))
    # A stable sort merges the two if both are in order, as those of cells are: to search for the
    # rank of each value takes ten times as long.
    order = np.argsort(pooled, kind="stable")
    pooled = pooled[order]
    starts = np.flatnonzero(np.concatenate((np.ones(1, np.bool_), pooled[1:] != pooled[:-1])))
    sizes = np.diff(starts, append=len(pooled))
    ours = np.add.reduceat(order < len(values), starts)
    tied = sizes[sizes > 1].astype(np.float64)
    rank_sum = (ours * (2 * starts + sizes + 1)).sum() / 2
    return float(rank_sum), float((tied**3 - tied).sum())
