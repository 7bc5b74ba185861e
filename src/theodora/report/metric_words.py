"""Wording of metrics: the value, what it is of, and the searches behind it.

What follows from a metric's row or shape is derived; the tables here hold only what does not.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.shapes import (
    DistributionWithOpen,
    Frequency,
    Rate,
    RateWithPending,
    Unit,
)
from theodora.dora.metrics.statistics import Distribution
from theodora.dora.metrics.table import (
    CHANGE_FAILURE_RATE,
    CHANGE_LEAD_TIME,
    DEPLOYMENT_REWORK_RATE,
    FAILED_DEPLOYMENT_RECOVERY_TIME,
    Metric,
)
from theodora.report import wording
from theodora.report.wording import DASH, NARROW, Part

FAILED = "change_failure:true"
REWORK = "(deployment_type:(rollback OR rollforward) OR rework:true)"
WITH_COMMITS = "change_lead_time:*"

CLAUSES: Mapping[Metric[Any], str] = {
    CHANGE_LEAD_TIME: WITH_COMMITS,
    FAILED_DEPLOYMENT_RECOVERY_TIME: FAILED,
    CHANGE_FAILURE_RATE: FAILED,
    DEPLOYMENT_REWORK_RATE: REWORK,
}
"""The deployments that a metric is about, if not all."""

_NOTHING: Mapping[Metric[Any], str] = {CHANGE_LEAD_TIME: "no lead times in this period"}
_NONE_ENDED: Mapping[Metric[Any], str] = {FAILED_DEPLOYMENT_RECOVERY_TIME: "none fixed"}


class Described(NamedTuple):
    """A metric of a set of events, in words."""

    metric: Metric[Any]
    metrics: Metrics

    @property
    def figures(self) -> Frequency | Rate | Distribution:
        return self.metrics[self.metric]

    @property
    def unit(self) -> Unit:
        return self.metric.shape.unit

    @property
    def page(self) -> str:
        """The path of the list of its events."""
        return "/failures" if self.metric.noun == "incident" else "/deployments"

    @property
    def has_tail(self) -> bool:
        """Whether its 90th percentile is worth showing beside the median."""
        return "p90" in self.metric.brief

    @property
    def nothing(self) -> str:
        """The words in place of a value that is computed from nothing."""
        return nothing_of(self.metric)

    @property
    def open(self) -> int:
        """Durations that have not ended; none where all have."""
        figures = self.figures
        return figures.open if isinstance(figures, DistributionWithOpen) else 0

    @property
    def parts(self) -> tuple[Part, ...]:
        """The headline; none where there is no value."""
        match self.figures:
            case Frequency() as frequency:
                part = wording.frequency_parts(frequency)
                return (part,) if part else ()
            case Rate(value=float() as value):
                return (Part(*wording.percent(value).split(NARROW)),)
            case Distribution(p50=float() as median):
                return wording.duration_parts(median)
            case _:
                return ()

    @property
    def words(self) -> str:
        """The headline in a line."""
        match self.figures:
            case Frequency() as frequency:
                return wording.frequency(frequency, DASH)
            case Rate() as rate:
                return wording.percent(rate.value, DASH)
            case Distribution() as distribution:
                return wording.duration(distribution.p50, DASH)

    @property
    def basis(self) -> str:
        """The basis of the headline: `39 of 658 evaluated`, `median of 12 commits`."""
        match self.figures:
            case Frequency() as frequency:
                return wording.counted(frequency.count, self.metric.noun)
            case Rate() as rate:
                return self._of_rate(rate)
            case Distribution() as distribution:
                return self._of_durations(distribution)

    def _of_rate(self, rate: Rate) -> str:
        if not rate.n:
            pending = self.metrics[CHANGE_FAILURE_RATE].pending
            return f"{wording.number(pending)} pending" if pending else self.nothing
        pending = rate.pending if isinstance(rate, RateWithPending) else 0
        more = f", {wording.number(pending)} pending" if pending else ""
        return f"{wording.of_all(rate.hits, rate.n)} evaluated{more}"

    def _of_durations(self, distribution: Distribution) -> str:
        if not distribution.n and not self.open:
            return self.nothing
        if distribution.n:
            median = f"median of {wording.counted(distribution.n, self.metric.noun)}"
        else:
            median = _NONE_ENDED.get(self.metric, "none ended")
        return median + (f", {wording.number(self.open)} still open" if self.open else "")


def nothing_of(metric: Metric[Any]) -> str:
    return _NOTHING.get(metric, f"no {metric.noun}s")


def figure_words(metric: Metric[Any], metrics: Metrics, figure: str) -> str:
    """One figure in a dense table."""
    value: float | None = metric.read(metrics[metric], figure)
    if isinstance(value, int):
        return wording.number(value)
    return _BY_UNIT[metric.shape.unit](value, DASH)


_BY_UNIT: Mapping[Unit, Callable[[float | None, str], str]] = {
    "per day": wording.decimal,
    "seconds": wording.duration,
    "share": wording.percent,
}


def column_title(metric: Metric[Any], figure: str) -> str:
    """`Lead time p50`, for the column `lead_time_p50_sec`."""
    return metric.columns[figure].removesuffix("_sec").replace("_", " ").capitalize()
