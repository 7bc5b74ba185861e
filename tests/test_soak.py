"""A short soak: `make soak` does the same for longer, and on PostgreSQL."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from bench.soak import GRACE_SEC, Plan, growth, quantile, sizes_of_file, soak
from bench.traffic import KINDS, UNLIMITED

import serving


def test_every_kind_of_request_is_answered_and_the_server_stops_under_load(tmp_path: Path) -> None:
    plan = Plan(minutes=1.5 / 60, capacity_sec=0.7, clients=2, deployments=30, windows=2)
    with serving.serving(tmp_path, environment=UNLIMITED) as server:
        soaked = soak(server, lambda: sizes_of_file(server.database), plan)
    answers = [answer for window in soaked.windows for answer in window.answers]
    assert {answer.kind for answer in answers} <= {kind.name for kind in KINDS}
    assert (soaked.failed, soaked.status) == (0, 0)
    assert soaked.stopped_sec < GRACE_SEC
    assert len(answers) >= len(KINDS)
    assert all(min(window.sizes) > 0 for window in soaked.windows)
    assert _ids_the_server_made(server.database) == []


def _ids_the_server_made(database: Path) -> list[str]:
    """Ids of events that were added where the traffic was to replace one."""
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute(
            "SELECT id FROM deployments WHERE id NOT LIKE 'deployment-%' "
            "UNION ALL SELECT id FROM failures WHERE id NOT LIKE 'failure-%'"
        )
        return [id_ for (id_,) in found]


@pytest.mark.parametrize(
    ("sizes", "factor"),
    [([9, 9, 5, 5, 5, 5, 5, 5, 5, 5], 1.0), ([1, 1, 10, 10, 10, 10, 12, 12, 12, 12], 1.2)],
)
def test_growth_is_that_after_warming_up(sizes: list[int], factor: float) -> None:
    assert growth(sizes) == factor


def test_a_quantile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [quantile(values, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert quantile([3.0], 0.99) == 3.0
