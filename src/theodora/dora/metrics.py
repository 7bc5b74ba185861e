"""The five DORA metrics and time to restore, over the events of a period.

Every figure pools its events: a group's median is a median of its commits, a total's rate
counts every deployment once. A value without events is None, never 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from theodora.dora.buckets import UTC_CALENDAR, Calendar
from theodora.dora.noise import count_within_noise, durations_within_noise, rate_within_noise
from theodora.dora.rows import DeploymentRow, IncidentRow
from theodora.dora.stages import STAGES, Stage, Stages
from theodora.dora.statistics import Distribution, distribution, wilson_interval

Granularity = Literal["commit", "deployment"]

DAYS_PER_WEEK = 7
DAYS_PER_MONTH = 365.2425 / 12

SECOND_NS = 10**9


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What the metrics of one set of events are computed from. Durations are seconds."""

    days: float
    deployments: int = 0
    active_days: int = 0
    lead_times: list[float] = []
    stages: tuple[Stages, ...] = ()
    """Of every commit that has a lead time."""
    failed: int = 0
    evaluated: int = 0
    rework: int = 0
    recovery_times: list[float] = []
    times_to_restore: list[float] = []
    open_incidents: int = 0


class DeploymentFrequency(msgspec.Struct, frozen=True):
    """Deployments, and their rate over the exact length of the period."""

    count: int
    per_day: float | None
    """None for a period that is yet to come."""
    per_week: float | None
    per_month: float | None
    active_days: int
    """Local dates with at least one deployment; shown beside the rate, never as the rate."""


class LeadTime(Distribution, frozen=True):
    """Seconds from a commit to the end of the deployment that first shipped it."""

    stages: Mapping[Stage, Distribution] = {}
    """Where it went: each stage over the commits that went through it, whatever the granularity."""


class ChangeFailureRate(msgspec.Struct, frozen=True):
    """Failed deployments of those with a verdict (DORA 2024: change fail rate)."""

    value: float | None
    low: float | None
    high: float | None
    failed: int
    evaluated: int
    pending: int


class DeploymentReworkRate(msgspec.Struct, frozen=True):
    """Deployments made to mend, of those with a verdict (DORA 2024: rework rate)."""

    value: float | None
    low: float | None
    high: float | None
    rework: int
    evaluated: int


class RecoveryTime(Distribution, frozen=True):
    """Seconds from a failed deployment to the one that remedied it, over those remedied."""

    unresolved: int = 0


class TimeToRestore(Distribution, frozen=True):
    """Seconds from the start of an incident to its end, over those that have ended."""

    open: int = 0


class Metrics(msgspec.Struct, frozen=True):
    """The metrics of one set of events, under the names they have everywhere."""

    deployment_frequency: DeploymentFrequency
    change_lead_time: LeadTime
    change_failure_rate: ChangeFailureRate
    failed_deployment_recovery_time: RecoveryTime
    deployment_rework_rate: DeploymentReworkRate
    incident_time_to_restore: TimeToRestore


class Change(msgspec.Struct, frozen=True):
    """A figure against the same of the previous period."""

    delta: float | None
    """In the figure's unit; of a rate in percentage points."""
    relative: float | None
    """The difference as a share of the previous figure; None if there was none, or it was 0."""
    within_noise: bool


class Unresolved(msgspec.Struct, frozen=True):
    """A failed deployment without a remediation, and how long it has been so."""

    id: str
    age: float


def take_sample(
    deployments: Iterable[DeploymentRow],
    incidents: Iterable[IncidentRow],
    *,
    days: float,
    calendar: Calendar = UTC_CALENDAR,
    granularity: Granularity = "commit",
) -> Sample:
    """Gather what metrics are computed from. `days` is the elapsed length of the period."""
    rows, reported = list(deployments), list(incidents)
    evaluated = [row for row in rows if row.change_failure is not None]
    failed = [row for row in evaluated if row.change_failure]
    return Sample(
        days=days,
        deployments=len(rows),
        active_days=len({calendar.local_date(row.finished_at_ns) for row in rows}),
        lead_times=lead_times(rows, granularity),
        stages=tuple(each for row in rows for each in row.stages),
        failed=len(failed),
        evaluated=len(evaluated),
        rework=sum(row.is_rework for row in evaluated),
        recovery_times=_seconds(row.recovery_time_ns for row in failed),
        times_to_restore=_seconds(row.time_to_restore_ns for row in reported),
        open_incidents=sum(row.is_open for row in reported),
    )


