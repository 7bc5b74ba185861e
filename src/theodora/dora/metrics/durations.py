"""Durations of all cells in one array."""

from dataclasses import dataclass

import numpy as np

from theodora.dora.metrics.columns import EVERY, Ints, Positions
from theodora.dora.metrics.groups import ranges
from theodora.dora.metrics.statistics import (
    Distributions,
    Durations,
    distributions,
)

_RADIX = 16
"""Bits: arrays of such small numbers are sorted without comparing."""
_FEW_PER_RUN = 8
"""Runs shorter than this on average are not worth copying one by one."""


@dataclass(frozen=True, slots=True)
class Ragged:
    """Several durations an event: event i has those from `starts[i]`, `lengths[i]` of them."""

    durations: Durations
    starts: Ints
    lengths: Ints


@dataclass(frozen=True, slots=True)
class Cells:
    """Durations in nanoseconds, one cell's after another's."""

    durations: Durations
    """In order within each cell."""
    offsets: Ints
    """Where each cell begins, and in the end where the last one ends."""

    def __getitem__(self, cell: int) -> Durations:
        return self.durations[self.offsets[cell] : self.offsets[cell + 1]]

    def distributions(self) -> Distributions:
        """The distributions of all cells."""
        return distributions(self.durations, self.offsets)


def put_into_cells(cells: Positions, count: int, events: Ragged) -> Cells:
    """The durations of events in order of their cells; event i lies in `cells[i]` of `count`."""
    durations = _gathered(events.durations, events.starts, events.lengths)
    ends = np.concatenate((np.zeros(1, np.int64), np.cumsum(events.lengths)))
    offsets = ends[np.searchsorted(cells, np.arange(count + 1))]
    _put_in_order(durations, offsets)
    return Cells(durations, offsets)


def order_by_cell(cells: Positions, count: int) -> Positions | slice:
    """Puts events in order of their cells, and else leaves them in the order they come in."""
    if (cells[1:] >= cells[:-1]).all():
        return EVERY
    order = np.argsort(cells.astype(np.uint16), kind="stable")
    for shift in range(_RADIX, count.bit_length(), _RADIX):
        digits = (cells >> shift).astype(np.uint16)
        order = order[np.argsort(digits[order], kind="stable")]
    return order


def _gathered(durations: Durations, starts: Ints, lengths: Ints) -> Durations:
    """A copy of the durations of events, one event's after another's."""
    if not len(starts):
        return durations[:0].copy()
    breaks = np.flatnonzero(starts[1:] != starts[:-1] + lengths[:-1]) + 1
    if len(breaks) * _FEW_PER_RUN < len(starts):
        firsts = starts[np.concatenate((np.zeros(1, np.intp), breaks))].tolist()
        lasts = np.concatenate((breaks - 1, np.array([len(starts) - 1])))
        ends = (starts[lasts] + lengths[lasts]).tolist()
        return np.concatenate([durations[a:b] for a, b in zip(firsts, ends, strict=True)])
    return durations[ranges(starts, lengths)]


def _put_in_order(durations: Durations, offsets: Ints) -> None:
    """Puts the durations of each cell in order.

    Even of a million that takes half the time of finding the percentiles by partition.
    """
    several = np.flatnonzero(offsets[1:] - offsets[:-1] > 1)
    ends = offsets[several + 1].tolist()
    for start, end in zip(offsets[several].tolist(), ends, strict=True):
        durations[start:end].sort()
