"""Scales of axes: round values for grid lines, and positions of values."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from theodora.report import wording

_MOST_STEPS = 4
_MINUTE, _HOUR, _DAY = wording.MINUTE_SEC, wording.HOUR_SEC, wording.DAY_SEC

_SPANS = (
    *(1, 2, 5, 10, 15),
    *(each * _MINUTE for each in (1, 2, 5, 10, 15, 30)),
    *(each * _HOUR for each in (1, 2, 3, 6, 12)),
    *(each * _DAY for each in (1, 2, 5, 7, 10, 14, 30)),
)
_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25)


@dataclass(frozen=True, slots=True)
class Axis:
    """Round values from 0 up, evenly spaced, and what is written beside each."""

    values: Sequence[float]
    labels: Sequence[str]

    @property
    def top(self) -> float:
        return self.values[-1]


def count_axis(highest: float) -> Axis:
    return _axis(highest, _decimal_step(highest, least=1), wording.number)


def duration_axis(highest: float) -> Axis:
    """Seconds, in steps that are round as times are."""
    step = next((each for each in _SPANS if highest <= each * _MOST_STEPS), 0)
    return _axis(highest, step or _decimal_step(highest / _DAY, least=1) * _DAY, _span)


def rate_axis(highest: float) -> Axis:
    """Shares of 1; never above it."""
    step = next((each for each in _SHARES if highest <= each * _MOST_STEPS), 0.25)
    return _axis(
        min(highest, 1), step, lambda share: wording.whole_percent(share) if share else "0"
    )


def log_place(value: float, low: float, high: float) -> float:
    """The position from 0 to 1 of a value between two others, by its logarithm; clipped outside."""
    if value <= low:
        return 0.0
    return min(1.0, math.log(value / low) / math.log(high / low))


def _span(seconds: float) -> str:
    return wording.duration(seconds) if seconds else "0"


def _axis(highest: float, step: float, say: Callable[[float], str]) -> Axis:
    # A hair less, so that 0.3 / 0.1 makes three steps.
    steps = max(1, math.ceil(highest / step - 1e-9))
    values = [index * step for index in range(steps + 1)]
    return Axis(values, [say(value) for value in values])


def _decimal_step(highest: float, least: float) -> float:
    """1, 2 or 5 times a power of ten, at least `least`, that makes few steps up to `highest`."""
    wanted = max(highest / _MOST_STEPS, least)
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted * (1 - 1e-9))
