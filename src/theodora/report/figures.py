"""Charts of metrics by interval, each with a summary sentence."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from theodora.dora.derivation.stages import Stage
from theodora.dora.metrics.report import GroupReport
from theodora.dora.metrics.shapes import Rate
from theodora.dora.metrics.table import (
    CHANGE_FAILURE_RATE,
    CHANGE_LEAD_TIME,
    DEPLOYMENT_FREQUENCY,
    DEPLOYMENT_REWORK_RATE,
    FAILED_DEPLOYMENT_RECOVERY_TIME,
    IN_DORAS_ORDER,
    Metric,
)
from theodora.events import Deployment
from theodora.query import all_of, any_of, parse
from theodora.report import wording
from theodora.report.charts import (
    STAGE_NAMES,
    Flag,
    GoalLine,
    RateCourse,
    Recovery,
    deployments_chart,
    duration_chart,
    flags_drawn,
    rate_chart,
    recovery_chart,
    slots_of,
    stages_chart,
)
from theodora.report.goals import goal_words
from theodora.report.intervals import columns_of
from theodora.report.links import deployment_path
from theodora.report.metric_words import CLAUSES, FAILED
from theodora.report.scope import Scope
from theodora.storage import Organisation, Store
from theodora.storage.metrics.counts import PeriodCounts

MOST_FAILURES = 300


class CaptionedChart(NamedTuple):
    """A chart, its name, one sentence, and what its marks mean."""

    title: str
    about: str
    chart: Markup
    legend: tuple[tuple[str, str], ...]
    """The class of a mark, and its word."""

    @property
    def is_drawn(self) -> bool:
        """Whether there is anything to draw, not just a sentence."""
        return self.chart.startswith("<svg")


_COUNTS = (("b-ok", "not failed"), ("b-fail", "failed"), ("b-pend", "pending"), ("part", "partial"))
_INTERVAL = (("iv", "95 % interval"), ("avg", "period"))
_RATES = (("mk-1", "failed"), ("mk-2", "rework"), *_INTERVAL)
_PERCENTILES = (("l-1", "p50"), ("l-2", "p90"))
_RECOVERIES = (("rd", "rollback"), ("rf", "rollforward"), ("un", "open"), ("avg", "median"))

_ABOUT: Mapping[Metric[Any], str] = {
    CHANGE_LEAD_TIME: "from commit to running",
}
"""What a chart shows, where that is shorter than the metric's definition."""


def figures_of(
    report: GroupReport,
    scope: Scope,
    failed: Sequence[Deployment],
    flags: Sequence[Flag],
    goals: Mapping[str, float],
) -> Iterator[CaptionedChart]:
    """`failed` are the deployments of the period that failed, `flags` its annotations.

    `goals` are by the names of metrics, as `goals_for` returns them.
    """
    buckets = [each.bucket for each in report.series]
    lines = _Goals(goals, buckets[0].period.days() if buckets else 1)
    drawn = flags_drawn(flags, buckets)
    for metric in IN_DORAS_ORDER:
        if metric is DEPLOYMENT_FREQUENCY:
            yield _deployments(report, scope, drawn, lines)
        elif metric is FAILED_DEPLOYMENT_RECOVERY_TIME:
            yield _recoveries(report, scope, failed, drawn, lines)
        elif metric is CHANGE_FAILURE_RATE:
            yield _failures_and_rework(report, scope, drawn, lines)
        elif metric.brief and metric is not DEPLOYMENT_REWORK_RATE:
            yield _figure(metric, report, scope, drawn, lines)
        if metric is CHANGE_LEAD_TIME and any(each.seconds for each in report.stage_means):
            yield _stages(report, scope, drawn)


class _Goals(NamedTuple):
    """The goals of a page's charts."""

    values: Mapping[str, float]
    """By the names of metrics."""
    interval_days: float

    def line(self, metric: Metric[Any]) -> GoalLine | None:
        """In the unit of the metric's axis: deployments are counted an interval."""
        value = self.values.get(metric.name)
        if value is None:
            return None
        scale = self.interval_days if metric is DEPLOYMENT_FREQUENCY else 1
        return GoalLine(value * scale, goal_words(metric, value))

    def said(self, *metrics: Metric[Any]) -> str:
        """For the sentence above a chart, which is read where the drawing is not."""
        given = (self.line(metric) for metric in metrics)
        return "".join(f"; goal {each.words}" for each in given if each)


def _figure(
    metric: Metric[Any], report: GroupReport, scope: Scope, flags: str, goals: _Goals
) -> CaptionedChart:
    """Drawn as all of its shape are."""
    about = _ABOUT.get(metric, metric.about)
    clauses = (CLAUSES[metric],) if metric in CLAUSES else ()
    slots = slots_of([each.bucket for each in report.series], scope, *clauses)
    cells = columns_of(metric)
    total = report.total[metric]
    if isinstance(total, Rate):
        rates = [each.metrics[metric] for each in report.series]
        share = f"{wording.of_all(total.hits, total.n)} = {wording.percent(total.value)}; "
        course = RateCourse(metric.title, rates, total, goals.line(metric))
        chart = rate_chart([course], slots, cells, flags)
        said = (share if total.n else "") + about + goals.said(metric)
        return CaptionedChart(metric.title, said, chart, _INTERVAL)
    median = f"median {wording.duration(total.p50)}, p90 {wording.duration(total.p90)}, "
    chart = duration_chart(metric, report.series, slots, cells, flags, goals.line(metric))
    said = (median if total.n else "") + about + goals.said(metric)
    return CaptionedChart(metric.title, said, chart, _PERCENTILES)


