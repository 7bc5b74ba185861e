"""What metrics are computed from, of many sets of events at once: one a group and period.

Such a set is a cell; its number is that of the group times the number of periods, plus that
of the period.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, TypeVar

import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from theodora.dora.buckets import Calendar, Period
from theodora.dora.cells import Cells, Ragged, put_into_cells
from theodora.dora.columns import (
    FAILED,
    PENDING,
    UNKNOWN_NS,
    DeploymentColumns,
    Flags,
    IncidentColumns,
    Ints,
    Places,
    Selected,
)
from theodora.dora.groups import Memberships, ranges
from theodora.dora.metrics import (
    ChangeFailureRate,
    DeploymentReworkRate,
    Granularity,
    LeadTime,
    Metrics,
    RecoveryTime,
    Sample,
    TimeToRestore,
    frequency,
)
from theodora.dora.stages import STAGES, Stage
from theodora.dora.statistics import Distribution, Distributions, wilson_intervals

E = TypeVar("E", DeploymentColumns, IncidentColumns)

_MOST_FLAGS = 1 << 26
"""Days of all groups that are marked one by one; of more, those that occur are sorted out."""
_HALF = 32
"""Bits."""


class Periods:
    """Periods in order of time, none of which overlap, and how they are looked at."""

    def __init__(self, periods: Sequence[Period], as_of_ns: int, calendar: Calendar) -> None:
        self._starts = np.array([each.start_ns for each in periods], np.int64)
        self._ends = np.array([each.end_ns for each in periods], np.int64)
        self._days = [each.days(as_of_ns) for each in periods]
        self._calendar = calendar

    def __len__(self) -> int:
        return len(self._days)

    def days(self, number: int) -> float:
        """The length of one, as far as it has passed."""
        return self._days[number]

    def numbers(self, instants_ns: Ints) -> Places:
        """Of each instant the number of the period it lies in; -1 if in none."""
        if not len(self):
            return np.full(len(instants_ns), -1)
        found = np.searchsorted(self._starts, instants_ns, side="right") - 1
        # Of the period before the first, the end of the last is taken, which does no harm.
        return np.where(instants_ns < self._ends[found], found, -1)

    def active_days(self, cells: Places, count: int, instants_ns: Ints) -> Ints:
        """How many local dates have an instant, by cell."""
        if not len(cells):
            return np.zeros(count, np.int64)
        days = self._calendar.local_days(instants_ns)
        days -= days.min()
        width = int(days.max()) + 1
        numbers = cells * width + days
        if count * width <= _MOST_FLAGS:
            is_active = np.zeros(count * width, np.bool_)
            is_active[numbers] = True
            return is_active.reshape(count, width).sum(axis=1)
        return np.bincount(np.unique(numbers) // width, minlength=count)


class Tally:
    """Counts and durations of every cell."""

    def __init__(
        self,
        periods: Periods,
        deployments: tuple[Selected[DeploymentColumns], Memberships],
        incidents: tuple[Selected[IncidentColumns], Memberships],
        granularity: Granularity,
        *,
        stages: bool,
    ) -> None:
        """Each group's number is that which the memberships have in common."""
        self._periods = periods
        self._width = len(periods)
        self._count = len(deployments[1].names) * self._width
        self._tally_deployments(*deployments, granularity, stages=stages)
        self._tally_incidents(*incidents)

    def sample(self, group: int, period: int) -> Sample:
        """One cell, to be compared with another."""
        cell = self._cell(group, period)
        return Sample(
            metrics=self.metrics(group, period),
            days=self._periods.days(period),
            lead_times=self._lead_times[cell],
            recovery_times=self._recovery_times[cell],
            times_to_restore=self._times_to_restore[cell],
        )

    def metrics(self, group: int, period: int) -> Metrics:
        """Those of one cell."""
        cell, figures = self._cell(group, period), self._figures
        deployments, evaluated = figures.deployments[cell], figures.evaluated[cell]
        failed, rework = figures.failed[cell], figures.rework[cell]
        recovery = figures.recovery_times.figures(cell)
        return Metrics(
            frequency(deployments, self._periods.days(period), figures.active_days[cell]),
            LeadTime(*figures.lead_times.figures(cell), self._stages_of(cell)),
            ChangeFailureRate(
                *_rate(failed, evaluated, figures.failed_intervals, cell),
                *(failed, evaluated, deployments - evaluated),
            ),
            RecoveryTime(*recovery, failed - recovery[0]),
            DeploymentReworkRate(
                *_rate(rework, evaluated, figures.rework_intervals, cell), rework, evaluated
            ),
            TimeToRestore(*figures.times_to_restore.figures(cell), figures.open_incidents[cell]),
        )

    @cached_property
    def _figures(self) -> "_Figures":
        """All numbers at once, since that is much quicker than one by one."""
        return _Figures(
            deployments=self._deployments.tolist(),
            active_days=self._active_days.tolist(),
            failed=self._failed.tolist(),
            evaluated=self._evaluated.tolist(),
            rework=self._rework.tolist(),
            open_incidents=self._open_incidents.tolist(),
            failed_intervals=wilson_intervals(self._failed, self._evaluated),
            rework_intervals=wilson_intervals(self._rework, self._evaluated),
            lead_times=self._lead_times.distributions(),
            recovery_times=self._recovery_times.distributions(),
            times_to_restore=self._times_to_restore.distributions(),
            stages=UNSET
            if self._stages is UNSET
            else {stage: cells.distributions() for stage, cells in self._stages.items()},
        )

    def _stages_of(self, cell: int) -> Mapping[Stage, Distribution] | UnsetType:
        stages = self._figures.stages
        if stages is UNSET:
            return UNSET
        return {stage: Distribution(*found.figures(cell)) for stage, found in stages.items()}

    def _cell(self, group: int, period: int) -> int:
        return group * self._width + period

    def _tally_deployments(
        self,
        selected: Selected[DeploymentColumns],
        memberships: Memberships,
        granularity: Granularity,
        *,
        stages: bool,
    ) -> None:
        columns = selected.columns
        cells, places = self._placed(selected, columns.finished_at_ns, memberships)
        verdict, is_rework = columns.verdict[places], columns.is_rework[places]
        self._deployments = self._counted(cells)
        self._evaluated = self._counted(cells[verdict != PENDING])
        self._failed = self._counted(cells[verdict == FAILED])
        self._rework = self._counted(cells[(verdict != PENDING) & is_rework])
        self._active_days = self._periods.active_days(
            cells, self._count, columns.finished_at_ns[places]
        )
        is_remedied = (verdict == FAILED) & (columns.recovery_ns[places] != UNKNOWN_NS)
        self._recovery_times = self._one_each(columns.recovery_ns, cells, places, is_remedied)
        self._lead_times = put_into_cells(
            cells, self._count, _lead_times(columns, places, granularity)
        )
        self._stages = self._stage_times(columns, cells, places) if stages else UNSET

    def _tally_incidents(
        self, selected: Selected[IncidentColumns], memberships: Memberships
    ) -> None:
        columns = selected.columns
        cells, places = self._placed(selected, columns.started_at_ns, memberships)
        self._open_incidents = self._counted(cells[columns.is_open[places]])
        is_restored = columns.restore_ns[places] != UNKNOWN_NS
        self._times_to_restore = self._one_each(columns.restore_ns, cells, places, is_restored)

    def _placed(
        self, selected: Selected[E], instants_ns: Ints, memberships: Memberships
    ) -> tuple[Places, Places]:
        """The cells of events and their places in the columns, without those in no cell."""
        period = self._periods.numbers(instants_ns[selected.places])[memberships.events]
        cells = memberships.groups * len(self._periods) + period
        places = selected.places[memberships.events]
        lies_in_one = period >= 0
        return cells[lies_in_one], places[lies_in_one]

    def _counted(self, cells: Places) -> Ints:
        return np.bincount(cells, minlength=self._count)

    def _one_each(self, durations: Ints, cells: Places, places: Places, counts: Flags) -> Cells:
        """The durations of the events at `places`, without those that do not count."""
        starts = places[counts]
        return put_into_cells(
            cells[counts], self._count, Ragged(durations, starts, np.ones_like(starts))
        )

    def _stage_times(
        self, columns: DeploymentColumns, cells: Places, places: Places
    ) -> Mapping[Stage, Cells] | UnsetType:
        assert columns.stages_ns is not None, "stages are loaded where they are asked for"
        starts = columns.commit_offsets[places]
        counts = columns.commit_offsets[places + 1] - starts
        commits, of_commits = ranges(starts, counts), np.repeat(cells, counts)
        return {
            stage: self._one_each(spans, of_commits, commits, spans[commits] != UNKNOWN_NS)
            for stage, spans in zip(STAGES, columns.stages_ns.T, strict=True)
        }


