"""Which commits a deployment brought, and how long each had taken."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from dora.shop import HOUR, lead_times, shop
from golden.examples import REPOSITORY, read_commits, read_deployments
from theodora.dora.derivation.commits import Commit, PullRequest, Repository
from theodora.dora.derivation.derive import derive
from theodora.dora.derivation.derived import Derived
from theodora.dora.derivation.sequence import DeploymentSequence
from theodora.dora.derivation.settings import ServiceSettings
from theodora.events import Git

HISTORY = """
    a  09:00
    b  10:00  <a
    c  11:00  <b
"""


def left_out(derived) -> dict[str, str]:
    return {each.sha: each.reason for each in derived.changes.left_out}


def test_lead_time_runs_from_writing_a_commit_to_the_end_of_its_deployment():
    found = shop("d0 09:30 sha=a\nd1 12:00 sha=c", commits=HISTORY)
    assert found["d1"].changes.status == "ok"
    assert lead_times(found["d1"]) == {"c": 1, "b": 2}


def test_commits_are_listed_newest_first():
    found = shop("d0 09:30 sha=a\nd1 12:00 sha=c", commits=HISTORY)
    assert [commit.sha for commit in found["d1"].changes.commits] == ["c", "b"]


def test_a_deployment_sums_up_its_commits_in_seconds():
    found = shop("d0 09:30 sha=a\nd1 12:00 sha=c", commits=HISTORY)["d1"].changes.lead_time
    assert (found.n, found.avg, found.min, found.max) == (2, 1.5 * HOUR, HOUR, 2 * HOUR)


def test_the_commit_clock_starts_at_the_commit_time():
    block = "a 09:00\nb 10:00 <a committed=11:30"
    found = shop("d0 09:30 sha=a\nd1 12:00 sha=b", commits=block, lead_time_clock="commit_time")
    assert lead_times(found["d1"]) == {"b": 0.5}


def test_without_a_sha_there_are_no_commits():
    assert shop("d0 09:30")["d0"].changes.status == "no_git"


@pytest.mark.parametrize("block", ["", HISTORY])
def test_a_sha_outside_the_graph_is_unknown(block):
    assert shop("d0 09:30 sha=z", commits=block)["d0"].changes.status == "unknown_commits"


def test_the_history_of_the_first_deployment_is_not_its_own_doing():
    found = shop("d0 12:00 sha=c", commits=HISTORY)["d0"].changes
    assert (found.status, found.commits, found.commits_total) == ("baseline", (), None)


def test_the_first_deployment_with_known_commits_is_the_baseline():
    found = shop("d0 09:30\nd1 10:30 sha=z\nd2 11:30 sha=b\nd3 12:00 sha=c", commits=HISTORY)
    statuses = [each.changes.status for each in found.values()]
    assert statuses == ["no_git", "unknown_commits", "baseline", "ok"]


def test_each_repository_of_a_sequence_has_a_baseline_of_its_own():
    graph = {commit.sha: commit for commit in read_commits(HISTORY)}
    given = read_deployments("d0 09:30 sha=a\nd1 11:30 sha=b\nd2 12:00 sha=b\nd3 12:30 sha=c")
    moved = msgspec.structs.replace(given[1], git=Git("b", "https://example.org/new"))
    found = derive(
        DeploymentSequence(
            deployments=(given[0], moved, *given[2:]),
            repositories=dict.fromkeys((REPOSITORY, "example.org/new"), Repository(commits=graph)),
        )
    )
    assert [each.changes.status for each in found] == ["baseline", "baseline", "ok", "ok"]


def test_after_a_pause_commits_are_listed_without_lead_times():
    found = shop("d0 01-01T09:30 sha=a\nd1 12:00 sha=c", commits=HISTORY)["d1"]
    assert found.changes.status == "gap"
    assert lead_times(found) == {"c": None, "b": None}
    assert found.changes.lead_time.n == 0


def test_a_pause_is_measured_from_the_last_deployment_with_known_commits():
    found = shop(
        "d0 01-01T09:30 sha=a\nd1 03-01T09:30 sha=z\nd2 03-01T10:30\nd3 12:00 sha=c",
        commits=HISTORY,
    )
    assert found["d3"].changes.status == "gap"


def test_a_pause_without_commits_is_a_gap_all_the_same():
    assert shop("d0 01-01T09:30 sha=a\nd1 12:00 sha=a", commits=HISTORY)["d1"].changes.status == (
        "gap"
    )


def test_commits_of_a_gap_are_shipped():
    found = shop("d0 01-01T09:30 sha=a\nd1 12:00 sha=b\nd2 13:00 sha=c", commits=HISTORY)
    assert lead_times(found["d2"]) == {"c": 2}


def test_merge_commits_are_left_out():
    block = HISTORY + "m 11:30 <a,c"
    found = shop("d0 09:30 sha=a\nd1 12:00 sha=m", commits=block)["d1"]
    assert lead_times(found) == {"c": 1, "b": 2}
    assert left_out(found) == {"m": "merge"}


def test_commits_of_other_paths_are_left_out_but_shipped():
    block = "a 09:00\nb 10:00 <a paths=web/x\nc 11:00 <b paths=pay/x"
    found = shop(
        "d0 09:30 sha=a\nd1 12:00 sha=c\nd2 13:00 sha=c", commits=block, path_globs=("web/**",)
    )
    assert lead_times(found["d1"]) == {"b": 2}
    assert left_out(found["d1"]) == {"c": "path"}
    assert found["d2"].changes.status == "no_new_commits"


def test_commits_without_stored_paths_do_not_match_and_raise_a_flag():
    found = shop("d0 09:30 sha=a\nd1 12:00 sha=b", commits=HISTORY, path_globs=("**",))["d1"]
    assert found.changes.status == "no_new_commits"
    assert found.flags == ("paths_missing",)


def test_a_merge_without_stored_paths_raises_no_flag():
    block = "a 09:00\nb 10:00 <a paths=web/x\nm 11:00 <a,b"
    found = shop("d0 09:30 sha=a\nd1 12:00 sha=m", commits=block, path_globs=("web/**",))["d1"]
    assert found.flags == ()


def test_a_commit_from_the_future_has_no_lead_time_and_raises_a_flag():
    found = shop("d0 09:30 sha=a\nd1 10:30 sha=c", commits=HISTORY)["d1"]
    assert lead_times(found) == {"c": None, "b": 0.5}
    assert [commit.flags for commit in found.changes.commits] == [("negative_span",), ()]
    assert found.flags == ("negative_span",)
    assert found.changes.lead_time.n == 1


def undated(sha: str, **members: object) -> tuple[Commit, ...]:
    """The history, with other facts of one of its commits."""
    return tuple(
        msgspec.structs.replace(each, **members) if each.sha == sha else each
        for each in read_commits(HISTORY)
    )


def of_commits(commits: Iterable[Commit], deployments: str, **settings: Any) -> dict[str, Derived]:
    sequence = DeploymentSequence(
        deployments=read_deployments(deployments),
        repositories={REPOSITORY: Repository(commits={each.sha: each for each in commits})},
        settings=ServiceSettings(**settings),
    )
    return {each.deployment.id: each for each in derive(sequence)}


def test_a_commit_without_a_date_has_no_lead_time_and_no_stages_and_raises_a_flag():
    commits = undated("b", author_time_ns=None)
    found = of_commits(commits, "d0 09:30 sha=a\nd1 12:00 sha=c")["d1"]
    assert found.changes.status == "ok"
    assert [commit.sha for commit in found.changes.commits] == ["c", "b"]
    assert lead_times(found) == {"c": 1, "b": None}
    assert found.changes.commits[1].stages is None
    assert found.changes.commits[1].flags == ("unreadable_time",)
    assert found.flags == ("unreadable_time",)
    assert found.changes.lead_time.n == 1


@pytest.mark.parametrize(("clock", "expected"), [("author_time", None), ("commit_time", 2)])
def test_the_date_that_counts_is_that_of_the_clock(clock, expected):
    commits = undated("b", author_time_ns=None)
    deployments = "d0 09:30 sha=a\nd1 12:00 sha=b"
    found = of_commits(commits, deployments, lead_time_clock=clock)["d1"]
    assert lead_times(found) == {"b": expected}


def test_originals_without_a_date_have_no_lead_time_either():
    pull_request = PullRequest(
        number=1,
        merge_commit_sha="b",
        merge_method="squash",
        commits=(Commit(sha="o", author_time_ns=None, commit_time_ns=None),),
    )
    repository = Repository(
        commits={each.sha: each for each in read_commits(HISTORY)}, pull_requests=(pull_request,)
    )
    sequence = DeploymentSequence(
        deployments=read_deployments("d0 09:30 sha=a\nd1 12:00 sha=b"),
        repositories={REPOSITORY: repository},
    )
    assert lead_times(derive(sequence)[1]) == {"o": None}


SHALLOW = tuple(
    msgspec.structs.replace(each, is_shallow=True)
    for each in read_commits("c 11:00 <b\na 09:00 <z")
)
"""The last commit of two clones with nothing before it."""


def test_what_a_shallow_clone_cut_off_makes_the_commits_unknown():
    found = of_commits(SHALLOW, "d0 09:30 sha=a\nd1 12:00 sha=c")
    assert found["d0"].changes.status == "baseline"
    changes = found["d1"].changes
    assert (changes.status, changes.commits_total) == ("unknown_commits", None)
    assert changes.flags == ("shallow",)
    assert lead_times(found["d1"]) == {"c": None}
    assert found["d1"].verdict.change_failure is None
    assert found["d1"].event.lead_time_status == "shallow"


def test_commits_that_come_later_close_the_cut():
    commits = [*SHALLOW, *read_commits("b 10:00 <a")]
    found = of_commits(commits, "d0 09:30 sha=a\nd1 12:00 sha=c")["d1"]
    assert (found.changes.status, found.flags) == ("ok", ())
    assert lead_times(found) == {"c": 1, "b": 2}


def test_a_cut_that_an_earlier_deployment_shipped_is_not_that_of_a_later_one():
    commits = [*SHALLOW[1:], *read_commits("b 10:00 <a")]
    found = of_commits(commits, "d0 09:30 sha=a\nd1 12:00 sha=b")
    assert found["d0"].flags == ("shallow",)
    assert (found["d1"].changes.status, found["d1"].flags) == ("ok", ())


def test_a_parent_that_was_never_sent_is_no_proof_of_a_shallow_clone():
    found = shop("d0 09:30 sha=a\nd1 12:00 sha=c", commits="a 09:00 <z\nc 11:00 <b")["d1"]
    assert (found.changes.status, found.flags) == ("ok", ())


def test_rules_see_the_commits_of_a_shallow_clone():
    cut = (msgspec.structs.replace(SHALLOW[0], subject='Revert "Add cart"'), *SHALLOW[1:])
    shipped = msgspec.structs.replace(read_commits("b 10:00 <a | Add cart")[0], sha="x")
    deployments = "d0 09:30 sha=a\nd1 10:30 sha=x\nd2 12:00 sha=c"
    found = of_commits([*cut, shipped], deployments)
    assert found["d1"].verdict.change_failure is True
    assert found["d2"].decision.type == "rollforward"


def test_a_lead_time_may_be_zero():
    assert lead_times(shop("d0 09:30 sha=a\nd1 10:00 sha=b", commits=HISTORY)["d1"]) == {"b": 0}


SQUASHED = """
    a  09:00
    s  12:00  <a  | Add coupons (#21)
"""
BRANCH = "#21 merge=s method=squash commits=o1@10:00,o2@11:00 | Add coupons"


def test_originals_stand_in_for_their_squash():
    found = shop("d0 09:30 sha=a\nd1 13:00 sha=s", commits=SQUASHED, pull_requests=BRANCH)["d1"]
    assert lead_times(found) == {"o2": 2, "o1": 3}
    assert {commit.squashed_into for commit in found.changes.commits} == {"s"}
    assert {commit.pull_request for commit in found.changes.commits} == {21}
    assert found.flags == ()


def test_a_squash_of_unknown_originals_is_measured_itself_and_flagged():
    unknown = "#21 merge=s method=squash | Add coupons"
    found = shop("d0 09:30 sha=a\nd1 13:00 sha=s", commits=SQUASHED, pull_requests=unknown)["d1"]
    assert lead_times(found) == {"s": 1}
    assert found.flags == ("squash_unresolved",)


def test_originals_that_ran_from_their_branch_do_not_count_again():
    block = SQUASHED + "o1 10:00 <a\no2 11:00 <o1"
    found = shop(
        "d0 09:30 sha=a\nd1 11:30 sha=o1\nd2 13:00 sha=s", commits=block, pull_requests=BRANCH
    )
    assert lead_times(found["d1"]) == {"o1": 1.5}
    assert lead_times(found["d2"]) == {"o2": 2}
    assert left_out(found["d2"]) == {"o1": "counted"}


def test_originals_of_two_stacked_squashes_count_with_the_first():
    block = SQUASHED + "t 14:00 <s"
    stacked = BRANCH + "\n#22 merge=t method=squash commits=o2@11:00,o3@13:30 | Use coupons"
    found = shop(
        "d0 09:30 sha=a\nd1 13:00 sha=s\nd2 15:00 sha=t", commits=block, pull_requests=stacked
    )
    assert lead_times(found["d1"]) == {"o2": 2, "o1": 3}
    assert lead_times(found["d2"]) == {"o3": 1.5}


def test_originals_that_come_in_the_same_deployment_count_once():
    block = SQUASHED + "o1 10:00 <a\nm 12:30 <s,o1"
    found = shop("d0 09:30 sha=a\nd1 13:00 sha=m", commits=block, pull_requests=BRANCH)["d1"]
    assert lead_times(found) == {"o2": 2, "o1": 3}
