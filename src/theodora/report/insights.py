"""What changed and what needs you, in sentences: for pages, the API and reports.

A sentence about a change is beyond chance although many services and metrics are compared at
once: of all changes that are found, at most `FALSE_DISCOVERIES` are to be false. See
docs/insights.md.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from theodora.dora.metrics.groups import value_named
from theodora.dora.metrics.report import GroupReport, Report
from theodora.dora.metrics.shapes import DistributionWithOpen, Frequency, Rate, Unit
from theodora.dora.metrics.significance import FEWEST_DURATIONS, largest_discovery
from theodora.dora.metrics.statistics import Distribution
from theodora.dora.metrics.table import (
    CHANGE_FAILURE_RATE,
    CHANGE_LEAD_TIME,
    DEPLOYMENT_FREQUENCY,
    DEPLOYMENT_REWORK_RATE,
    FAILED_DEPLOYMENT_RECOVERY_TIME,
    Metric,
)
from theodora.query import Exists, Query, complement
from theodora.query.fields import resolve
from theodora.query.operands import equals
from theodora.report import wording
from theodora.report.insight import Comparison, Insight, InsightFacts, group_words
from theodora.report.insight_needs import needs_of
from theodora.report.scope import Scope

MOST_CHANGES = 5
FALSE_DISCOVERIES = 0.05
"""The share of false ones among all changes that are found (Benjamini and Hochberg)."""
FEWEST_DEPLOYMENTS = 10
"""With fewer, of both periods together, their number is not compared."""
FEWEST_EVALUATED = 10
"""With fewer on a side, rates are not compared."""
LEAST_RATIO = 1.5
"""A smaller change of a frequency or a median is not worth a sentence."""
LEAST_SECONDS = 600.0
LEAST_POINTS = 0.03
"""A smaller difference of rates is not worth a sentence."""
MOST_UNFIXED = 0.2
"""With a larger share of failures without a fix, the recovery of the others is not compared."""


@dataclass(frozen=True, slots=True)
class Insights:
    """All sentences about a report."""

    changes: tuple[Insight, ...]
    """Beyond chance, the most important first; at most `MOST_CHANGES`."""
    needs: tuple[Insight, ...]
    """What needs attention, whatever chance does; one of a kind."""
    compared: int
    """How many metrics of groups were compared with the period before."""


class _Sides(NamedTuple):
    """A metric's figures in both periods, with the length of each."""

    now: Any
    before: Any
    days: float
    days_before: float


class _Effect(NamedTuple):
    """How changes of a unit are measured."""

    is_comparable: Callable[[_Sides], bool]
    """Whether there is enough to compare."""
    is_large: Callable[[_Sides], bool]
    """Whether a reader would care about the change."""
    size: Callable[[_Sides], float]
    """The logarithm of the ratio of now to before."""


def _frequencies_comparable(sides: _Sides) -> bool:
    count = sides.now.count + sides.before.count
    return count >= FEWEST_DEPLOYMENTS and min(sides.days, sides.days_before) > 0


def _frequency_size(sides: _Sides) -> float:
    ratio = (sides.now.count + 0.5) / (sides.before.count + 0.5)
    return math.log(ratio * sides.days_before / sides.days)


def _is_large_ratio(sides: _Sides) -> bool:
    return abs(_frequency_size(sides)) >= math.log(LEAST_RATIO)


def _durations_comparable(sides: _Sides) -> bool:
    return min(sides.now.n, sides.before.n) >= FEWEST_DURATIONS and not any(
        isinstance(side, DistributionWithOpen) and side.open > MOST_UNFIXED * (side.n + side.open)
        for side in sides[:2]
    )


def _duration_size(sides: _Sides) -> float:
    return math.log(max(sides.now.p50, 1.0) / max(sides.before.p50, 1.0))


def _is_large_duration(sides: _Sides) -> bool:
    is_long = abs(sides.now.p50 - sides.before.p50) >= LEAST_SECONDS
    return is_long and abs(_duration_size(sides)) >= math.log(LEAST_RATIO)


def _rates_comparable(sides: _Sides) -> bool:
    return min(sides.now.n, sides.before.n) >= FEWEST_EVALUATED


def _rate_size(sides: _Sides) -> float:
    now, before = ((side.hits + 0.5) / (side.n + 1) for side in sides[:2])
    return math.log(now / before)


def _is_large_difference(sides: _Sides) -> bool:
    return abs(sides.now.value - sides.before.value) >= LEAST_POINTS


_EFFECTS: Mapping[Unit, _Effect] = {
    "per day": _Effect(_frequencies_comparable, _is_large_ratio, _frequency_size),
    "seconds": _Effect(_durations_comparable, _is_large_duration, _duration_size),
    "share": _Effect(_rates_comparable, _is_large_difference, _rate_size),
}


def _frequency_words(now: Frequency, before: Frequency) -> str:
    if not now.count:
        return f"no deployments, {wording.number(before.count)} in the period before"
    count = wording.counted(now.count, "deployment")
    if not before.count:
        return f"{count}, none in the period before"
    part = wording.frequency_parts(now)
    assert part is not None, "a period that is yet to come is not compared"
    was = wording.decimal(wording.frequency_in(before, part.unit))
    return f"{count}, {part.figure}\u00a0{part.unit}, {was} before"


def _lead_time_words(now: Distribution, before: Distribution) -> str:
    return f"median lead time {wording.duration(now.p50)} of {_medians(now, before, 'commit')}"


def _recovery_words(now: Distribution, before: Distribution) -> str:
    return f"median recovery {wording.duration(now.p50)} of {_medians(now, before, 'failure')}"


def _medians(now: Distribution, before: Distribution, noun: str) -> str:
    return f"{wording.counted(now.n, noun)}, {wording.duration(before.p50)} before"


