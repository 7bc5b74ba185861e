"""Benchmarks for the five metrics: a dated survey's scores, or a dated table of levels."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from markupsafe import Markup

from theodora.dora.benchmarks.levels import LEVEL_TABLES, Edge, LevelTable, Measured
from theodora.dora.benchmarks.quick_check import scores_of
from theodora.dora.benchmarks.surveys import SURVEYS, Segment, Survey
from theodora.dora.metrics.table import DORA_METRICS, metric_named
from theodora.errors import Invalid, Problem
from theodora.report import wording
from theodora.report.charts import score_tiles

PARAMETER = "levels"


class Score(NamedTuple):
    """0 to 10, beside the mean of those asked."""

    value: float
    mean: float | None
    """None if the survey did not ask about it."""

    @property
    def tiles(self) -> Markup:
        return score_tiles(self.value, self.mean)


class Level(NamedTuple):
    """A level of a year's table, and where it begins."""

    name: str
    threshold: str


class BenchmarkChoice(NamedTuple):
    """A benchmark to compare with."""

    value: str
    """The value of the parameter; empty for the default."""
    label: str
    source: str


class ChosenBenchmark(NamedTuple):
    """The chosen benchmark and the figures' position in it."""

    value: str
    label: str
    source: str
    scores: Mapping[str, Score]
    """By metric; empty where levels were chosen."""
    levels: Mapping[str, Level]
    overall: Score | None


def choices() -> Iterator[BenchmarkChoice]:
    """The default first; each survey's `all` is listed once."""
    seen: set[tuple[int, str]] = set()
    for survey in SURVEYS:
        for key, segment in survey.segments.items():
            if (survey.year, segment.name) not in seen:
                seen.add((survey.year, segment.name))
                yield BenchmarkChoice(_value(survey, key), _label(survey, segment), survey.source)
    for table in LEVEL_TABLES:
        yield BenchmarkChoice(table.id, f"Levels of {table.year}", table.source)


def benchmark_of(measured: Measured, value: str) -> ChosenBenchmark:
    """`Invalid` for a value that no choice has."""
    for survey in SURVEYS:
        for key, segment in survey.segments.items():
            if _value(survey, key) == value:
                return _scored(measured, survey, segment, value)
    for table in LEVEL_TABLES:
        if table.id == value:
            levels = dict(_levels(table, measured))
            return ChosenBenchmark(value, f"Levels of {table.year}", table.source, {}, levels, None)
    detail = "must be one of those that the overview offers"
    raise Invalid(Problem(detail, parameter=PARAMETER))


def _value(survey: Survey, key: str) -> str:
    return "" if survey is SURVEYS[0] and key == "all" else f"{survey.id}:{key}"


def _label(survey: Survey, segment: Segment) -> str:
    name = "all industries" if segment.name == "All" else segment.name
    return f"DORA Quick Check {survey.year}, {name}"


def _scored(measured: Measured, survey: Survey, segment: Segment, value: str) -> ChosenBenchmark:
    scores = scores_of(measured)
    found: dict[str, Score] = {}
    for metric in DORA_METRICS:
        if (score := scores[metric]) is not None:
            found[metric.name] = Score(score, segment.mean(metric.name))
    overall = None if scores.overall is None else Score(scores.overall, segment.overall)
    return ChosenBenchmark(value, _label(survey, segment), survey.source, found, {}, overall)


def _levels(table: LevelTable, measured: Measured) -> Iterator[tuple[str, Level]]:
    for name, edges in table.edges.items():
        level = table.level(name, measured[name])
        if level is not None:
            edge = next((edge for edge in edges if edge.level == level), None)
            yield name, Level(level.capitalize(), _threshold(name, edge, edges[-1]))


def _threshold(name: str, edge: Edge | None, last: Edge) -> str:
    """`below 1 h`, `at least 1 a week`; of the worst level what it is beyond."""
    if edge is None:
        beyond = {"below": "from", "at most": "above", "at least": "below"}[last.meets]
        return f"{beyond} {_limit(name, last.limit)}"
    return f"{edge.meets} {_limit(name, edge.limit)}"


def _limit(name: str, limit: float) -> str:
    match metric_named(name).shape.unit:
        case "per day":
            every = 1 / limit
            return f"{limit:g} a day" if limit >= 1 else f"1 in {wording.number(every)} days"
        case "share":
            return wording.whole_percent(limit)
        case "seconds":
            return wording.duration(limit)
