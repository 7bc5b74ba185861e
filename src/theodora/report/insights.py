"""What changed and what needs you, in sentences: for pages, the API and reports.

A sentence about a change is beyond chance although many services and metrics are compared at
once: of all changes that are found, at most `FALSE_DISCOVERIES` are to be false. See
docs/insights.md.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from theodora.dora.metrics.calendar import Period
from theodora.dora.metrics.groups import value_named
from theodora.dora.metrics.metrics import Metrics
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
from theodora.events import Deployment, Failure
from theodora.events.values import DAY_NS, SECOND_NS
from theodora.query import Exists, Query, complement
from theodora.query.fields import resolve
from theodora.query.operands import equals
from theodora.report import wording
from theodora.report.deployment_sources import DeploymentSource
from theodora.report.links import deployment_path, failure_path
from theodora.report.metric_words import FAILED
from theodora.report.scope import Scope, service_path
from theodora.report.wording import Tone
from theodora.storage.derivation.undeployed import UndeployedCommits

MOST_CHANGES = 5
FALSE_DISCOVERIES = 0.05
"""The share of false ones among all changes that are found (Benjamini and Hochberg)."""
FEWEST_DEPLOYMENTS = 10
"""With fewer, of both periods together, their number is not compared."""
FEWEST_EVALUATED = 10
"""With fewer on a side, rates are not compared."""
LEAST_RATIO = 1.5
"""A smaller change of a frequency or a median is not worth a sentence."""
UNDEPLOYED_DAYS = 1
"""So long commits wait for a deployment before it is reported."""
LEAST_SECONDS = 600.0
LEAST_POINTS = 0.03
"""A smaller difference of rates is not worth a sentence."""
MOST_UNFIXED = 0.2
"""With a larger share of failures without a fix, the recovery of the others is not compared."""

OPEN = "_missing_:finished_at"
UNFIXED = f"{FAILED} _missing_:recovery_time_sec"
PENDING = "_missing_:change_failure"


class Comparison(NamedTuple):
    """The numbers of a sentence about a change."""

    metric: Metric[Any]
    now: Metrics
    before: Metrics
    p_value: float


@dataclass(frozen=True, slots=True)
class Insight:
    """A sentence, and the page that shows what it reports."""

    kind: str
    """The name of a metric, or of a row of `NEEDS`."""
    group: str | None
    """The name of the group that it is about; None for everything."""
    subject: str
    words: str
    link: str
    tone: Tone = ""
    comparison: Comparison | None = None

    @property
    def text(self) -> str:
        """The sentence in a line of text."""
        return f"{wording.plain(self.subject)}: {self.words}"


@dataclass(frozen=True, slots=True)
class Insights:
    """All sentences about a report."""

    changes: tuple[Insight, ...]
    """Beyond chance, the most important first; at most `MOST_CHANGES`."""
    needs: tuple[Insight, ...]
    """What needs attention, whatever chance does; one of a kind."""
    compared: int
    """How many metrics of groups were compared with the period before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InsightFacts:
    """What is known besides metrics."""

    open_failures: Sequence[Failure] = ()
    """The longest open first."""
    has_more_open: bool = False
    """Whether those are not all."""
    unfixed: Deployment | None = None
    """The oldest failed deployment of the period without a fix, if it is known."""
    not_derived: int = 0
    """Services and environments that could not be derived."""
    silent: Sequence[DeploymentSource] = ()
    """The longest silent first."""
    undeployed: Sequence[UndeployedCommits] = ()
    """Of production environments; the longest waiting first."""
    begins_ns: int = 0
    """When the oldest deployment of the organisation finished."""


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
        tuple(_needs(report, key, scope, facts)),
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
    return 1.0 if group.change[metric.name].within_noise else group.p_value(metric)


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
        f"All {key}s" if found.group is None else _group_words(found.group, key),
        CHANGES[metric](now[metric], before[metric]),
        scope.link("/", **_narrowed(found.group, key, scope)),
        "better" if direction == metric.better else "worse",
        Comparison(metric, now, before, found.p_value),
    )


def _group_words(name: str, key: str) -> str:
    if value_named(name) is None:
        return f"No {key}"
    return name if key == "service" else f"Team {name}"


def _narrowed(group: str | None, key: str, scope: Scope) -> Mapping[str, str]:
    """Parameters of the overview for only this group."""
    grouping = {} if key == "service" else {"group_by": key}
    return {"query": scope.query if group is None else scope.also(_clause(group, key)), **grouping}


def _clause(group: str, key: str) -> Query:
    field, value = resolve(key), value_named(group)
    return complement(Exists(field)) if value is None else equals(field, value)


def _open_failures(_: Report, key: str, scope: Scope, facts: InsightFacts) -> Iterator[Insight]:
    if not facts.open_failures:
        return
    oldest = facts.open_failures[0]
    age = wording.duration((scope.now_ns - oldest.started_at_ns) / SECOND_NS)
    count = len(facts.open_failures)
    if count == 1:
        link, subject, words = failure_path(oldest.id), _failure_name(oldest), f"open for {age}"
        yield Insight("open_failures", None, subject, words, scope.href(link), "worse")
        return
    since = Period(oldest.started_at_ns, scope.now_ns)
    link = scope.link("/failures", query=scope.also(OPEN), **scope.within(since))
    counted = f"more than {count}" if facts.has_more_open else wording.number(count)
    words = f"{counted} are open, the oldest for {age}: {wording.plain(_failure_name(oldest))}"
    yield Insight("open_failures", None, "Failures", words, link, "worse")


