"""Events are put in order of their cells, however many cells there are."""

import numpy as np
import pytest

from theodora.dora.metrics.columns import EVERY
from theodora.dora.metrics.durations import Ragged, order_by_cell, put_into_cells


@pytest.mark.parametrize("count", [10, 65_536, 65_537, 1_000_000, 2**33])
def test_events_are_in_order_of_cells_and_else_as_they_came(count: int) -> None:
    cells = np.random.default_rng(count).integers(0, count, 5_000)
    cells[::7] = cells[0]
    order = order_by_cell(cells, count)
    assert np.array_equal(order, np.argsort(cells, kind="stable"))


def test_what_is_in_order_stays_where_it_is() -> None:
    assert order_by_cell(np.array([0, 0, 3, 7]), 8) is EVERY


def test_the_durations_of_each_cell_are_in_order() -> None:
    durations = np.arange(6)[::-1]
    one_each = Ragged(durations, np.arange(6), np.ones(6, np.int64))
    found = put_into_cells(np.array([0, 0, 2, 2, 2, 4]), 5, one_each)
    assert [found[cell].tolist() for cell in range(5)] == [[4, 5], [], [1, 2, 3], [], [0]]
