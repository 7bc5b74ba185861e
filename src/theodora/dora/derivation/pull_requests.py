"""Pull requests by commit, and the originals of squash commits."""

from collections.abc import Collection, Iterable, Mapping

from theodora.dora.derivation.commits import Commit, PullRequest


class PullRequests:
    """The pull requests of one repository by the commits they hold, first merged first."""

    def __init__(self, pull_requests: Iterable[PullRequest]) -> None:
        self._holding: dict[str, list[PullRequest]] = {}
        self._merged_as: dict[str, PullRequest] = {}
        self._ending_in: dict[str, list[PullRequest]] = {}
        for pull_request in sorted(pull_requests, key=_first_merged_first):
            self._add(pull_request)

    def _add(self, pull_request: PullRequest) -> None:
        shas = {commit.sha for commit in pull_request.commits}
        if merge := pull_request.merge_commit_sha:
            shas.add(merge)
            self._merged_as.setdefault(merge, pull_request)
        for sha in shas:
            self._holding.setdefault(sha, []).append(pull_request)
        if last := _last_sha(pull_request):
            self._ending_in.setdefault(last, []).append(pull_request)

    def holding(self, sha: str) -> list[PullRequest]:
        """The pull requests with the commit on their branch or as their merge commit."""
        return self._holding.get(sha, [])

    def shipped_with(self, new: Collection[Commit], ours: Iterable[Commit]) -> list[PullRequest]:
        """The merged pull requests that commits new to a deployment complete, by number.

        Those are the ones whose merge is among them, and that hold one of `ours`: the commits of
        the service, or their merges.
        """
        shas = {commit.sha for commit in new}
        held = {each.number: each for commit in ours for each in self.holding(commit.sha)}
        ended = {each.number for sha in shas for each in self._ending_in.get(sha, ())}
        return [held[number] for number in sorted(ended & held.keys())]

    def first_holding(self, sha: str) -> PullRequest | None:
        """The first merged pull request that contains the commit."""
        return next(iter(self.holding(sha)), None)

    def merged_as(self, sha: str) -> PullRequest | None:
        """The one whose merge made this commit."""
        return self._merged_as.get(sha)


def squashed_originals(
    commit: Commit, merged_as: PullRequest | None, graph: Mapping[str, Commit]
) -> tuple[Commit, ...] | None:
    """The commits that `commit` is the squash of; None if it is not a squash.

    Empty for a squash whose originals are not known. Where the source does not give the
    merge method, a pull request of two or more commits, none of them in the repository's
    graph, must have been squashed.
    """
    if merged_as is None or len(commit.parents) != 1:
        return None
    if merged_as.merge_method is None:
        originals = merged_as.commits
        if len(originals) < 2 or any(original.sha in graph for original in originals):
            return None
    elif merged_as.merge_method != "squash":
        return None
    return tuple(original for original in merged_as.commits if not original.is_merge)


def _last_sha(pull_request: PullRequest) -> str | None:
    """The commit with which all of a merged pull request has been shipped; None if it is open."""
    if pull_request.merge_commit_sha:
        return pull_request.merge_commit_sha
    if pull_request.merged_at_ns is None:
        return None
    last = pull_request.commits[-1].sha if pull_request.commits else None
    return pull_request.head_sha or last


def _first_merged_first(pull_request: PullRequest) -> tuple[bool, int, int]:
    merged_at_ns = pull_request.merged_at_ns
    return merged_at_ns is None, merged_at_ns or 0, pull_request.number
