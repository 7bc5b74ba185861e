"""Pull requests and the commits they hold."""

from golden.examples import read_commits, read_pull_requests
from theodora.dora.derivation.commits import PullRequest
from theodora.dora.derivation.pull_requests import PullRequests, squashed_originals

(SQUASH,) = read_commits("s 12:00 <a")


def test_a_commit_is_held_by_its_branch_and_its_merge():
    (pull_request,) = read_pull_requests("#1 merge=m method=merge commits=b@10:00 | One")
    known = PullRequests([pull_request])
    assert known.holding("b") == known.holding("m") == [pull_request]
    assert known.holding("x") == []


def test_of_two_that_hold_a_commit_the_first_merged_comes_first():
    late, early, never = read_pull_requests("""
        #1  merge=m method=merge commits=b@10:00 merged=15:00 | Late
        #2  merge=n method=merge commits=b@10:00 merged=14:00 | Early
        #3  merge=o method=merge commits=b@10:00              | Never
    """)
    known = PullRequests([never, late, early])
    assert known.holding("b") == [early, late, never]
    assert known.first_holding("b") == early


def test_a_commit_without_pull_request_has_no_first():
    assert PullRequests([]).first_holding("b") is None


def squash(**known) -> PullRequest:
    return PullRequest(number=1, merge_commit_sha="s", **known)


ORIGINALS = read_commits("o1 10:00\no2 11:00")


def test_a_squash_stands_for_its_originals():
    assert squashed_originals(SQUASH, squash(merge_method="squash", commits=ORIGINALS), {}) == (
        ORIGINALS
    )


def test_merges_among_the_originals_are_left_out():
    with_merge = ORIGINALS + read_commits("o3 11:30 <o2,a")
    pull_request = squash(merge_method="squash", commits=with_merge)
    assert squashed_originals(SQUASH, pull_request, {}) == ORIGINALS


def test_a_squash_without_known_originals_stands_for_none():
    assert squashed_originals(SQUASH, squash(merge_method="squash"), {}) == ()


def test_merged_or_rebased_commits_stand_for_themselves():
    for method in ("merge", "rebase"):
        pull_request = squash(merge_method=method, commits=ORIGINALS)
        assert squashed_originals(SQUASH, pull_request, {}) is None


def test_a_commit_that_no_pull_request_made_stands_for_itself():
    assert squashed_originals(SQUASH, None, {}) is None


def test_a_merge_commit_is_no_squash():
    (merge,) = read_commits("s 12:00 <a,b")
    pull_request = squash(merge_method="squash", commits=ORIGINALS)
    assert squashed_originals(merge, pull_request, {}) is None


def test_an_unknown_method_is_a_squash_if_originals_are_several_and_not_in_the_graph():
    unknown = squash(commits=ORIGINALS)
    assert squashed_originals(SQUASH, unknown, {"s": SQUASH}) == ORIGINALS
    assert squashed_originals(SQUASH, unknown, {"o2": ORIGINALS[1]}) is None
    assert squashed_originals(SQUASH, squash(commits=ORIGINALS[:1]), {}) is None
