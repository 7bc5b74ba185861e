"""A rate limit as a client sees it that knows how to wait."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import serving
from clients import workbench
from clients.test_clients import environment
from forked_serving import forked

SECONDS = 2


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[serving.Server]:
    """A server that lists twice in each window."""
    limit = {"THEODORA_RATE_LIMIT_DORA_READ": f"2/{SECONDS}"}
    with forked(tmp_path, environment=limit) as server:
        yield server


def test_with_retries_a_client_waits_for_the_next_window_and_succeeds(
    limited: serving.Server,
) -> None:
    program = workbench.python_program("2.62.0", "retrying.py")

    done = program.run("retrying", environment=environment(limited, "shopist", serving.API_KEY))

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["lists"] == 5
    # Two fit in a window, so that five take two whole waits or one and a part.
    assert SECONDS <= seen["seconds"] < 3 * SECONDS


def test_without_retries_a_client_is_told_that_it_asks_too_often(limited: serving.Server) -> None:
    program = workbench.python_program("2.62.0", "retrying.py")

    done = program.run("trying", environment=environment(limited, "shopist", serving.API_KEY))

    assert done.returncode == 1
    assert "429" in done.stderr
    assert "Too many requests" in done.stderr
