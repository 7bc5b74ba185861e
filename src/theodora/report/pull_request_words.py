"""Words for the figures of pull requests."""

from theodora.dora.metrics.pull_requests import (
    PullRequestFigures,
    PullRequestGroup,
    PullRequestMetric,
)
from theodora.report import wording


def value_words(metric: PullRequestMetric, value: float | None) -> str:
    """A figure of a metric; a dash where there is none."""
    if value is None:
        return wording.DASH
    if metric.unit == "seconds":
        return wording.duration(value)
    return f"{value:,.1f}".removesuffix(".0").replace(",", "\u202f")


def change_words(metric: PullRequestMetric, group: PullRequestGroup) -> str:
    """The median against that of the period before, in words."""
    change = group.change[metric.name]
    if change.delta is None:
        return "nothing to compare"
    if change.within_noise:
        return "within noise"
    more, less = ("longer", "shorter") if metric.unit == "seconds" else ("more", "fewer")
    return f"{value_words(metric, abs(change.delta))} {more if change.delta > 0 else less}"


def throughput_words(figures: PullRequestFigures) -> str:
    """Requests deployed per author and day; empty where there is no figure."""
    value = figures.throughput.value
    return "" if value is None else f"{value:.2g}"
