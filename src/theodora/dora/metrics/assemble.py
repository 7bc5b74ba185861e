"""Metrics of many sets of events at once, made from columns of their figures.

To make a column of values for all sets, and then all of their metrics, takes a tenth of the time
of going set by set.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, TypeAlias

import numpy as np
from msgspec import UNSET, UnsetType

from theodora.dora.derivation.stages import Stage
from theodora.dora.metrics.columns import Ints
from theodora.dora.metrics.metrics import (
    DAYS_PER_MONTH,
    DAYS_PER_WEEK,
    ChangeFailureRate,
    DeploymentFrequency,
    DeploymentReworkRate,
    LeadTime,
    Metrics,
    RecoveryTime,
    TimeToRestore,
)
from theodora.dora.metrics.statistics import (
    Distribution,
    Distributions,
    none_where,
    wilson_intervals,
)

Column: TypeAlias = Sequence[Any]
"""Of each set, a figure or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Of each set of events."""

    deployments: Ints
    active_days: Ints
    failed: Ints
    rework: Ints
    evaluated: Ints
    open_incidents: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """Of each set of events."""

    lead_times: Distributions
    recovery_times: Distributions
    times_to_restore: Distributions
    stages: Mapping[Stage, Distributions] | UnsetType


class Figures:
    """Every figure of every set; metrics are made of a part of the sets when they are asked for."""

    def __init__(self, counts: Counts, spans: Spans, days: Sequence[float]) -> None:
        """The lengths of the periods that the sets are of are in turns those of `days`."""
        self._frequency = _frequencies(counts, np.resize(np.array(days), len(counts.deployments)))
        self._failures = (
            *_rates(counts.failed, counts.evaluated),
            counts.failed.tolist(),
            counts.evaluated.tolist(),
            (counts.deployments - counts.evaluated).tolist(),
        )
        self._rework = (
            *_rates(counts.rework, counts.evaluated),
            counts.rework.tolist(),
            counts.evaluated.tolist(),
        )
        unresolved = counts.failed - np.array(spans.recovery_times.n, np.int64)
        self._recovery = (*spans.recovery_times, unresolved.tolist())
        self._restore = (*spans.times_to_restore, counts.open_incidents.tolist())
        self._lead_times = spans.lead_times
        self._stages = spans.stages

    def metrics(self, part: slice) -> list[Metrics]:
        """Those of some sets, in their order."""
        return list(
            map(
                Metrics,
                map(DeploymentFrequency, *_parts(self._frequency, part)),
                map(LeadTime, *_parts(self._lead_times, part), self._stages_of(part)),
                map(ChangeFailureRate, *_parts(self._failures, part)),
                map(RecoveryTime, *_parts(self._recovery, part)),
                map(DeploymentReworkRate, *_parts(self._rework, part)),
                map(TimeToRestore, *_parts(self._restore, part)),
            )
        )

    def _stages_of(self, part: slice) -> Iterator[Mapping[Stage, Distribution] | UnsetType]:
        if self._stages is UNSET:
            return repeat(UNSET)
        spans = [map(Distribution, *_parts(each, part)) for each in self._stages.values()]
        names = tuple(self._stages)
        return (dict(zip(names, each, strict=True)) for each in zip(*spans, strict=True))


def _parts(columns: Sequence[Column], part: slice) -> list[Column]:
    return [column[part] for column in columns]


def _frequencies(counts: Counts, days: Ints) -> tuple[Column, ...]:
    """Rates by exact division: nothing is rounded before it is used."""
    is_to_come = days <= 0
    per_day = counts.deployments / np.where(is_to_come, 1, days)
    rates = (per_day, per_day * DAYS_PER_WEEK, per_day * DAYS_PER_MONTH)
    return (
        counts.deployments.tolist(),
        *(none_where(is_to_come, each) for each in rates),
        counts.active_days.tolist(),
    )


def _rates(hits: Ints, n: Ints) -> tuple[Column, ...]:
    """Rates, and the ends of their 95 % intervals."""
    return (none_where(n == 0, hits / np.maximum(n, 1)), *wilson_intervals(hits, n))