def _rate_words(verb: str) -> Callable[[Rate, Rate], str]:
    def words(now: Rate, before: Rate) -> str:
        share = f"{wording.percent(now.value)} of {wording.counted(now.n, 'deployment')}"
        return f"{share} {verb}, {wording.percent(before.value)} before"

    return words


CHANGES: Mapping[Metric[Any], Callable[[Any, Any], str]] = {
    CHANGE_FAILURE_RATE: _rate_words("failed"),
    DEPLOYMENT_REWORK_RATE: _rate_words("were rework"),
    FAILED_DEPLOYMENT_RECOVERY_TIME: _recovery_words,
    CHANGE_LEAD_TIME: _lead_time_words,
    DEPLOYMENT_FREQUENCY: _frequency_words,
}
"""The metrics that are compared, and the words for a change of each."""


class _Compared(NamedTuple):
    """A metric of a group, compared with the period before."""

    metric: Metric[Any]
    report: GroupReport
    group: str | None
    size: float
    """See `_Effect`."""
    p_value: float

    @property
    def weight(self) -> float:
        """Importance: the size of the effect times the deployments behind it."""
        now, before = self.report.total, self.report.previous
        return abs(self.size) * max(each[DEPLOYMENT_FREQUENCY].count for each in (now, before))

    def is_like(self, other: "_Compared") -> bool:
        """Whether both went up, or both down."""
        return (self.size > 0) == (other.size > 0)


def insights_of(report: Report, key: str, scope: Scope, facts: InsightFacts) -> Insights:
    """The sentences about a report that is grouped by `key`, `service` or `team`."""
    candidates = list(_candidates(report, scope, facts))
    p_values = [each.p_value for each in candidates if each.p_value < FALSE_DISCOVERIES]
    limit = largest_discovery(p_values, FALSE_DISCOVERIES, len(candidates))
    found = [each for each in candidates if each.p_value <= limit]
    told = sorted(_told(found, candidates), key=lambda each: -each.weight)
    return Insights(
        tuple(_change(each, key, scope) for each in told[:MOST_CHANGES]),
        tuple(needs_of(report, key, scope, facts)),
        len(candidates),
    )


def _candidates(report: Report, scope: Scope, facts: InsightFacts) -> Iterator[_Compared]:
    """Every comparison; the p-value of one that is too small to report is 1."""
    groups: list[tuple[str | None, GroupReport]] = [(each.group[0], each) for each in report.groups]
    # A single group is everything.
    if len(groups) > 1:
        groups.append((None, report.overall))
    days, days_before = scope.days, report.previous_period.days(scope.now_ns)
    # Deployments are no more numerous because the record begins in the period before.
    is_recorded = facts.begins_ns <= report.previous_period.start_ns
    metrics = [each for each in CHANGES if is_recorded or each is not DEPLOYMENT_FREQUENCY]
    for name, group in groups:
        for metric in metrics:
            sides = _Sides(group.total[metric], group.previous[metric], days, days_before)
            effect = _EFFECTS[metric.shape.unit]
            if effect.is_comparable(sides):
                p_value = _p_value(metric, group, effect.is_large(sides))
                yield _Compared(metric, group, name, effect.size(sides), p_value)


def _p_value(metric: Metric[Any], group: GroupReport, is_large: bool) -> float:
    """1 for what a card would call noise, so that both always agree."""
    if not is_large:
        return 1.0
    return 1.0 if group.change_of(metric).within_noise else group.p_value(metric)


def _told(found: Sequence[_Compared], compared: Sequence[_Compared]) -> Iterator[_Compared]:
    """A change that most groups share once, for everything; else that of each group."""
    failing = {(each.group, each.size > 0) for each in found if each.metric is CHANGE_FAILURE_RATE}
    for metric in CHANGES:
        of_metric = [each for each in found if each.metric is metric]
        groups = [each for each in of_metric if each.group is not None]
        compared_groups = sum(each.metric is metric and each.group is not None for each in compared)
        shared = [
            each
            for each in of_metric
            if each.group is None and _is_shared(each, groups, compared_groups)
        ]
        rest = [each for each in groups if not any(each.is_like(whole) for whole in shared)]
        for each in (*shared, *rest):
            # Most failures end with rework: both would be the same sentence twice.
            is_repeated = (each.group, each.size > 0) in failing
            if not (metric is DEPLOYMENT_REWORK_RATE and is_repeated):
                yield each


def _is_shared(whole: _Compared, groups: Sequence[_Compared], compared: int) -> bool:
    """Whether no group explains the change of everything, or more than half of them have it."""
    like = sum(map(whole.is_like, groups))
    return not like or (like > 1 and 2 * like > compared)


def _change(found: _Compared, key: str, scope: Scope) -> Insight:
    metric, now, before = found.metric, found.report.total, found.report.previous
    direction = "up" if found.size > 0 else "down"
    return Insight(
        metric.name,
        found.group,
        f"All {key}s" if found.group is None else group_words(found.group, key),
        CHANGES[metric](now[metric], before[metric]),
        scope.link("/", **_narrowed(found.group, key, scope)),
        "better" if direction == metric.better else "worse",
        Comparison(metric, now, before, found.p_value),
    )


def _narrowed(group: str | None, key: str, scope: Scope) -> Mapping[str, str]:
    """Parameters of the overview for only this group."""
    grouping = {} if key == "service" else {"group_by": key}
    return {"query": scope.query if group is None else scope.also(_clause(group, key)), **grouping}


def _clause(group: str, key: str) -> Query:
    field, value = resolve(key), value_named(group)
    return complement(Exists(field)) if value is None else equals(field, value)