def _stages(report: GroupReport, scope: Scope, flags: str) -> CaptionedChart:
    whole_sec = Counter[Stage]()
    for each in report.stage_means:
        whole_sec.update({stage: each.n * mean for stage, mean in each.seconds.items()})
    [(longest, longest_sec)] = whole_sec.most_common(1)
    share = wording.whole_percent(longest_sec / whole_sec.total())
    slots = slots_of([each.bucket for each in report.series], scope)
    return CaptionedChart(
        "Lead time by stage",
        f"mean of each stage; {share} of all time is {STAGE_NAMES[longest].name.lower()}",
        stages_chart(report.stage_means, slots, columns_of(CHANGE_LEAD_TIME), flags),
        tuple((s.class_, s.name.lower()) for stage, s in STAGE_NAMES.items() if whole_sec[stage]),
    )


def _failures_and_rework(
    report: GroupReport, scope: Scope, flags: str, goals: _Goals
) -> CaptionedChart:
    """Most failures end with rework, so that two charts would be the same picture."""
    metrics: Mapping[Metric[Any], str] = {
        CHANGE_FAILURE_RATE: "failed",
        DEPLOYMENT_REWORK_RATE: "rework",
    }
    courses = [
        RateCourse(
            name,
            [each.metrics[metric] for each in report.series],
            report.total[metric],
            _named(goals.line(metric), name),
        )
        for metric, name in metrics.items()
    ]
    either = any_of([parse(CLAUSES[metric]) for metric in metrics])
    slots = slots_of([each.bucket for each in report.series], scope, either)
    cells = [cell for metric in metrics for cell in columns_of(metric)]
    shares = (
        f"{name} {wording.of_all(course.overall.hits, course.overall.n)}"
        f" = {wording.percent(course.overall.value)}"
        for name, course in zip(metrics.values(), courses, strict=True)
        if course.overall.n
    )
    return CaptionedChart(
        "Failures and rework",
        (", ".join(shares) or "failed and rework, of evaluated") + goals.said(*metrics),
        rate_chart(courses, slots, cells, flags),
        _RATES,
    )


def _named(goal: GoalLine | None, name: str) -> GoalLine | None:
    """The goal of one of two rates."""
    return goal and goal._replace(words=f"{goal.words} {name}")


def _deployments(report: GroupReport, scope: Scope, flags: str, goals: _Goals) -> CaptionedChart:
    count, rate = report.total[DEPLOYMENT_FREQUENCY].count, report.total[CHANGE_FAILURE_RATE]
    cells = (*columns_of(DEPLOYMENT_FREQUENCY), columns_of(CHANGE_FAILURE_RATE)[1])
    slots = slots_of([each.bucket for each in report.series], scope)
    return CaptionedChart(
        DEPLOYMENT_FREQUENCY.short,
        f"{wording.number(count)} in all, {wording.number(rate.hits)} failed"
        + (f", {wording.number(rate.pending)} pending" if rate.pending else "")
        + goals.said(DEPLOYMENT_FREQUENCY),
        deployments_chart(report.series, slots, cells, flags, goals.line(DEPLOYMENT_FREQUENCY)),
        _COUNTS,
    )


def _recoveries(
    report: GroupReport, scope: Scope, failed: Sequence[Deployment], flags: str, goals: _Goals
) -> CaptionedChart:
    recovery = report.total[FAILED_DEPLOYMENT_RECOVERY_TIME]
    buckets = [each.bucket for each in report.series]
    return CaptionedChart(
        FAILED_DEPLOYMENT_RECOVERY_TIME.title,
        "one mark a failure, log scale"
        + (f"; median {wording.duration(recovery.p50)}" if recovery.n else "")
        + (f", {wording.number(recovery.open)} open" if recovery.open else "")
        + goals.said(FAILED_DEPLOYMENT_RECOVERY_TIME),
        recovery_chart(
            [_recovery(each, scope) for each in failed],
            buckets,
            recovery.p50,
            slots_of(buckets, scope),
            flags,
            goals.line(FAILED_DEPLOYMENT_RECOVERY_TIME),
        ),
        _RECOVERIES,
    )


def failed_deployments(
    store: Store, org: Organisation, scope: Scope, limit: int
) -> list[Deployment]:
    """The failed deployments of the scope's period, newest first."""
    return store.metrics.in_period(
        org, scope.period, lambda those: newest_failed(those, scope, limit)
    )


def newest_failed(those: PeriodCounts, scope: Scope, limit: int) -> list[Deployment]:
    """The same, for the subject with more events."""
    return those.newest(all_of((scope.tree, parse(FAILED))), limit)


def _recovery(failed: Deployment, scope: Scope) -> Recovery:
    return Recovery(
        failed.finished_at_ns,
        failed.recovery_time_sec,
        failed.remediation.type if failed.remediation else "",
        f"{failed.service} {failed.version or failed.id}",
        scope.href(deployment_path(failed)),
    )
