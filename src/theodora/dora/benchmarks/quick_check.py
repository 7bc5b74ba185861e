"""Scores of 0 to 10 as the DORA Quick Check gives them (dora.dev/quickcheck).

The survey asks people to choose a band. The numeric edges that place a measured value in a
band are ours and are shown with the score.
"""

from statistics import fmean

import msgspec

from theodora.dora.benchmarks.levels import DAY, HOUR, MONTH, ON_DEMAND_PER_DAY, WEEK, Measured

_BANDS = 6

DURATION_EDGES = (HOUR, DAY, WEEK, MONTH, 6 * MONTH)
"""Seconds: below the first is band 6, below the second band 5, and so on down to band 1."""

PER_DAY_EDGES = (ON_DEMAND_PER_DAY, 1, DAY / WEEK, DAY / MONTH, DAY / (6 * MONTH))
"""Deployments a day: at least the first is band 6, and so on."""


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """0 to 10 each, None where a figure is missing."""

    change_lead_time: float | None
    deployment_frequency: float | None
    failed_deployment_recovery_time: float | None
    change_failure_rate: float | None
    deployment_rework_rate: float | None

    @property
    def throughput(self) -> float | None:
        return mean_of_all(
            self.change_lead_time, self.deployment_frequency, self.failed_deployment_recovery_time
        )

    @property
    def stability(self) -> float | None:
        return mean_of_all(self.change_failure_rate, self.deployment_rework_rate)

    @property
    def overall(self) -> float | None:
        """The mean of the five."""
        return mean_of_all(*msgspec.structs.astuple(self))


def scores_of(measured: Measured) -> Scores:
    """A band b of 1 to 6 gives (b - 1) / 5 of 10 points, a rate r gives 10 - 10 r."""
    return Scores(
        change_lead_time=_duration_score(measured.change_lead_time),
        deployment_frequency=_frequency_score(measured.deployment_frequency),
        failed_deployment_recovery_time=_duration_score(measured.failed_deployment_recovery_time),
        change_failure_rate=_rate_score(measured.change_failure_rate),
        deployment_rework_rate=_rate_score(measured.deployment_rework_rate),
    )


def _duration_score(seconds: float | None) -> float | None:
    if seconds is None:
        return None
    return _band_score(_BANDS - sum(seconds >= edge for edge in DURATION_EDGES))


def _frequency_score(per_day: float | None) -> float | None:
    if per_day is None:
        return None
    return _band_score(_BANDS - sum(per_day < edge for edge in PER_DAY_EDGES))


def _band_score(band: int) -> float:
    return (band - 1) / (_BANDS - 1) * 10


def _rate_score(rate: float | None) -> float | None:
    return None if rate is None else 10 - 10 * rate


def mean_of_all(*parts: float | None) -> float | None:
    """None if one is missing."""
    known = [part for part in parts if part is not None]
    return fmean(known) if len(known) == len(parts) else None
