"""`theodora retention`: for how many days events are kept."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from theodora.cli import main

Run = Callable[..., Result]

DAY_SEC = 86_400


@pytest.fixture
def run(tmp_path: Path) -> Run:
    url = f"sqlite:///{tmp_path / 'theodora.db'}"

    def run(*arguments: str, given: bytes = b"") -> Result:
        return CliRunner().invoke(
            main, list(arguments), input=given, env={"THEODORA_DATABASE": url}
        )

    return run


@pytest.fixture(autouse=True)
def deployments(run: Run) -> None:
    """Four of one service, three of them old."""
    now_sec = int(time.time())
    moments = [now_sec - days * DAY_SEC for days in (300, 200, 100, 1)]
    lines = "".join(
        f'{{"service": "web", "started_at": {at}, "finished_at": {at}}}\n' for at in moments
    )
    assert run("import", "deployments", "-", given=lines.encode()).exit_code == 0


def count(run: Run) -> int:
    return len(run("export", "deployments").stdout.splitlines())


def test_events_are_kept_for_ever_unless_somebody_says_otherwise(run: Run):
    assert run("retention", "show").stdout == "events are kept for ever\n"
    assert run("retention", "apply").stdout == "removed 0 deployments and 0 failures\n"
    assert count(run) == 4


def test_what_is_too_old_goes_once_that_is_set(run: Run):
    preview = run("retention", "preview", "90").stdout
    assert preview == "up to 2 deployments and 0 failures would be deleted\n"
    assert run("retention", "show").stdout == "events are kept for ever\n"
    assert run("retention", "set", "90").stdout == (
        "events are kept for 90 days: up to 2 deployments and 0 failures are deleted now\n"
    )
    assert run("retention", "show").stdout == "events are kept for 90 days\n"
    assert count(run) == 4
    assert run("retention", "apply").stdout.endswith("removed 2 deployments and 0 failures\n")
    assert count(run) == 2


def test_a_limit_is_taken_back(run: Run):
    run("retention", "set", "90")
    assert run("retention", "unset").stdout == "events are kept for ever\n"
    run("retention", "apply")
    assert count(run) == 4


@pytest.mark.parametrize("days", ["0", "-1", "x", "36501"])
def test_what_is_no_number_of_days_is_refused(run: Run, days: str):
    assert run("retention", "set", "--", days).exit_code == 2
