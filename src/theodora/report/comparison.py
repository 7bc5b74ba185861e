"""Small multiples: the course of each metric, group by group, on one scale."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from theodora.dora.metrics.report import GroupReport
from theodora.dora.metrics.shapes import Unit
from theodora.dora.metrics.table import DEPLOYMENT_FREQUENCY, DORA_METRICS, Metric
from theodora.report.cards import plotted
from theodora.report.charts import count_axis, duration_axis, rate_axis, sparkline
from theodora.report.charts.scales import Axis
from theodora.report.metric_words import Described

MOST_GROUPS = 10
_MOST_BARS = 260
"""Of one metric in all groups, so that a page stays short."""
_WITHIN_SCALE = 0.95
"""The share of values that a scale has room for; higher ones are cut off."""
_FEW = 20
"""With fewer values, a scale has room for all."""

_AXES: Mapping[Unit, Callable[[float], Axis]] = {
    "per day": count_axis,
    "seconds": duration_axis,
    "share": rate_axis,
}


class Course(NamedTuple):
    """A metric of a group, interval by interval."""

    said: Described
    spark: Markup


class ComparedGroup(NamedTuple):
    """A row of small multiples."""

    name: str
    courses: tuple[Course, ...]


class MetricScale(NamedTuple):
    """What all bars of a column are measured by."""

    metric: Metric[Any]
    top: str
    """The value of a bar as high as there is room."""


class SmallMultiples(NamedTuple):
    """Groups below each other, and the scale of each metric."""

    scales: tuple[MetricScale, ...]
    groups: tuple[ComparedGroup, ...]
    left_out: int
    """Groups with fewer deployments, which are not shown."""


def comparison_of(groups: Sequence[GroupReport]) -> SmallMultiples:
    """Those with most deployments first; a group without any in the period is not compared."""
    deployed = [each for each in groups if each.total[DEPLOYMENT_FREQUENCY].count]
    deployed.sort(key=lambda each: (-each.total[DEPLOYMENT_FREQUENCY].count, each.group))
    intervals = len(deployed[0].series) if deployed else 0
    shown = deployed[: min(MOST_GROUPS, _MOST_BARS // max(intervals, 1))]
    axes = {metric: _axis(metric, shown) for metric in DORA_METRICS}
    return SmallMultiples(
        tuple(MetricScale(metric, axis.labels[-1]) for metric, axis in axes.items()),
        tuple(ComparedGroup(each.group[0], _courses(each, axes)) for each in shown),
        len(deployed) - len(shown),
    )


def _axis(metric: Metric[Any], groups: Iterable[GroupReport]) -> Axis:
    values = sorted(
        value
        for group in groups
        for each in group.series
        if (value := plotted(each.metrics[metric])) is not None
    )
    highest = values[-1] if values else 0
    if len(values) >= _FEW:
        highest = values[math.ceil(_WITHIN_SCALE * len(values)) - 1] or highest
    return _AXES[metric.shape.unit](highest)


def _courses(group: GroupReport, axes: Mapping[Metric[Any], Axis]) -> tuple[Course, ...]:
    is_partial = bool(group.series) and group.series[-1].bucket.is_partial
    return tuple(
        Course(
            Described(metric, group.total),
            sparkline(
                [plotted(each.metrics[metric]) for each in group.series],
                last_is_partial=is_partial,
                highest=axis.top,
            ),
        )
        for metric, axis in axes.items()
    )
