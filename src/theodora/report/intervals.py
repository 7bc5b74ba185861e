"""A table of metrics by interval, with the numbers of the charts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from theodora.dora.metrics.calendar import Interval
from theodora.dora.metrics.report import BucketMetrics
from theodora.dora.metrics.table import IN_DORAS_ORDER, Metric
from theodora.report.metric_words import column_title, figure_words
from theodora.report.scope import Scope

_ADVERBS: Mapping[Interval, str] = {
    "day": "Day by day",
    "week": "Week by week",
    "month": "Month by month",
    "quarter": "Quarter by quarter",
    "total": "In all",
}

_FIGURES = tuple((metric, figure) for metric in IN_DORAS_ORDER for figure in metric.brief)

_COLUMNS = tuple(column_title(*each) for each in _FIGURES)


class IntervalRow(NamedTuple):
    """One interval, with a cell for each column of the table."""

    name: str
    link: str
    cells: tuple[str, ...]


def interval_values(series: Sequence[BucketMetrics], scope: Scope) -> Mapping[str, Any]:
    """The values for a template that shows the table."""
    return {
        "interval_columns": _COLUMNS,
        "intervals": tuple(_rows(series, scope)),
        "adverb": _ADVERBS[scope.interval],
    }


def _rows(series: Sequence[BucketMetrics], scope: Scope) -> Iterator[IntervalRow]:
    for each in series:
        yield IntervalRow(
            scope.clock.bucket(each.bucket, scope.interval),
            scope.link("/deployments", query=scope.query, **scope.within(each.bucket.covered)),
            tuple(figure_words(metric, each.metrics, figure) for metric, figure in _FIGURES),
        )


def columns_of(metric: Metric[Any]) -> tuple[int, ...]:
    """The columns that show a metric, by their places; its headline before what it is of."""
    places = [place for place, (each, _) in enumerate(_FIGURES) if each is metric]
    return tuple(sorted(places, key=lambda place: _FIGURES[place][1] != "value"))
