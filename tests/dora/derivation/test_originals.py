"""Original commits and merge methods, found in the commits of a repository."""

import msgspec
import pytest

from theodora.dora import Commit, PullRequest
from theodora.dora.derivation.originals import with_originals


def commit(sha: str, *parents: str, subject: str = "") -> Commit:
    return Commit(
        sha=sha, parents=parents, author_time_ns=1, commit_time_ns=1, subject=subject or sha
    )


def graph(*commits: Commit) -> dict[str, Commit]:
    return {each.sha: each for each in commits}


BRANCH = (commit("one", "base"), commit("two", "one"))
REBASED = (commit("first", "base", subject="one"), commit("merged", "first", subject="two"))
REQUEST = PullRequest(number=1, head_sha="two", commit_count=2, merge_commit_sha="merged")


@pytest.mark.parametrize(
    ("merged", "method"),
    [
        ((commit("merged", "base", "two"),), "merge"),
        ((commit("merged", "base", subject="Both (#1)"),), "squash"),
        ((commit("merged", "base", subject="two"),), "squash"),
        (
            (commit("first", "base", subject="one"), commit("merged", "first", subject="two")),
            "rebase",
        ),
        ((), None),
    ],
)
def test_the_merge_commit_shows_how_a_request_was_merged(
    merged: tuple[Commit, ...], method: str | None
) -> None:
    found = with_originals(REQUEST, graph(*BRANCH, *merged))
    assert (found.commits, found.merge_method) == (BRANCH, method)


def test_a_branch_that_was_moved_forward_was_not_merged_by_a_method() -> None:
    request = msgspec.structs.replace(REQUEST, merge_commit_sha="two")
    assert with_originals(request, graph(*BRANCH)).merge_method is None


def test_one_commit_that_became_another_was_squashed() -> None:
    request = msgspec.structs.replace(REQUEST, commit_count=1)
    found = with_originals(request, graph(*BRANCH, commit("merged", "base", subject="two")))
    assert (found.commits, found.merge_method) == (BRANCH[1:], "squash")


def test_originals_are_complete_or_unknown() -> None:
    for known in (BRANCH[:1], BRANCH[1:], ()):
        found = with_originals(REQUEST, graph(*known, commit("merged", "base")))
        assert (found.commits, found.merge_method) == ((), None)
    for count in (0, 3, 1_001):
        request = msgspec.structs.replace(REQUEST, commit_count=count)
        assert with_originals(request, graph(*BRANCH)).commits == ()
    rooted = msgspec.structs.replace(REQUEST, commit_count=3)
    assert with_originals(rooted, graph(commit("one"), BRANCH[1])).commits == ()
    long = [commit(str(number), str(number - 1)) for number in range(2_000)]
    branch = msgspec.structs.replace(REQUEST, head_sha="1999", commit_count=1_001)
    assert with_originals(branch, graph(*long)).commits == ()


def test_what_the_source_provides_stays() -> None:
    given = msgspec.structs.replace(REQUEST, commits=BRANCH[:1], merge_method="rebase")
    assert with_originals(given, graph(*BRANCH, commit("merged", "base"))) is given
    imported = PullRequest(number=1, commits=BRANCH, merge_commit_sha="merged")
    assert with_originals(imported, graph(*BRANCH, commit("merged", "base"))) is imported
