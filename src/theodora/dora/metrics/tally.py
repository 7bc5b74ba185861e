"""Counts and durations of many sets of events at once: one a group and period.

Such a set is a cell; its number is that of the group times the number of periods, plus that
of the period. Events are put in order of their cells first.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from theodora.dora.derivation.stages import STAGES, Stage
from theodora.dora.metrics.assemble import Counts, Figures, Spans
from theodora.dora.metrics.calendar import Calendar, Period
from theodora.dora.metrics.columns import (
    FAILED,
    PENDING,
    UNKNOWN_NS,
    DeploymentColumns,
    Flags,
    IncidentColumns,
    Ints,
    Positions,
    Selected,
    chosen,
)
from theodora.dora.metrics.durations import Cells, Ragged, order_by_cell, put_into_cells
from theodora.dora.metrics.groups import Memberships, ranges
from theodora.dora.metrics.metrics import Granularity, Metrics, Sample

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
        self.days = [each.days(as_of_ns) for each in periods]
        """The part of each that has passed."""
        self._calendar = calendar

    def __len__(self) -> int:
        return len(self.days)

    def numbers(self, instants_ns: Ints) -> Positions:
        """Of each instant the number of the period it lies in; -1 if in none."""
        if not len(self):
            return np.full(len(instants_ns), -1)
        found = np.searchsorted(self._starts, instants_ns, side="right") - 1
        # Of the period before the first, the end of the last is taken, which does no harm.
        found[instants_ns >= self._ends[found]] = -1
        return found

    def active_days(self, sizes: Ints, instants_ns: Ints) -> Ints:
        """How many local dates have an instant, by cell.

        The instants are in order of their cells, of which each has so many.
        """
        if not len(instants_ns):
            return np.zeros_like(sizes)
        first_days = np.resize(self._calendar.local_days(self._starts), len(sizes))
        numbers = self._calendar.local_days(instants_ns)
        numbers -= np.repeat(first_days, sizes)
        width = int(numbers.max()) + 1
        numbers += np.repeat(np.arange(len(sizes)) * width, sizes)
        if len(sizes) * width <= _MOST_FLAGS:
            is_active = np.zeros(len(sizes) * width, np.bool_)
            is_active[numbers] = True
            active = np.flatnonzero(is_active)
        else:
            active = np.unique(numbers)
        return np.bincount(active // width, minlength=len(sizes))


class _Placed(NamedTuple):
    """Events in order of their cells."""

    cells: Positions
    positions: Positions
    """Theirs in the columns."""


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

    def metrics(self, group: int) -> list[Metrics]:
        """Those of a group, period by period."""
        return self._figures.metrics(slice(group * self._width, (group + 1) * self._width))

    @cached_property
    def totals(self) -> list[Metrics]:
        """Of each group those of the only period."""
        return self._figures.metrics(slice(None))

    def sample(self, group: int) -> Sample:
        """A group's only period, to be compared with another."""
        (days,) = self._periods.days
        return Sample(
            metrics=self.totals[group],
            days=days,
            lead_times=self._lead_times[group],
            recovery_times=self._recovery_times[group],
            times_to_restore=self._times_to_restore[group],
        )

    @cached_property
    def _figures(self) -> Figures:
        stages = self._stages
        spans = Spans(
            lead_times=self._lead_times.distributions(),
            recovery_times=self._recovery_times.distributions(),
            times_to_restore=self._times_to_restore.distributions(),
            stages=UNSET
            if stages is UNSET
            else {stage: cells.distributions() for stage, cells in stages.items()},
        )
        return Figures(self._counts, spans, self._periods.days)

    @property
    def _counts(self) -> Counts:
        return Counts(
            deployments=self._deployments,
            active_days=self._active_days,
            failed=self._failed,
            rework=self._rework,
            evaluated=self._evaluated,
            open_incidents=self._open_incidents,
        )

    def _tally_deployments(
        self,
        selected: Selected[DeploymentColumns],
        memberships: Memberships,
        granularity: Granularity,
        *,
        stages: bool,
    ) -> None:
        columns = selected.columns
        cells, positions = placed = self._placed(selected, columns.finished_at_ns, memberships)
        verdict, is_rework = columns.verdict[positions], columns.is_rework[positions]
        self._deployments = self._counted(cells)
        self._evaluated = self._counted(cells[chosen(verdict != PENDING)])
        self._failed = self._counted(cells[verdict == FAILED])
        self._rework = self._counted(cells[(verdict != PENDING) & is_rework])
        self._active_days = self._periods.active_days(
            self._deployments, columns.finished_at_ns[positions]
        )
        is_remedied = (verdict == FAILED) & (columns.recovery_ns[positions] != UNKNOWN_NS)
        self._recovery_times = self._one_each(columns.recovery_ns, placed, is_remedied)
        self._lead_times = put_into_cells(
            cells, self._count, _lead_times(columns, positions, granularity)
        )
        self._stages = self._stage_times(columns, placed) if stages else UNSET

    def _tally_incidents(
        self, selected: Selected[IncidentColumns], memberships: Memberships
    ) -> None:
        columns = selected.columns
        cells, positions = placed = self._placed(selected, columns.started_at_ns, memberships)
        self._open_incidents = self._counted(cells[columns.is_open[positions]])
        is_restored = columns.restore_ns[positions] != UNKNOWN_NS
        self._times_to_restore = self._one_each(columns.restore_ns, placed, is_restored)

    def _placed(
        self, selected: Selected[E], instants_ns: Ints, memberships: Memberships
    ) -> _Placed:
        """Events without those in no cell."""
        period = self._periods.numbers(instants_ns[selected.positions])[memberships.events]
        in_one = chosen(period >= 0)
        cells = memberships.groups[in_one] * self._width + period[in_one]
        positions = selected.positions[memberships.events][in_one]
        order = order_by_cell(cells, self._count)
        return _Placed(cells[order], positions[order])

    def _counted(self, cells: Positions) -> Ints:
        return np.bincount(cells, minlength=self._count)

    def _one_each(self, durations: Ints, placed: _Placed, counts: Flags) -> Cells:
        """The durations of events, without those that do not count."""
        starts = placed.positions[counts]
        return put_into_cells(
            placed.cells[counts], self._count, Ragged(durations, starts, np.ones_like(starts))
        )

    def _stage_times(
        self, columns: DeploymentColumns, placed: _Placed
    ) -> Mapping[Stage, Cells] | UnsetType:
        assert columns.stages_ns is not None, "stages are loaded where they are asked for"
        starts = columns.commit_offsets[placed.positions]
        counts = columns.commit_offsets[placed.positions + 1] - starts
        commits = _Placed(np.repeat(placed.cells, counts), ranges(starts, counts))
        return {
            stage: self._one_each(spans, commits, spans[commits.positions] != UNKNOWN_NS)
            for stage, spans in zip(STAGES, columns.stages_ns.T, strict=True)
        }


def _lead_times(
    columns: DeploymentColumns, positions: Positions, granularity: Granularity
) -> Ragged:
    """Of every commit, or the mean of each deployment that has any."""
    starts = columns.commit_offsets[positions]
    counts = columns.commit_offsets[positions + 1] - starts
    if granularity == "commit":
        return Ragged(columns.lead_times_ns, starts, counts)
    means = _means(columns.lead_times_ns, starts, counts)
    return Ragged(means, np.arange(len(positions)), (counts > 0).astype(np.int64))


def _means(spans_ns: Ints, starts: Ints, counts: Ints) -> NDArray[np.float64]:
    """Of each event's spans; 0 where it has none. Sums are exact, by halves of numbers."""
    halves = (spans_ns >> _HALF, spans_ns & ((1 << _HALF) - 1))
    running = [np.concatenate((np.zeros(1, np.int64), np.cumsum(half))) for half in halves]
    upper, lower = (each[starts + counts] - each[starts] for each in running)
    return (upper * 2.0**_HALF + lower) / np.maximum(counts, 1)
