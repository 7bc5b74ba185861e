"""Original commits and merge methods of pull requests whose source does not provide them."""

from collections.abc import Mapping

import msgspec

from theodora.dora.derivation.commits import Commit, MergeMethod, PullRequest

_MOST_COMMITS = 1_000
"""Of a longer branch the originals are not looked for: nobody reviews so many."""


def with_originals(pull_request: PullRequest, commits: Mapping[str, Commit]) -> PullRequest:
    """The pull request with what the repository's commits show about it.

    Its originals are the last commits of its branch, as many as its source counts. How it was
    merged shows in its merge commit: a merge has two parents, a rebase repeats the messages of
    the originals, and anything else is a squash.
    """
    originals = pull_request.commits or _last_of_branch(pull_request, commits)
    merge = commits.get(pull_request.merge_commit_sha or "")
    method = pull_request.merge_method
    if method is None and merge is not None and originals and pull_request.head_sha:
        method = _merge_method(merge, originals, commits)
    if originals == pull_request.commits and method == pull_request.merge_method:
        return pull_request
    return msgspec.structs.replace(pull_request, commits=originals, merge_method=method)


def _last_of_branch(pull_request: PullRequest, commits: Mapping[str, Commit]) -> tuple[Commit, ...]:
    """Empty unless all of them are known: some would look like all."""
    if pull_request.commit_count > _MOST_COMMITS:
        return ()
    found: list[Commit] = []
    sha = pull_request.head_sha
    while sha and len(found) < pull_request.commit_count:
        commit = commits.get(sha)
        if commit is None:
            return ()
        found.append(commit)
        # Commits of the target that were merged into the branch are none of its own.
        sha = commit.parents[0] if commit.parents else None
    return tuple(reversed(found)) if len(found) == pull_request.commit_count else ()


def _merge_method(
    merge: Commit, originals: tuple[Commit, ...], commits: Mapping[str, Commit]
) -> MergeMethod | None:
    if merge.is_merge:
        return "merge"
    if merge.sha == originals[-1].sha:
        return None
    if len(originals) == 1:
        # A rebase of one commit looks the same, and has the same author time.
        return "squash"
    rebased: Commit | None = merge
    for original in reversed(originals):
        if rebased is None or rebased.subject != original.subject:
            return "squash"
        rebased = commits.get(rebased.parents[0]) if rebased.parents else None
    return "rebase"