def measure(sample: Sample) -> Metrics:
    evaluated = sample.evaluated
    return Metrics(
        deployment_frequency=frequency(sample.deployments, sample.days, sample.active_days),
        change_lead_time=LeadTime(
            **msgspec.structs.asdict(distribution(sample.lead_times)),
            stages=_stage_times(sample.stages),
        ),
        change_failure_rate=ChangeFailureRate(
            *_rate(sample.failed, evaluated),
            failed=sample.failed,
            evaluated=evaluated,
            pending=sample.deployments - evaluated,
        ),
        failed_deployment_recovery_time=RecoveryTime(
            **msgspec.structs.asdict(distribution(sample.recovery_times)),
            unresolved=sample.failed - len(sample.recovery_times),
        ),
        deployment_rework_rate=DeploymentReworkRate(
            *_rate(sample.rework, evaluated), rework=sample.rework, evaluated=evaluated
        ),
        incident_time_to_restore=TimeToRestore(
            **msgspec.structs.asdict(distribution(sample.times_to_restore)),
            open=sample.open_incidents,
        ),
    )


def frequency(count: int, days: float, active_days: int) -> DeploymentFrequency:
    """Rates by exact division: nothing is rounded before it is used."""
    per_day = count / days if days > 0 else None
    return DeploymentFrequency(
        count=count,
        per_day=per_day,
        per_week=None if per_day is None else per_day * DAYS_PER_WEEK,
        per_month=None if per_day is None else per_day * DAYS_PER_MONTH,
        active_days=active_days,
    )


def lead_times(
    deployments: Iterable[DeploymentRow], granularity: Granularity = "commit"
) -> list[float]:
    """Seconds: of every commit, or the mean of each deployment that has any."""
    if granularity == "commit":
        return [span / SECOND_NS for row in deployments for span in row.lead_times_ns]
    measured = (row.lead_times_ns for row in deployments if row.lead_times_ns)
    return [sum(spans) / len(spans) / SECOND_NS for spans in measured]


def stage_times(deployments: Iterable[DeploymentRow]) -> Mapping[Stage, Distribution]:
    """Each stage over the commits that went through it, with an n of its own."""
    return _stage_times([each for row in deployments for each in row.stages])


def _stage_times(stages: Sequence[Stages]) -> Mapping[Stage, Distribution]:
    return {
        stage: distribution(_seconds(getattr(each, stage) for each in stages)) for stage in STAGES
    }


def unresolved(deployments: Iterable[DeploymentRow], as_of_ns: int) -> tuple[Unresolved, ...]:
    """The failures that nothing has remedied yet; their age is never taken for a recovery time."""
    return tuple(
        Unresolved(row.id, (as_of_ns - row.finished_at_ns) / SECOND_NS)
        for row in deployments
        if row.change_failure and row.recovery_time_ns is None
    )


def changes(now: Sample, before: Sample) -> Mapping[str, Change]:
    """How each metric differs from the previous period, by the name of the metric."""
    ours, theirs = measure(now), measure(before)
    count_noise = count_within_noise(now.deployments, now.days, before.deployments, before.days)
    failure_noise = rate_within_noise(now.failed, now.evaluated, before.failed, before.evaluated)
    rework_noise = rate_within_noise(now.rework, now.evaluated, before.rework, before.evaluated)
    return {
        "deployment_frequency": _change(
            ours.deployment_frequency.per_day,
            theirs.deployment_frequency.per_day,
            within_noise=count_noise,
        ),
        "change_lead_time": _duration_change(now.lead_times, before.lead_times),
        "change_failure_rate": _rate_change(
            ours.change_failure_rate.value,
            theirs.change_failure_rate.value,
            within_noise=failure_noise,
        ),
        "failed_deployment_recovery_time": _duration_change(
            now.recovery_times, before.recovery_times
        ),
        "deployment_rework_rate": _rate_change(
            ours.deployment_rework_rate.value,
            theirs.deployment_rework_rate.value,
            within_noise=rework_noise,
        ),
        "incident_time_to_restore": _duration_change(now.times_to_restore, before.times_to_restore),
    }


def _duration_change(now: list[float], before: list[float]) -> Change:
    within_noise = durations_within_noise(now, before)
    return _change(distribution(now).p50, distribution(before).p50, within_noise=within_noise)


def _rate_change(now: float | None, before: float | None, *, within_noise: bool) -> Change:
    change = _change(now, before, within_noise=within_noise)
    points = None if change.delta is None else change.delta * 100
    return msgspec.structs.replace(change, delta=points)


def _change(now: float | None, before: float | None, *, within_noise: bool) -> Change:
    if now is None or before is None:
        return Change(None, None, within_noise=True)
    delta = now - before
    return Change(delta, delta / before if before else None, within_noise)


def _rate(hits: int, n: int) -> tuple[float | None, float | None, float | None]:
    """A rate and the ends of its 95 % interval."""
    interval = wilson_interval(hits, n)
    return (None, None, None) if interval is None else (hits / n, *interval)


def _seconds(spans_ns: Iterable[int | None]) -> list[float]:
    return [span / SECOND_NS for span in spans_ns if span is not None]
