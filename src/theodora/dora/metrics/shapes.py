"""The shapes of metrics: frequencies, rates and distributions of durations, and their changes.

A shape is the structure of a metric's figures. It decides which figure is the headline and how
a change is distinguished from chance.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from theodora.dora.derivation.stages import Stage
from theodora.dora.metrics.significance import (
    FEWEST_DURATIONS,
    binomial_p_value,
    count_within_noise,
    dispersed_count_p_value,
    durations_within_noise,
    fisher_p_value,
    mann_whitney_p_value,
    rate_within_noise,
)
from theodora.dora.metrics.statistics import Distribution, Durations, Ints

DAYS_PER_WEEK = 7
DAYS_PER_MONTH = 365.2425 / 12

Unit = Literal["per day", "seconds", "share"]
"""Of a headline. It decides how that is written, and how the Quick Check scores it."""


class Frequency(msgspec.Struct, frozen=True, gc=False):
    """Events, and their rate over the exact length of the period."""

    count: int
    per_day: float | None
    """None for a period that is yet to come."""
    per_week: float | None
    per_month: float | None
    active_days: int
    """Local dates with at least one event; shown beside the rate, never as the rate."""

    @property
    def headline(self) -> float | None:
        """Without an event there is no frequency to speak of."""
        return self.per_day if self.count else None


class Rate(msgspec.Struct, frozen=True, gc=False):
    """`hits` as a share of `n`, and the ends of its 95 % interval."""

    value: float | None
    low: float | None
    high: float | None
    hits: int
    n: int

    @property
    def headline(self) -> float | None:
        return self.value


class RateWithPending(Rate, frozen=True, gc=False):
    """A rate of what has been evaluated, and how many events have not."""

    pending: int


class DistributionWithOpen(Distribution, frozen=True, gc=False):
    """Durations that have ended, and how many have not."""

    open: int = 0


class DistributionWithStages(Distribution, frozen=True, gc=False):
    """Durations, and where they went."""

    stages: Mapping[Stage, Distribution] | UnsetType = UNSET
    """Only if they were asked for, and never of an interval."""


Figures = Frequency | Rate | Distribution
F = TypeVar("F", bound=Figures)


class Sample(msgspec.Struct, Generic[F], frozen=True, gc=False):
    """The figures of one set of events, with the data for significance tests."""

    figures: F
    days: float
    """The part of the period that has passed."""
    durations: Durations | None
    """Those that a distribution is of."""


class Observed(msgspec.Struct, frozen=True, gc=False):
    """The independent observations behind a metric of one set of events."""

    figures: Any
    days: float
    """The part of the period that has passed."""
    parts: Callable[[], Ints]
    """Counts the events of each of the equal parts of these days."""
    durations: Durations | None


class Change(msgspec.Struct, frozen=True):
    """A figure against the same of the previous period."""

    delta: float | None
    """In the figure's unit; of a rate in percentage points."""
    relative: float | None
    """The difference as a share of the previous figure; None if there was none, or it was 0."""
    within_noise: bool


@dataclass(frozen=True, slots=True)
class Shape(Generic[F]):
    """The common base of metrics with the same structure."""

    struct: type[F]
    unit: Unit
    compare: Callable[[Sample[Any], Sample[Any]], Change]
    """How a headline differs from that of the previous period."""
    p_value: Callable[[Observed, Observed], float]
    """How likely chance alone makes a difference as large, of independent observations."""


def _frequency_change(now: Sample[Frequency], before: Sample[Frequency]) -> Change:
    ours, theirs = now.figures, before.figures
    within_noise = count_within_noise(ours.count, now.days, theirs.count, before.days)
    return _change(ours.per_day, theirs.per_day, within_noise=within_noise)


def _duration_change(now: Sample[Distribution], before: Sample[Distribution]) -> Change:
    assert now.durations is not None
    assert before.durations is not None
    within_noise = durations_within_noise(now.durations, before.durations)
    return _change(now.figures.p50, before.figures.p50, within_noise=within_noise)


def _rate_change(now: Sample[Rate], before: Sample[Rate]) -> Change:
    ours, theirs = now.figures, before.figures
    within_noise = rate_within_noise(ours.hits, ours.n, theirs.hits, theirs.n)
    return _change(ours.value, theirs.value, within_noise=within_noise, scale=100)


def _change(
    now: float | None, before: float | None, *, within_noise: bool, scale: float = 1
) -> Change:
    """The change from `before`; `scale` is that of the difference."""
    if now is None or before is None:
        return Change(None, None, within_noise=True)
    delta = now - before
    return Change(delta * scale, delta / before if before else None, within_noise)


def _frequency_p_value(now: Observed, before: Observed) -> float:
    """The larger one of two: if events come one by one, and if they come in bursts."""
    if now.days <= 0 or before.days <= 0:
        return 1.0
    share = now.days / (now.days + before.days)
    count, count_before = now.figures.count, before.figures.count
    exact = binomial_p_value(count, count + count_before, share)
    return max(exact, dispersed_count_p_value(now.parts(), before.parts(), share))


def _rate_p_value(now: Observed, before: Observed) -> float:
    ours, theirs = now.figures, before.figures
    if not ours.n or not theirs.n:
        return 1.0
    return fisher_p_value(ours.hits, ours.n, theirs.hits, theirs.n)


def _duration_p_value(now: Observed, before: Observed) -> float:
    assert now.durations is not None
    assert before.durations is not None
    if min(len(now.durations), len(before.durations)) < FEWEST_DURATIONS:
        return 1.0
    return mann_whitney_p_value(now.durations, before.durations)


FREQUENCY = Shape(Frequency, "per day", _frequency_change, _frequency_p_value)
RATE = Shape(Rate, "share", _rate_change, _rate_p_value)
RATE_WITH_PENDING = Shape(RateWithPending, "share", _rate_change, _rate_p_value)
DISTRIBUTION = Shape(Distribution, "seconds", _duration_change, _duration_p_value)
DISTRIBUTION_WITH_OPEN = Shape(DistributionWithOpen, "seconds", _duration_change, _duration_p_value)
DISTRIBUTION_WITH_STAGES = Shape(
    DistributionWithStages, "seconds", _duration_change, _duration_p_value
)
