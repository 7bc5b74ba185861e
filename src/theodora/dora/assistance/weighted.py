"""Rates of deployments that belong to two sides in parts, and whether they differ.

A deployment whose commits are assisted by three in ten counts three tenths on one side and the
rest on the other, in the failures as in the denominator. There is no exact test of such rates, so
their intervals come from a bootstrap over deployments, with a fixed seed: the same deployments
give the same answer.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from theodora.dora.assistance.sides import Side
from theodora.dora.metrics.shapes import Change

Floats: TypeAlias = NDArray[np.float64]

FEWEST_DEPLOYMENTS = 10
"""With fewer on a side, no difference of rates counts as real."""

_DRAWS = 1_000
_SEED = 1
_PERCENTILES = (2.5, 97.5)
_ROUNDING = 1e-9
"""Sums of parts are rounded: a smaller difference is none."""


class WeightedRate(msgspec.Struct, frozen=True, gc=False):
    """A rate of parts of deployments, and the ends of its 95 % interval."""

    value: float | None
    low: float | None
    high: float | None
    hits: float
    """The parts of deployments that failed, or were rework."""
    n: float
    """The parts of all."""
    deployments: int
    """How many deployments have a part in it."""


class WeightedDeployment(NamedTuple):
    """The parts of a deployment on the two sides that are compared, and its outcome."""

    assisted: float
    not_assisted: float
    is_hit: bool


class ComparedRates(NamedTuple):
    """The rates of both sides, and how the first differs from the second."""

    of: Mapping[Side, WeightedRate]
    change: Change


def compare_rates(deployments: Sequence[WeightedDeployment]) -> ComparedRates:
    """Both rates, their intervals and their difference, in percentage points."""
    rows = np.array(deployments, np.float64).reshape(-1, 3)
    weights, hits = rows[:, :2], rows[:, 2:]
    drawn = _drawn(np.hstack((weights, weights * hits)))
    assisted, not_assisted = (
        _rate(weights[:, side], weights[:, side] * hits[:, 0], drawn[:, side]) for side in (0, 1)
    )
    return ComparedRates(
        {"assisted": assisted, "not_assisted": not_assisted},
        _change(assisted, not_assisted, drawn),
    )


def _drawn(sums: Floats) -> Floats:
    """The two rates of each draw of as many deployments, with replacement.

    Deployments with the same parts and outcome are drawn together, as one outcome of a multinomial
    distribution: that is the same, and quicker.
    """
    if not len(sums):
        return np.zeros((0, 2))
    kinds, counts = np.unique(sums, axis=0, return_counts=True)
    rng = np.random.Generator(np.random.PCG64(_SEED))
    draws = rng.multinomial(len(sums), counts / len(sums), size=_DRAWS)
    drawn = draws @ kinds
    with np.errstate(invalid="ignore"):
        return drawn[:, 2:] / drawn[:, :2]


def _rate(weights: Floats, hits: Floats, drawn: Floats) -> WeightedRate:
    n, total = float(weights.sum()), float(hits.sum())
    low, high = _interval(drawn)
    return WeightedRate(total / n if n else None, low, high, total, n, int((weights > 0).sum()))


def _change(now: WeightedRate, other: WeightedRate, drawn: Floats) -> Change:
    if now.value is None or other.value is None:
        return Change(None, None, within_noise=True)
    delta = now.value - other.value
    low, high = _interval(drawn[:, 0] - drawn[:, 1])
    is_real = (
        min(now.deployments, other.deployments) >= FEWEST_DEPLOYMENTS
        and low is not None
        and high is not None
        and not low - _ROUNDING <= 0 <= high + _ROUNDING
    )
    relative = delta / other.value if other.value else None
    return Change(delta * 100, relative, within_noise=not is_real)


def _interval(drawn: Floats) -> tuple[float, float] | tuple[None, None]:
    """Of the draws in which there is a value."""
    present = drawn[np.isfinite(drawn)]
    if not len(present):
        return None, None
    low, high = np.percentile(present, _PERCENTILES)
    return float(low), float(high)
