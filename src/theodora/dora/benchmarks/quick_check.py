"""Scores of 0 to 10 as the DORA Quick Check gives them (dora.dev/quickcheck).

The survey asks people to choose a band. The numeric edges that place a measured value in a
band are ours and are shown with the score.
"""

from collections.abc import Callable, Iterator, Mapping
from statistics import fmean
from typing import Any

import msgspec

from theodora.dora.benchmarks.levels import DAY, HOUR, MONTH, ON_DEMAND_PER_DAY, WEEK, Measured
from theodora.dora.metrics.metrics import with_fields
from theodora.dora.metrics.shapes import Unit
from theodora.dora.metrics.table import DORA_METRICS, Family, Metric

_BANDS = 6

DURATION_EDGES = (HOUR, DAY, WEEK, MONTH, 6 * MONTH)
"""Seconds: below the first is band 6, below the second band 5, and so on down to band 1."""

PER_DAY_EDGES = (ON_DEMAND_PER_DAY, 1, DAY / WEEK, DAY / MONTH, DAY / (6 * MONTH))
"""Deployments a day: at least the first is band 6, and so on."""


@with_fields({each.name: float | None for each in DORA_METRICS})
class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """Quick Check scores of 0 to 10, 10 being best; None where a figure is missing."""

    throughput: float | None
    stability: float | None
    overall: float | None
    """The mean of all metrics'."""

    def __getitem__(self, metric: Metric[Any]) -> float | None:
        score: float | None = getattr(self, metric.name)
        return score


def scores_of(measured: Measured) -> Scores:
    """A band b of 1 to 6 gives (b - 1) / 5 of 10 points, a rate r gives 10 - 10 r."""
    scores = {each: _score(each, measured.get(each.name)) for each in DORA_METRICS}
    return Scores(
        *scores.values(),
        throughput=mean_of_all(*_of_family("throughput", scores)),
        stability=mean_of_all(*_of_family("instability", scores)),
        overall=mean_of_all(*scores.values()),
    )


def _score(metric: Metric[Any], value: float | None) -> float | None:
    return None if value is None else _BY_UNIT[metric.shape.unit](value)


def _of_family(
    family: Family, scores: Mapping[Metric[Any], float | None]
) -> Iterator[float | None]:
    return (score for metric, score in scores.items() if metric.family == family)


def _duration_score(seconds: float) -> float:
    return _band_score(_BANDS - sum(seconds >= edge for edge in DURATION_EDGES))


def _frequency_score(per_day: float) -> float:
    return _band_score(_BANDS - sum(per_day < edge for edge in PER_DAY_EDGES))


def _band_score(band: int) -> float:
    return (band - 1) / (_BANDS - 1) * 10


def _rate_score(rate: float) -> float:
    return 10 - 10 * rate


_BY_UNIT: Mapping[Unit, Callable[[float], float]] = {
    "seconds": _duration_score,
    "per day": _frequency_score,
    "share": _rate_score,
}


def mean_of_all(*parts: float | None) -> float | None:
    """None if one is missing."""
    known = [part for part in parts if part is not None]
    return fmean(known) if len(known) == len(parts) else None
