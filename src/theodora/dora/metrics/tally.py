"""Events of many sets at once, one set a group and period, ready to be counted.

Such a set is a cell; its number is that of the group times the number of periods, plus that
of the period. Events are put in order of their cells first.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from theodora.dora.metrics.calendar import DAY_NS, Calendar, Period
from theodora.dora.metrics.columns import (
    EVERY,
    FAILED,
    PENDING,
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
from theodora.dora.metrics.statistics import Durations

Granularity = Literal["commit", "deployment"]

E = TypeVar("E", DeploymentColumns, IncidentColumns)

_MOST_FLAGS = 1 << 26
"""Days of all groups that are marked one by one; of more, those that occur are sorted out."""


class Periods:
    """Periods in order of time, without overlaps, and how they are divided."""

    def __init__(self, periods: Sequence[Period], as_of_ns: int, calendar: Calendar) -> None:
        self._starts = np.array([each.start_ns for each in periods], np.int64)
        self._ends = np.array([each.end_ns for each in periods], np.int64)
        self.days = [each.days(as_of_ns) for each in periods]
        """The part of each that has passed."""
        self._calendar = calendar

    def __len__(self) -> int:
        return len(self.days)

    @property
    def start_ns(self) -> int:
        """The start of the first."""
        return int(self._starts[0])

    def numbers(self, instants_ns: Ints) -> Positions:
        """The number of the period of each instant; -1 if it is in none."""
        if not len(self):
            return np.full(len(instants_ns), -1)
        found = np.searchsorted(self._starts, instants_ns, side="right") - 1
        # Of the period before the first, the end of the last is taken, which does no harm.
        found[instants_ns >= self._ends[found]] = -1
        return found

    def active_days(self, sizes: Ints, instants_ns: Ints) -> Ints:
        """How many local dates have an instant, by cell.

        The instants are in order of their cells; `sizes` counts those of each cell.
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


class Placed(Generic[E]):
    """Events in order of their cells."""

    def __init__(self, columns: E, cells: Positions, positions: Positions, count: int) -> None:
        """`cells` are the cells of events, below `count`; `positions` their rows in `columns`."""
        self.columns = columns
        self.cells = cells
        self.positions = positions
        self._count = count

    @cached_property
    def total(self) -> Ints:
        """How many there are, by cell."""
        return self.number_of(EVERY)

    def number_of(self, which: Flags | slice) -> Ints:
        """How many of `which`, by cell."""
        return np.bincount(self.cells[which], minlength=self._count)

    def durations(self, spans_ns: Durations, which: Flags | Positions) -> Cells:
        """The durations of `which` events, in order; `spans_ns` has one for each row of columns."""
        starts = self.positions[which]
        each = Ragged(spans_ns, starts, np.ones_like(starts))
        return put_into_cells(self.cells[which], self._count, each)

    def ragged(self, events: Ragged) -> Cells:
        """The durations of all events, any number for each."""
        return put_into_cells(self.cells, self._count, events)


class Tally:
    """The events of every cell, and what several metrics count of them."""

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
        self.periods = periods
        self.granularity: Granularity = granularity
        self.has_stages = stages
        self._count = len(deployments[1].names) * len(periods)
        finished_at_ns = deployments[0].columns.finished_at_ns
        started_at_ns = incidents[0].columns.started_at_ns
        self.deployments = self._placed(deployments[0], finished_at_ns, deployments[1])
        self.incidents = self._placed(incidents[0], started_at_ns, incidents[1])

    @cached_property
    def days(self) -> NDArray[np.float64]:
        """The part of the period that has passed, by cell."""
        return np.resize(np.array(self.periods.days), self._count)

    @cached_property
    def verdicts(self) -> NDArray[np.int8]:
        """The verdict of each deployment."""
        return self.deployments.columns.verdict[self.deployments.positions]

    @cached_property
    def evaluated(self) -> Ints:
        """Deployments with a verdict, by cell."""
        return self.deployments.number_of(chosen(self.verdicts != PENDING))

    @cached_property
    def failed(self) -> Ints:
        """Failed deployments, by cell."""
        return self.deployments.number_of(self.verdicts == FAILED)

    @property
    def commits(self) -> Placed[DeploymentColumns]:
        """The commits with a lead time of each deployment."""
        columns, positions = self.deployments.columns, self.deployments.positions
        starts = columns.commit_offsets[positions]
        counts = columns.commit_offsets[positions + 1] - starts
        cells = np.repeat(self.deployments.cells, counts)
        return Placed(columns, cells, ranges(starts, counts), self._count)

    def lead_times(self) -> Cells:
        """The lead time of every commit, or the mean of each deployment with commits."""
        columns, positions = self.deployments.columns, self.deployments.positions
        if self.granularity == "deployment":
            return self.mean_lead_times()
        starts = columns.commit_offsets[positions]
        counts = columns.commit_offsets[positions + 1] - starts
        return self.deployments.ragged(Ragged(columns.lead_times_ns, starts, counts))

    def mean_lead_times(self) -> Cells:
        """The mean lead time of each deployment with commits."""
        columns, positions = self.deployments.columns, self.deployments.positions
        counts = columns.commit_offsets[positions + 1] - columns.commit_offsets[positions]
        has_any = chosen(counts > 0)
        means = columns.lead_time_sums_ns[positions[has_any]] / counts[has_any]
        each = Ragged(means, np.arange(len(means)), np.ones(len(means), np.int64))
        return put_into_cells(self.deployments.cells[has_any], self._count, each)

    def deployments_in_parts(self, group: int) -> Ints:
        """How many deployments of a group each equal part of the only period has.

        Parts are weeks, or days of a period of less than eight weeks.
        """
        (days,) = self.periods.days
        length_ns = round(days * DAY_NS)
        parts = max(1, round(days / 7 if days >= 56 else days))
        ends = np.searchsorted(self.deployments.cells, (group, group + 1))
        positions = self.deployments.positions[slice(*ends)]
        instants_ns = self.deployments.columns.finished_at_ns[positions]
        elapsed = (instants_ns - self.periods.start_ns) / max(length_ns, 1)
        numbers = np.minimum((elapsed * parts).astype(np.intp), parts - 1)
        return np.bincount(numbers, minlength=parts)

    def _placed(
        self, selected: Selected[E], instants_ns: Ints, memberships: Memberships
    ) -> Placed[E]:
        """Events without those in no cell."""
        period = self.periods.numbers(instants_ns[selected.positions])[memberships.events]
        in_one = chosen(period >= 0)
        cells = memberships.groups[in_one] * len(self.periods) + period[in_one]
        positions = selected.positions[memberships.events][in_one]
        order = order_by_cell(cells, self._count)
        return Placed(selected.columns, cells[order], positions[order], self._count)
