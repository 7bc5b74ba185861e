"""Cards of DORA's metrics, for the overview and the page of a service."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.report import BucketMetrics, GroupReport
from theodora.dora.metrics.shapes import Frequency
from theodora.dora.metrics.table import DEPLOYMENT_FREQUENCY, DORA_METRICS, METRICS, Metric
from theodora.report import wording
from theodora.report.charts import sparkline
from theodora.report.metric_words import CLAUSES, Described
from theodora.report.scope import Scope
from theodora.report.wording import Movement, Part


@dataclass(frozen=True, slots=True)
class Card:
    """One metric: its value, its parts and its change."""

    metric: Metric[Any]
    heading: str
    """DORA's heading that it is the first of; empty for the others."""
    parts: tuple[Part, ...]
    """None without a value; `of` gives the reason."""
    of: str
    of_link: str
    movement: Movement
    spark: Markup


def cards_of(
    report: GroupReport, course: Sequence[BucketMetrics], scope: Scope
) -> tuple[Card, ...]:
    """The cards in DORA's order: throughput, then instability; `course` is drawn in each."""
    return tuple(_cards(report, course, scope))


def _cards(report: GroupReport, course: Sequence[BucketMetrics], scope: Scope) -> Iterator[Card]:
    heading = None
    for metric in DORA_METRICS:
        is_first, heading = metric.family != heading, metric.family
        said = Described(metric, report.total)
        over = f" in {wording.days(scope.days)}" if metric.shape.unit == "per day" else ""
        query = scope.also(CLAUSES[metric]) if metric in CLAUSES else scope.query
        yield Card(
            metric,
            str(metric.family).capitalize() if is_first else "",
            said.parts,
            said.basis + over,
            scope.link("/deployments", query=query),
            wording.movement(metric, report.total, report.previous, report.change_of(metric)),
            _spark(metric, course),
        )


def others_of(total: Metrics) -> tuple[Described, ...]:
    """The metrics that are not DORA's."""
    return tuple(Described(each, total) for each in METRICS if each.family is None)


def deployments_spark(series: Sequence[BucketMetrics]) -> Markup:
    """The number of deployments in each interval."""
    return _spark(DEPLOYMENT_FREQUENCY, series)


def _spark(metric: Metric[Any], series: Sequence[BucketMetrics]) -> Markup:
    values = [plotted(each.metrics[metric]) for each in series]
    is_partial = bool(series) and series[-1].bucket.is_partial
    return sparkline(values, last_is_partial=is_partial)


def plotted(figures: Any) -> float | None:
    """The value of a sparkline or a column; an empty interval has 0 deployments."""
    return figures.count if isinstance(figures, Frequency) else figures.headline