def _failure_name(failure: Failure) -> str:
    return failure.name or ", ".join(failure.services) or failure.id


def _unfixed(report: Report, key: str, scope: Scope, facts: InsightFacts) -> Iterator[Insight]:
    count = report.overall.total[FAILED_DEPLOYMENT_RECOVERY_TIME].open
    if not count:
        return
    age = oldest = ""
    if facts.unfixed is not None:
        event = facts.unfixed
        age = wording.duration((scope.now_ns - event.finished_at_ns) / SECOND_NS)
        oldest = wording.plain(f"{event.service} {event.version or ''}".strip())
    link = scope.link("/deployments", query=scope.also(UNFIXED))
    if count == 1 and facts.unfixed is not None:
        link = scope.href(deployment_path(facts.unfixed))
        yield Insight(
            "unfixed", None, oldest, f"failed {age} ago, without a fix yet", link, "worse"
        )
        return
    which = f", the oldest for {age}: {oldest}" if age else _most(report, key, _open_of)
    words = f"{wording.number(count)} have no fix yet{which}"
    yield Insight("unfixed", None, "Failed deployments", words, link, "worse")


def _not_derived(_: Report, key: str, scope: Scope, facts: InsightFacts) -> Iterator[Insight]:
    if facts.not_derived:
        noun = "service and environment", "services and environments"
        words = f"failed for {wording.counted(facts.not_derived, *noun)}"
        link = scope.link("/data-health", check="derivation")
        yield Insight("not_derived", None, "Derivation", words, link, "worse")


def _silent(_: Report, key: str, scope: Scope, facts: InsightFacts) -> Iterator[Insight]:
    if not facts.silent:
        return
    first, *others = facts.silent
    since = wording.duration((scope.now_ns - first.last_ns) / SECOND_NS)
    words = f"no deployment for {since}, usually one every {wording.duration(first.gap_sec)}"
    if others:
        words += f"; {wording.number(len(others))} other{'s' if others[1:] else ''} silent too"
    link = scope.link("/data-health", check="sources")
    yield Insight("silent_sources", None, f"Source {first.name}", words, link)


def _undeployed(_: Report, key: str, scope: Scope, facts: InsightFacts) -> Iterator[Insight]:
    least_ns = scope.now_ns - UNDEPLOYED_DAYS * DAY_NS
    waiting = [each for each in facts.undeployed if each.since_ns <= least_ns]
    if not waiting:
        return
    first, *others = waiting
    words = undeployed_words(first, scope.now_ns)
    if count := len({each.service for each in others} - {first.service}):
        words += f"; {wording.counted(count, 'other service')} with older than a day"
    link = scope.link(service_path(first.service), query=None)
    yield Insight("undeployed", None, first.service, words, link)


def undeployed_words(found: UndeployedCommits, now_ns: int) -> str:
    """`14 commits merged but not deployed, the oldest for 3 d`."""
    age = wording.duration(max(0, now_ns - found.since_ns) / SECOND_NS)
    oldest = f"the oldest for {age}" if found.commits > 1 else f"for {age}"
    return f"{wording.counted(found.commits, 'commit')} merged but not deployed, {oldest}"


def _pending(report: Report, key: str, scope: Scope, facts: InsightFacts) -> Iterator[Insight]:
    count = report.overall.total[CHANGE_FAILURE_RATE].pending
    if count:
        words = f"{wording.counted(count, 'deployment')} pending{_most(report, key, _pending_of)}"
        link = scope.link("/deployments", query=scope.also(PENDING))
        yield Insight("pending", None, "Verdicts", words, link)


def _open_of(total: Metrics) -> int:
    return total[FAILED_DEPLOYMENT_RECOVERY_TIME].open


def _pending_of(total: Metrics) -> int:
    return total[CHANGE_FAILURE_RATE].pending


def _most(report: Report, key: str, count: Callable[[Metrics], int]) -> str:
    """The group with most of them, if there are several groups: `, 8 of search`."""
    counts = [(count(each.total), each.group[0]) for each in report.groups]
    if len(counts) < 2:
        return ""
    most, name = max(counts, key=lambda each: each[0])
    are_all = most == sum(each for each, _ in counts)
    some = "" if are_all else f"{wording.number(most)} "
    return f", {some}of {wording.plain(_group_words(name, key))}"


NEEDS: Mapping[str, Callable[[Report, str, Scope, InsightFacts], Iterator[Insight]]] = {
    "open_failures": _open_failures,
    "unfixed": _unfixed,
    "not_derived": _not_derived,
    "silent_sources": _silent,
    "undeployed": _undeployed,
    "pending": _pending,
}
"""The kinds of what needs attention, the most urgent first, and how each is found."""


def _needs(report: Report, key: str, scope: Scope, facts: InsightFacts) -> Iterator[Insight]:
    for find in NEEDS.values():
        yield from find(report, key, scope, facts)
