"""Cards of the five metrics, for the overview and the page of a service."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from theodora.dora.benchmarks.levels import MetricName, measured
from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.report import BucketMetrics, GroupReport
from theodora.report import wording
from theodora.report.charts import sparkline
from theodora.report.scope import Scope
from theodora.report.wording import NARROW, Movement, Part

FAILED = "change_failure:true"
REWORK = "(deployment_type:(rollback OR rollforward) OR rework:true)"
WITH_COMMITS = "change_lead_time:*"


@dataclass(frozen=True, slots=True)
class Card:
    """One metric: its value, its parts and its change."""

    name: MetricName
    title: str
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
    """In DORA's order: throughput first, then instability; `course` is drawn beside the totals."""
    return tuple(_cards(report, course, scope))


def _cards(report: GroupReport, course: Sequence[BucketMetrics], scope: Scope) -> Iterator[Card]:
    now = report.total

    def card(
        name: MetricName,
        title: str,
        parts: Sequence[Part],
        of: str,
        clause: str = "",
        heading: str = "",
    ) -> Card:
        movement = wording.movement(name, now, report.previous, report.change[name])
        query = scope.also(clause) if clause else scope.query
        link = scope.link("/deployments", query=query)
        spark = _spark(name, course)
        return Card(name, title, heading, tuple(parts), of, link, movement, spark)

    frequency = wording.frequency_parts(now.deployment_frequency)
    yield card(
        "deployment_frequency",
        "Deployment frequency",
        (frequency,) if frequency else (),
        _deployments(now, scope),
        heading="Throughput",
    )
    yield card(
        "change_lead_time",
        "Change lead time",
        _duration(now.change_lead_time.p50),
        _commits(now),
        WITH_COMMITS,
    )
    yield card(
        "failed_deployment_recovery_time",
        "Failed deployment recovery",
        _duration(now.failed_deployment_recovery_time.p50),
        _recoveries(now),
        FAILED,
    )
    yield card(
        "change_failure_rate",
        "Change failure rate",
        _rate(now.change_failure_rate.value),
        _failures(now),
        FAILED,
        heading="Instability",
    )
    rework = now.deployment_rework_rate
    yield card(
        "deployment_rework_rate",
        "Deployment rework rate",
        _rate(rework.value),
        f"{wording.of_all(rework.rework, rework.evaluated)} evaluated"
        if rework.evaluated
        else _nothing_judged(now),
        REWORK,
    )


def deployments_spark(series: Sequence[BucketMetrics]) -> Markup:
    """The number of deployments in each interval."""
    return _spark("deployment_frequency", series)


def _spark(name: MetricName, series: Sequence[BucketMetrics]) -> Markup:
    values = [_figure(name, each.metrics) for each in series]
    is_partial = bool(series) and series[-1].bucket.is_partial
    return sparkline(values, last_is_partial=is_partial)


def _figure(name: MetricName, metrics: Metrics) -> float | None:
    """The values of a sparkline; an empty interval has 0 deployments."""
    if name == "deployment_frequency":
        return metrics.deployment_frequency.count
    figure: float | None = getattr(measured(metrics), name)
    return figure


def _duration(seconds: float | None) -> tuple[Part, ...]:
    return () if seconds is None else wording.duration_parts(seconds)


def _rate(value: float | None) -> tuple[Part, ...]:
    return () if value is None else (Part(*wording.percent(value).split(NARROW)),)


def _deployments(now: Metrics, scope: Scope) -> str:
    counted = wording.counted(now.deployment_frequency.count, "deployment")
    return f"{counted} in {wording.days(scope.days)}"


def _commits(now: Metrics) -> str:
    n = now.change_lead_time.n
    return f"median of {wording.counted(n, 'commit')}" if n else "no lead times in this period"


def _recoveries(now: Metrics) -> str:
    recovery = now.failed_deployment_recovery_time
    if not recovery.n and not recovery.unresolved:
        return "no failures"
    is_open = f", {wording.number(recovery.unresolved)} still open" if recovery.unresolved else ""
    median = (
        f"median of {wording.counted(recovery.n, 'failure')}" if recovery.n else "none remedied"
    )
    return median + is_open


def _failures(now: Metrics) -> str:
    rate = now.change_failure_rate
    if not rate.evaluated:
        return _nothing_judged(now)
    pending = f", {wording.number(rate.pending)} pending" if rate.pending else ""
    return f"{wording.of_all(rate.failed, rate.evaluated)} evaluated{pending}"


def _nothing_judged(now: Metrics) -> str:
    pending = now.change_failure_rate.pending
    return f"{wording.number(pending)} pending" if pending else "no deployments"
