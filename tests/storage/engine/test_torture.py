"""Acknowledged changes of every kind survive kills and faults of the disk and of the clock.

`make torture` does the same for longer, and with PostgreSQL.
"""

from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom

import pytest

from preloading import COMPILER, FULL_DISK, READ_ERRORS, SYNC_ERRORS, Faults
from torture import (
    Disturbance,
    Ground,
    Outcome,
    fail,
    kill,
    pause,
    set_clock,
    stop,
    tear_log,
    torture,
)


def test_acknowledged_changes_survive_kills_and_pauses(tmp_path: Path) -> None:
    disturbances = (kill, tear_log, pause, stop)
    assert_nothing_is_lost(Ground(tmp_path, SystemRandom()), disturbances)


@pytest.mark.slow
@pytest.mark.skipif(not COMPILER, reason="there is no cc to compile tests/faults.c with")
def test_acknowledged_changes_survive_a_failing_disk_and_a_clock_that_jumps(tmp_path: Path) -> None:
    disturbances = (*map(fail, (FULL_DISK, READ_ERRORS, SYNC_ERRORS)), set_clock)
    ground = Ground(tmp_path, SystemRandom(), faults=Faults(tmp_path))
    outcome = assert_nothing_is_lost(ground, disturbances)
    assert outcome.log["the database cannot be written; events are refused"] >= 3
    assert outcome.log["the database can be written again"] >= 3


def assert_nothing_is_lost(ground: Ground, disturbances: Sequence[Disturbance]) -> Outcome:
    """Everything is there once and derived as by a new server, and nothing was unforeseen."""
    in_turn = iter(disturbances)

    def disturb(ground: Ground) -> None:
        next(in_turn)(ground)

    outcome = torture(ground, disturb, len(disturbances))
    assert outcome.recovered == len(disturbances)
    assert (outcome.found, outcome.doubled, outcome.missed) == (outcome.expected, 0, 0), outcome
    assert (outcome.faults, outcome.traces) == (0, 0), outcome
    return outcome
