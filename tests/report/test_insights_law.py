"""The law of insights: without a change hardly ever a sentence about one; with one, mostly."""

import pytest
from bench.insights import QUIET, Plant, World, false_alarms, found

from lengths import short_and_long


@short_and_long("count", 60, 1_000)
@pytest.mark.parametrize(("words", "world"), [QUIET[0], QUIET[1], QUIET[3], QUIET[4]])
def test_fewer_than_a_twentieth_of_worlds_without_a_change_report_one(
    words: str, world: World, count: int
) -> None:
    """The short form allows what chance adds to 5 % in few worlds."""
    allowed = 0.05 * count if count >= 1_000 else 0.12 * count
    assert false_alarms(world, count, seed=3) < allowed, words


@pytest.mark.parametrize(
    "plant",
    [
        Plant("failure", 4, 20),
        Plant("recovery_sec", 6, 20),
        Plant("lead_sec", 3, 20),
        Plant("per_week", 0.25, 20),
        Plant("lead_sec", 3, 20, is_everywhere=True),
    ],
)
def test_large_changes_are_found(plant: Plant) -> None:
    assert found(World(20, bursts=0.1), plant, 10, seed=4) >= 8
