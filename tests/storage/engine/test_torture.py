"""Acknowledged changes of every kind survive kills; `make torture` does the same for longer."""

from pathlib import Path
from random import SystemRandom

import pytest

from torture import Disturbance, Ground, kill, pause, tear_log, torture


@pytest.mark.parametrize(("disturb", "times"), [(kill, 4), (tear_log, 2), (pause, 1)])
def test_acknowledged_changes_are_there_once_and_derived_as_by_a_new_server(
    tmp_path: Path, disturb: Disturbance, times: int
) -> None:
    outcome = torture(Ground(tmp_path, SystemRandom()), disturb, times)
    assert outcome.recovered == times
    assert (outcome.found, outcome.doubled) == (outcome.expected, 0), outcome