_Intervals: TypeAlias = tuple[list[float], list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    """What metrics are made of, cell by cell."""

    deployments: list[int]
    active_days: list[int]
    failed: list[int]
    evaluated: list[int]
    rework: list[int]
    open_incidents: list[int]
    failed_intervals: _Intervals
    rework_intervals: _Intervals
    lead_times: Distributions
    recovery_times: Distributions
    times_to_restore: Distributions
    stages: Mapping[Stage, Distributions] | UnsetType


def _rate(
    hits: int, n: int, intervals: _Intervals, cell: int
) -> tuple[float | None, float | None, float | None]:
    """A rate and the ends of its 95 % interval."""
    if not n:
        return None, None, None
    return hits / n, intervals[0][cell], intervals[1][cell]


def _lead_times(columns: DeploymentColumns, places: Places, granularity: Granularity) -> Ragged:
    """Of every commit, or the mean of each deployment that has any."""
    starts = columns.commit_offsets[places]
    counts = columns.commit_offsets[places + 1] - starts
    if granularity == "commit":
        return Ragged(columns.lead_times_ns, starts, counts)
    means = _means(columns.lead_times_ns, starts, counts)
    return Ragged(means, np.arange(len(places)), (counts > 0).astype(np.int64))


def _means(spans_ns: Ints, starts: Ints, counts: Ints) -> NDArray[np.float64]:
    """Of each event's spans; 0 where it has none. Sums are exact, by halves of numbers."""
    halves = (spans_ns >> _HALF, spans_ns & ((1 << _HALF) - 1))
    running = [np.concatenate((np.zeros(1, np.int64), np.cumsum(half))) for half in halves]
    upper, lower = (each[starts + counts] - each[starts] for each in running)
    return (upper * 2.0**_HALF + lower) / np.maximum(counts, 1)
