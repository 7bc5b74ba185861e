"""The stages of a lead time."""

import pytest

from dora.shop import HOUR_NS, shop
from golden.examples import instant_ns
from theodora.dora.derivation.commits import PullRequest
from theodora.dora.derivation.stages import STAGES, Stages, stages_of
from theodora.events import Deployment

COMMIT = instant_ns("10:00")
FINISH = instant_ns("20:00")


def deployment(started: str = "19:00") -> Deployment:
    started_at_ns = instant_ns(started)
    return Deployment(id="d1", service="shop", started_at_ns=started_at_ns, finished_at_ns=FINISH)


def pull_request(**times: str) -> PullRequest:
    instants = {f"{name}_at_ns": instant_ns(time) for name, time in times.items()}
    return PullRequest(number=1, **instants)


def stages(pull_request: PullRequest | None, *, commit: int = COMMIT, started="19:00") -> dict:
    found = stages_of(commit, FINISH - commit, pull_request, deployment(started))
    spans = {stage: getattr(found, stage) for stage in STAGES}
    return {stage: span / HOUR_NS for stage, span in spans.items() if span is not None}


def test_every_stage_of_a_reviewed_commit():
    reviewed = pull_request(ready="11:00", last_approved="13:00", merged="16:00")
    assert stages(reviewed) == {
        "time_to_pr_ready": 1,
        "review_time": 2,
        "merge_time": 3,
        "time_to_deploy": 3,
        "deploy_time": 1,
        "other": 0,
    }


def test_a_commit_without_pull_request_waits_from_its_writing():
    assert stages(None) == {"time_to_deploy": 9, "deploy_time": 1, "other": 0}


def test_a_pull_request_that_never_was_a_draft_is_ready_when_made():
    made = pull_request(created="11:00", last_approved="13:00", merged="16:00")
    assert stages(made)["time_to_pr_ready"] == 1
    assert stages(made)["review_time"] == 2


def test_without_any_time_of_readiness_review_is_unknown_and_goes_to_other():
    unready = pull_request(last_approved="13:00", merged="16:00")
    assert stages(unready) == {
        "merge_time": 3,
        "time_to_deploy": 3,
        "deploy_time": 1,
        "other": 3,
    }


def test_without_approval_review_and_merge_are_unknown():
    unapproved = pull_request(ready="11:00", merged="16:00")
    assert stages(unapproved) == {
        "time_to_pr_ready": 1,
        "time_to_deploy": 3,
        "deploy_time": 1,
        "other": 5,
    }


def test_an_approval_after_the_merge_is_none():
    late = pull_request(ready="11:00", last_approved="17:00", merged="16:00")
    assert "review_time" not in stages(late)


def test_an_approval_at_the_moment_of_the_merge_counts():
    at_once = pull_request(ready="11:00", last_approved="16:00", merged="16:00")
    assert (stages(at_once)["review_time"], stages(at_once)["merge_time"]) == (5, 0)


def test_without_a_merge_time_only_the_roll_out_is_known_after_the_review():
    unmerged = pull_request(ready="11:00", last_approved="13:00")
    assert stages(unmerged) == {
        "time_to_pr_ready": 1,
        "review_time": 2,
        "deploy_time": 1,
        "other": 6,
    }


@pytest.mark.parametrize(
    ("commit", "expected"),
    [
        ("11:00", {"review_time": 2, "merge_time": 3}),
        ("12:00", {"review_time": 1, "merge_time": 3}),
        ("13:00", {"merge_time": 3}),
        ("14:00", {"merge_time": 2}),
    ],
)
def test_stages_begin_no_earlier_than_the_commit(commit, expected):
    reviewed = pull_request(ready="11:00", last_approved="13:00", merged="16:00")
    found = stages(reviewed, commit=instant_ns(commit))
    late = expected | {"time_to_deploy": 3, "deploy_time": 1, "other": 0}
    assert found == late


def test_a_negative_stage_is_unknown_alone():
    draft_again = pull_request(ready="14:00", last_approved="13:00", merged="16:00")
    assert stages(draft_again) == {
        "time_to_pr_ready": 4,
        "merge_time": 2,
        "time_to_deploy": 3,
        "deploy_time": 1,
        "other": 0,
    }


def test_where_the_roll_out_began_before_the_merge_nothing_is_left_for_other():
    early = pull_request(ready="11:00", last_approved="13:00", merged="16:00")
    assert stages(early, started="15:00") == {
        "time_to_pr_ready": 1,
        "review_time": 2,
        "merge_time": 3,
        "deploy_time": 5,
    }


def test_without_a_start_the_roll_out_is_unknown():
    assert stages(None, started="20:00") == {"time_to_deploy": 10, "other": 0}


def test_commits_without_lead_time_have_no_stages():
    found = shop(
        "d0 09:30 sha=a\nd1 10:30 sha=c",
        commits="a 09:00\nb 10:00 <a\nc 11:00 <b",
    )["d1"]
    assert [commit.stages is None for commit in found.changes.commits] == [True, False]
    assert found.changes.commits[1].stages == Stages(time_to_deploy=HOUR_NS // 2, other=0)
