"""Words for the figures of pull requests."""

from theodora.dora.metrics.pull_requests import (
    PULL_REQUEST_METRICS,
    PullRequestFigures,
    PullRequestGroup,
    PullRequestMetric,
)
from theodora.dora.metrics.statistics import Distribution
from theodora.report import wording

SHOWN = ("p50", "mean", "p75", "p90", "p95")
"""The figures of a distribution in tables."""


def _value_words(metric: PullRequestMetric, value: float | None) -> str:
    """A figure of a metric; a dash where there is none."""
    if value is None:
        return wording.DASH
    if metric.unit == "seconds":
        return wording.duration(value)
    return f"{value:,.1f}".removesuffix(".0").replace(",", "\u202f")


def distribution_words(metric: PullRequestMetric, found: Distribution) -> tuple[str, ...]:
    """The figures of `SHOWN`, in this order."""
    return tuple(_value_words(metric, getattr(found, name)) for name in SHOWN)


def median_words(figures: PullRequestFigures) -> tuple[str, ...]:
    """The median of each metric."""
    return tuple(
        _value_words(metric, figures.distributions[metric.name].p50)
        for metric in PULL_REQUEST_METRICS
    )


def change_words(metric: PullRequestMetric, group: PullRequestGroup) -> str:
    """The median against that of the period before, in words."""
    change = group.change[metric.name]
    if change.delta is None:
        return "nothing to compare"
    if change.within_noise:
        return "within noise"
    more, less = ("longer", "shorter") if metric.unit == "seconds" else ("more", "fewer")
    return f"{_value_words(metric, abs(change.delta))} {more if change.delta > 0 else less}"


def throughput_words(figures: PullRequestFigures) -> str:
    """Requests deployed per author and day; empty where there is no figure."""
    value = figures.throughput.value
    return "" if value is None else f"{value:.2g}"
