"""The five DORA metrics and time to restore, over the events of a period.

Every figure pools its events: a group's median is a median of its commits, a total's rate
counts every deployment once. A value without events is None, never 0.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from theodora.dora.derivation.stages import Stage
from theodora.dora.metrics.significance import (
    count_within_noise,
    durations_within_noise,
    rate_within_noise,
)
from theodora.dora.metrics.statistics import Distribution, Durations

Granularity = Literal["commit", "deployment"]

DAYS_PER_WEEK = 7
DAYS_PER_MONTH = 365.2425 / 12


class DeploymentFrequency(msgspec.Struct, frozen=True, gc=False):
    """Deployments, and their rate over the exact length of the period."""

    count: int
    per_day: float | None
    """None for a period that is yet to come."""
    per_week: float | None
    per_month: float | None
    active_days: int
    """Local dates with at least one deployment; shown beside the rate, never as the rate."""


class LeadTime(Distribution, frozen=True, gc=False):
    """Seconds from a commit to the end of the deployment that first shipped it."""

    stages: Mapping[Stage, Distribution] | UnsetType = UNSET
    """Where it went: each stage over the commits that went through it, whatever the granularity.

    Only if it was asked for, and never of an interval.
    """


class ChangeFailureRate(msgspec.Struct, frozen=True, gc=False):
    """Failed deployments of those with a verdict (DORA 2024: change fail rate)."""

    value: float | None
    low: float | None
    high: float | None
    failed: int
    evaluated: int
    pending: int


class DeploymentReworkRate(msgspec.Struct, frozen=True, gc=False):
    """Rework deployments (unplanned fixes), of those with a verdict (DORA 2024: rework rate)."""

    value: float | None
    low: float | None
    high: float | None
    rework: int
    evaluated: int


class RecoveryTime(Distribution, frozen=True, gc=False):
    """Seconds from a failed deployment to the one that remedied it, over those remedied."""

    unresolved: int = 0


class TimeToRestore(Distribution, frozen=True, gc=False):
    """Seconds from the start of an incident to its end, over those that have ended."""

    open: int = 0


class Metrics(msgspec.Struct, frozen=True, gc=False):
    """The metrics of one set of events, under the names they have everywhere."""

    deployment_frequency: DeploymentFrequency
    change_lead_time: LeadTime
    change_failure_rate: ChangeFailureRate
    failed_deployment_recovery_time: RecoveryTime
    deployment_rework_rate: DeploymentReworkRate
    incident_time_to_restore: TimeToRestore


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The metrics of one set of events, and what tells whether they differ from others."""

    metrics: Metrics
    days: float
    """The part of the period that has passed."""
    lead_times: Durations
    recovery_times: Durations
    times_to_restore: Durations


class Change(msgspec.Struct, frozen=True):
    """A figure against the same of the previous period."""

    delta: float | None
    """In the figure's unit; of a rate in percentage points."""
    relative: float | None
    """The difference as a share of the previous figure; None if there was none, or it was 0."""
    within_noise: bool


def changes(now: Sample, before: Sample) -> Mapping[str, Change]:
    """How each metric differs from the previous period, by the name of the metric."""
    ours, theirs = now.metrics, before.metrics
    return {
        "deployment_frequency": _frequency_change(now, before),
        "change_lead_time": _duration_change(
            ours.change_lead_time, theirs.change_lead_time, now.lead_times, before.lead_times
        ),
        "change_failure_rate": _failure_change(
            ours.change_failure_rate, theirs.change_failure_rate
        ),
        "failed_deployment_recovery_time": _duration_change(
            ours.failed_deployment_recovery_time,
            theirs.failed_deployment_recovery_time,
            now.recovery_times,
            before.recovery_times,
        ),
        "deployment_rework_rate": _rework_change(
            ours.deployment_rework_rate, theirs.deployment_rework_rate
        ),
        "incident_time_to_restore": _duration_change(
            ours.incident_time_to_restore,
            theirs.incident_time_to_restore,
            now.times_to_restore,
            before.times_to_restore,
        ),
    }


def _frequency_change(now: Sample, before: Sample) -> Change:
    ours, theirs = now.metrics.deployment_frequency, before.metrics.deployment_frequency
    within_noise = count_within_noise(ours.count, now.days, theirs.count, before.days)
    return _change(ours.per_day, theirs.per_day, within_noise=within_noise)


def _duration_change(
    ours: Distribution, theirs: Distribution, now: Durations, before: Durations
) -> Change:
    return _change(ours.p50, theirs.p50, within_noise=durations_within_noise(now, before))


def _failure_change(now: ChangeFailureRate, before: ChangeFailureRate) -> Change:
    within_noise = rate_within_noise(now.failed, now.evaluated, before.failed, before.evaluated)
    return _rate_change(now.value, before.value, within_noise=within_noise)


def _rework_change(now: DeploymentReworkRate, before: DeploymentReworkRate) -> Change:
    within_noise = rate_within_noise(now.rework, now.evaluated, before.rework, before.evaluated)
    return _rate_change(now.value, before.value, within_noise=within_noise)


def _rate_change(now: float | None, before: float | None, *, within_noise: bool) -> Change:
    change = _change(now, before, within_noise=within_noise)
    points = None if change.delta is None else change.delta * 100
    return msgspec.structs.replace(change, delta=points)


def _change(now: float | None, before: float | None, *, within_noise: bool) -> Change:
    if now is None or before is None:
        return Change(None, None, within_noise=True)
    delta = now - before
    return Change(delta, delta / before if before else None, within_noise)
