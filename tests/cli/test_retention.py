"""`theodora retention`: for how many days events are kept."""

import re
import time

import pytest

from commands import Run

DAY_SEC = 86_400


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
    set_ = run("retention", "set", "90", "--confirm", "2", "--deletion-delay-hours", "0")
    assert re.fullmatch(
        r"from \d{4}-\d\d-\d\d \d\d:\d\d UTC events are kept for 90 days: "
        r"up to 2 deployments and 0 failures are deleted then\n"
        r"take it back with: theodora retention undo\n",
        set_.stdout,
    )
    assert count(run) == 4
    assert run("retention", "apply").stdout.endswith("removed 2 deployments and 0 failures\n")
    assert run("retention", "show").stdout == "events are kept for 90 days\n"
    assert count(run) == 2


@pytest.mark.parametrize("confirm", [[], ["--confirm", "1"], ["--confirm", "3"]])
def test_a_shorter_limit_is_confirmed_by_the_number_of_events(run: Run, confirm: list[str]):
    result = run("retention", "set", "90", *confirm)
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: up to 2 deployments and 0 failures would be deleted for good: confirm that with "
        "--confirm 2\n"
    )
    assert run("retention", "show").stdout == "events are kept for ever\n"


def test_a_limit_is_taken_back(run: Run):
    run("retention", "set", "90", "--confirm", "2")
    assert "events are kept for 90 days" in run("retention", "show").stdout
    assert run("retention", "undo").stdout == "events are kept for ever\n"
    assert run("retention", "show").stdout == "events are kept for ever\n"
    assert run("retention", "undo").stderr == "Error: no shorter limit is planned\n"
    run("retention", "apply")
    assert count(run) == 4


def test_what_was_refused_is_shown_and_confirmed(run: Run):
    run("retention", "set", "90", "--confirm", "2", "--deletion-delay-hours", "0")
    later_ns = time.time_ns() + 100 * DAY_SEC * 10**9
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(time, "time_ns", lambda: later_ns)
        refused = run("retention", "apply")
        assert refused.exit_code == 1
        assert refused.stderr.endswith("theodora retention show prints why\n")
        assert "old events are not deleted: the clock is at" in run("retention", "show").stdout
        assert run("retention", "confirm-clock").stdout.startswith("the clock is right: ")
        assert run("retention", "apply").exit_code == 0
    assert count(run) == 1


@pytest.mark.parametrize("days", ["0", "-1", "x", "36501"])
def test_what_is_no_number_of_days_is_refused(run: Run, days: str):
    assert run("retention", "set", "--", days).exit_code == 2
