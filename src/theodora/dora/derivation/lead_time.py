"""Change lead time: the commits of a deployment, and the time that each took."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

import msgspec

from theodora.dora.derivation.authorship import authorship_of, bots_named
from theodora.dora.derivation.cache import Brought, DerivationCache, Pace
from theodora.dora.derivation.commits import Commit, PullRequest, Repository, Shipped, Taken
from theodora.dora.derivation.derived import (
    Changes,
    Flag,
    LeadTime,
    LeftOut,
    NewCommit,
    ShippedRequest,
    Status,
)
from theodora.dora.derivation.exclusions import Exclusions
from theodora.dora.derivation.path_globs import PathFilter
from theodora.dora.derivation.pull_requests import PullRequests, squashed_originals
from theodora.dora.derivation.settings import ServiceSettings
from theodora.dora.derivation.shipments import NOTHING_SHIPPED, Shipment
from theodora.dora.derivation.stages import mean_of, stages_of
from theodora.events import Deployment, Git, MatchKeys
from theodora.events.values import DAY_NS, SECOND_NS

COMMIT_LIMIT = 5_000
"""A deployment lists and measures at most this many commits, the newest."""


def _nothing(status: Status) -> Brought:
    """The result if no commits are known."""
    return Brought(
        None, (0, 0), "usual", Taken((), ()), (), Changes(status=status), NOTHING_SHIPPED
    )


_NO_GIT = _nothing("no_git")
_UNKNOWN_COMMITS = _nothing("unknown_commits")

_COMMIT_FLAGS: tuple[Flag, ...] = ("squash_unresolved", "negative_span", "unreadable_time")


class _Candidate(msgspec.Struct, frozen=True, gc=False):
    """A commit to be measured: one of the graph, or an original of a squash commit."""

    commit: Commit
    squashed_into: str | None = None
    is_unresolved: bool = False


class _RepositoryState:
    """The state of a sequence in one repository."""

    def __init__(self, match_key: str, repository: Repository) -> None:
        self.match_key = match_key
        self.repository = repository
        self.graph = repository.commits
        self.pull_requests = PullRequests(repository.pull_requests)
        self.shipped = Shipped(repository.commits)
        self.seen: set[str] = set()
        """Commits of the deployments so far, with the originals that stood for squashes."""
        self.last_finished_at_ns: int | None = None


class LeadTimes:
    """The lead times of one sequence, to be asked deployment by deployment in its order."""

    def __init__(
        self,
        settings: ServiceSettings,
        repositories: Mapping[str, Repository],
        cache: DerivationCache,
        keys: MatchKeys,
    ) -> None:
        """`repositories` are by match key."""
        self._keys = keys
        self._recall = cache.brought
        self._time_ns = attrgetter(f"{settings.lead_time_clock}_ns")
        self._gap_ns = settings.lead_time_gap_days * DAY_NS or None
        self._paths = PathFilter(settings.path_globs) if settings.path_globs else None
        has_exclusions = settings.exclude_authors or settings.exclude_labels
        self._exclusions = Exclusions(settings) if has_exclusions else None
        self._bots = bots_named(settings.bots)
        self._repositories = repositories
        self._progress: dict[str, _RepositoryState] = {}

    def of(self, deployment: Deployment) -> Brought:
        """The commits and lead times of `deployment`."""
        git = deployment.git
        if not git:
            return _NO_GIT
        progress = self._progress_in(git.repository_id)
        if progress is None or git.commit_sha not in progress.graph:
            return _UNKNOWN_COMMITS
        pace = self._pace(progress, deployment)
        progress.last_finished_at_ns = deployment.finished_at_ns
        brought = self._recalled(progress, deployment, pace)
        if brought is None:
            brought = self._brought(progress, deployment, git, pace)
        progress.seen.update(brought.counted, brought.taken.shas)
        return brought

    def repeat(self, deployment: Deployment, brought: Brought) -> None:
        """Go on from `deployment`, which brought this after the very same deployments before."""
        if brought.git and (progress := self._progress_in(brought.git.repository_id)):
            progress.last_finished_at_ns = deployment.finished_at_ns
            progress.shipped.add(brought.taken)
            progress.seen.update(brought.counted, brought.taken.shas)

    def _pace(self, progress: _RepositoryState, deployment: Deployment) -> Pace:
        """How the deployment follows the one before it from this repository."""
        before_ns = progress.last_finished_at_ns
        if before_ns is None:
            return "first"
        is_gap = self._gap_ns is not None and deployment.finished_at_ns - before_ns > self._gap_ns
        return "gap" if is_gap else "usual"

    def _progress_in(self, repository_id: str) -> _RepositoryState | None:
        key = self._keys.key(repository_id)
        known = self._progress.get(key)
        if known is None and (repository := self._repositories.get(key)):
            known = self._progress[key] = _RepositoryState(key, repository)
        return known

    def _recalled(
        self, progress: _RepositoryState, deployment: Deployment, pace: Pace
    ) -> Brought | None:
        """The result in the cache, if the commits are the same and none was counted before.

        Its commits count as shipped then.
        """
        known = self._recall.get(deployment.id)
        if (
            known
            and known.is_of(deployment, pace)
            # A late event before this one may have counted a commit meanwhile.
            and progress.seen.isdisjoint(known.counted)
            and progress.shipped.take_again(known.taken)
        ):
            return known
        return None

    def _brought(
        self, progress: _RepositoryState, deployment: Deployment, git: Git, pace: Pace
    ) -> Brought:
        """The result, which is cached unless some commits had been counted before."""
        found = progress.shipped.take(git.commit_sha)
        taken = progress.shipped.taken(git.commit_sha, found)
        times_ns = deployment.started_at_ns, deployment.finished_at_ns
        repeated: Sequence[LeftOut] = ()
        is_cut = any(map(progress.repository.is_cut, found))
        # Its commits are everything before it in the history, not what it changed.
        if pace == "first":
            flags: tuple[Flag, ...] = ("shallow",) if is_cut else ()
            changes = Changes(status="baseline", flags=flags)
            shipment, counted = NOTHING_SHIPPED, ()
        else:
            new = sorted(found, key=_newest_first)
            ours = [each for each in new if self._is_ours(each)]
            shipment = _shipment(progress, ours)
            kept, excluded = self._kept(progress, _stand_ins(progress, shipment.commits))
            candidates, repeated = _unseen(progress, kept)
            left_out = (*self._left_out(new), *excluded, *repeated)
            counted = tuple(each.commit.sha for each in candidates)
            status = "gap" if pace == "gap" else "unknown_commits" if is_cut else "ok"
            changes = self._changes(progress, deployment, status, new, candidates, left_out)
            changes = _with_shipped(changes, progress, new, ours)
            if is_cut:
                changes = _shallow(changes)
        brought = Brought(git, times_ns, pace, taken, counted, changes, shipment)
        # Commits counted before depend on other deployments, so this result must not be reused.
        if repeated:
            self._recall.pop(deployment.id, None)
        else:
            self._recall[deployment.id] = brought
        return brought

    def _changes(
        self,
        progress: _RepositoryState,
        deployment: Deployment,
        status: Status,
        new: Sequence[Commit],
        candidates: Sequence[_Candidate],
        left_out: tuple[LeftOut, ...],
    ) -> Changes:
        is_ok = status == "ok"
        measured = tuple(
            self._measured(each, progress, deployment, is_counted=is_ok)
            for each in candidates[:COMMIT_LIMIT]
        )
        return Changes(
            status="no_new_commits" if is_ok and not measured else status,
            commits=measured,
            commits_total=len(candidates),
            left_out=left_out[:COMMIT_LIMIT],
            lead_time=lead_time_of(measured),
            mean_stages=mean_of(each.stages for each in measured),
            flags=tuple(self._flags(new, measured, len(candidates))),
        )

    def _is_ours(self, commit: Commit) -> bool:
        return self._paths is None or self._paths.matches(commit.paths or ())

    def _left_out(self, new: Iterable[Commit]) -> Iterator[LeftOut]:
        for commit in new:
            if commit.is_merge:
                yield LeftOut(commit.sha, "merge")
            elif not self._is_ours(commit):
                yield LeftOut(commit.sha, "path")

    def _kept(
        self, progress: _RepositoryState, candidates: Iterable[_Candidate]
    ) -> tuple[Iterable[_Candidate], Sequence[LeftOut]]:
        """The commits that the settings do not exclude, and the others, each once.

        Rules still read the others: a bot may revert too.
        """
        if self._exclusions is None:
            return candidates, ()
        kept: list[_Candidate] = []
        excluded: dict[str, LeftOut] = {}
        for candidate in candidates:
            sha = candidate.commit.sha
            brought_by = progress.pull_requests.first_holding(sha)
            reason = self._exclusions.reason(candidate.commit, brought_by)
            if reason:
                excluded[sha] = LeftOut(sha, reason)
            else:
                kept.append(candidate)
        return kept, tuple(excluded.values())

    def _measured(
        self,
        candidate: _Candidate,
        progress: _RepositoryState,
        deployment: Deployment,
        *,
        is_counted: bool,
    ) -> NewCommit:
        """A commit with its lead time, if those of the deployment count and it has one."""
        commit = candidate.commit
        pull_request = progress.pull_requests.first_holding(commit.sha)
        time_ns = self._time_ns(commit)
        lead_time_ns = stages = None
        is_negative = False
        # After a gap, or with unknown commits, times would measure the pause or a part of the work.
        if is_counted and time_ns is not None:
            span_ns = deployment.finished_at_ns - time_ns
            is_negative = span_ns < 0
            if not is_negative:
                lead_time_ns = span_ns
                stages = stages_of(time_ns, span_ns, pull_request, deployment)
        return NewCommit(
            sha=commit.sha,
            time_ns=time_ns,
            lead_time_ns=lead_time_ns,
            stages=stages,
            pull_request=pull_request.number if pull_request else None,
            squashed_into=candidate.squashed_into,
            flags=_commit_flags(candidate, is_negative=is_negative, is_unreadable=time_ns is None),
            authorship=authorship_of(commit, self._bots),
            until_merge_ns=_until_merge_ns(candidate, pull_request),
        )

    def _flags(
        self, new: Iterable[Commit], measured: Sequence[NewCommit], total: int
    ) -> Iterator[Flag]:
        if total > COMMIT_LIMIT:
            yield "commits_truncated"
        if self._paths and any(each.paths is None and not each.is_merge for each in new):
            # Such commits count for no service with path globs, which would otherwise go unnoticed.
            yield "paths_missing"
        for flag in _COMMIT_FLAGS:
            if any(flag in commit.flags for commit in measured):
                yield flag


def _shipment(progress: _RepositoryState, ours: Iterable[Commit]) -> Shipment:
    commits: list[Commit] = []
    merges: list[Commit] = []
    pull_requests: dict[int, PullRequest] = {}
    for commit in ours:
        (merges if commit.is_merge else commits).append(commit)
        for pull_request in progress.pull_requests.holding(commit.sha):
            pull_requests[pull_request.number] = pull_request
    return Shipment(
        progress.match_key, tuple(commits), tuple(merges), tuple(pull_requests.values())
    )


def _with_shipped(
    changes: Changes, progress: _RepositoryState, new: Sequence[Commit], ours: Sequence[Commit]
) -> Changes:
    shipped = progress.pull_requests.shipped_with(new, ours)
    requests = tuple(ShippedRequest(each.number, each.merge_commit_sha) for each in shipped)
    return msgspec.structs.replace(changes, shipped=requests) if requests else changes


def _stand_ins(progress: _RepositoryState, commits: Iterable[Commit]) -> Iterator[_Candidate]:
    """The commits, with squashes replaced by their originals."""
    for commit in commits:
        merged_as = progress.pull_requests.merged_as(commit.sha)
        originals = squashed_originals(commit, merged_as, progress.graph)
        if originals:
            yield from (_Candidate(original, commit.sha) for original in originals)
        else:
            yield _Candidate(commit, is_unresolved=originals is not None)


def _unseen(
    progress: _RepositoryState, candidates: Iterable[_Candidate]
) -> tuple[list[_Candidate], list[LeftOut]]:
    """The commits that no deployment has counted so far, newest first, and the others.

    Originals of a squash may have run before, from their branch, or belong to two squashes
    of stacked pull requests; a commit counts once all the same.
    """
    unseen: list[_Candidate] = []
    repeated: list[LeftOut] = []
    counted: set[str] = set()
    for candidate in candidates:
        sha = candidate.commit.sha
        if sha in progress.seen or sha in counted:
            repeated.append(LeftOut(sha, "counted"))
        else:
            counted.add(sha)
            unseen.append(candidate)
    unseen.sort(key=lambda candidate: _newest_first(candidate.commit))
    return unseen, repeated


def _newest_first(commit: Commit) -> tuple[bool, int, str]:
    """Those without a time come last."""
    return commit.author_time_ns is None, -(commit.author_time_ns or 0), commit.sha


def _shallow(changes: Changes) -> Changes:
    """How many commits there were is not known: the ones beyond the cut are missing."""
    is_unknown = changes.status == "unknown_commits"
    return msgspec.structs.replace(
        changes,
        commits_total=None if is_unknown else changes.commits_total,
        flags=(*changes.flags, "shallow"),
    )


def _until_merge_ns(candidate: _Candidate, pull_request: PullRequest | None) -> int | None:
    authored_ns = candidate.commit.author_time_ns
    if not pull_request or pull_request.merged_at_ns is None or authored_ns is None:
        return None
    if candidate.is_unresolved or pull_request.merged_at_ns < authored_ns:
        return None
    return pull_request.merged_at_ns - authored_ns


def _commit_flags(
    candidate: _Candidate, *, is_negative: bool, is_unreadable: bool
) -> tuple[Flag, ...]:
    flags: list[Flag] = []
    if candidate.is_unresolved:
        flags.append("squash_unresolved")
    if is_negative:
        flags.append("negative_span")
    if is_unreadable:
        flags.append("unreadable_time")
    return tuple(flags)


def lead_time_of(commits: Iterable[NewCommit]) -> LeadTime:
    """The summary over those that have a lead time."""
    spans = [each.lead_time_ns for each in commits if each.lead_time_ns is not None]
    if not spans:
        return LeadTime()
    return LeadTime(
        n=len(spans),
        avg=sum(spans) / len(spans) / SECOND_NS,
        min=min(spans) / SECOND_NS,
        max=max(spans) / SECOND_NS,
    )
