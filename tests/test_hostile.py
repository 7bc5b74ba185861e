"""A short attack: `make attacks` sends each of them for longer."""

from pathlib import Path

from bench.hostile import ATTACKS, Prepared, run


def test_what_others_feel_of_an_attack_is_measured(tmp_path: Path) -> None:
    [attack] = [each for each in ATTACKS if each.name == "deep and wide queries"]
    seen = run(attack, Prepared(tmp_path, deployments=20), 0.3)
    assert (seen.refused, seen.status) == (0, 0)
    assert len(seen.health) == len(seen.list) > 0
    assert min(*seen.health, *seen.list) > 0
