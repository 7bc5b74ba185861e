"""A short attack: `make attacks` sends each of them for longer."""

from pathlib import Path

from bench.attacks import Prepared, run
from bench.hostile import ATTACKS


def test_what_others_feel_of_an_attack_is_measured(tmp_path: Path) -> None:
    [attack] = [each for each in ATTACKS if each.name == "deep and wide queries"]
    seen = run(attack, Prepared(tmp_path, small=20), 0.3)
    assert (seen.refused, seen.status) == (0, 0)
    assert len({len(times) for times in seen.seconds.values()}) == 1
    assert all(min(times) > 0 for times in seen.seconds.values())
