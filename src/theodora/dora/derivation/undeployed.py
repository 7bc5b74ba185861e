"""Commits that are merged but not deployed."""

from collections.abc import Callable, Mapping

import msgspec

from theodora.dora.derivation.commits import Commit, Repository, Shipped
from theodora.dora.derivation.exclusions import Exclusions
from theodora.dora.derivation.path_globs import PathFilter
from theodora.dora.derivation.pull_requests import PullRequests
from theodora.dora.derivation.sequence import DeploymentSequence
from theodora.dora.derivation.settings import ServiceSettings


class Undeployed(msgspec.Struct, frozen=True):
    """Commits of the default branch that the newest deployment does not have."""

    commits: int
    since_ns: int | None
    """When the oldest was merged; None without any, or if no time is known."""


def undeployed(sequence: DeploymentSequence, heads: Mapping[str, str]) -> Undeployed | None:
    """What the newest deployment lacks of the head of its repository's default branch.

    `heads` are SHAs by match key. Merges, and commits that the settings leave out of lead times,
    do not count. None if the head or the deployed commit is not known, or history is cut between
    them.
    """
    newest = max(sequence.deployments, key=lambda each: each.finished_at_ns, default=None)
    if newest is None or not newest.git:
        return None
    key = sequence.keys.key(newest.git.repository_id)
    repository, head = sequence.by_key.get(key), heads.get(key)
    if repository is None or head is None:
        return None
    return _between(repository, sequence.settings, newest.git.commit_sha, head)


def _between(
    repository: Repository, settings: ServiceSettings, deployed: str, head: str
) -> Undeployed | None:
    if deployed not in repository.commits or head not in repository.commits:
        return None
    shipped = Shipped(repository.commits)
    shipped.take(deployed)
    lacking = shipped.take(head)
    if any(map(repository.is_cut, lacking)):
        return None
    pull_requests = PullRequests(repository.pull_requests)
    counts = _counted(settings, pull_requests)
    counted = [each for each in lacking if counts(each)]
    times = (_merged_at_ns(each, pull_requests) for each in counted)
    return Undeployed(len(counted), min((each for each in times if each is not None), default=None))


def _counted(settings: ServiceSettings, pull_requests: PullRequests) -> Callable[[Commit], bool]:
    """Whether a commit counts for a service with these settings."""
    paths = PathFilter(settings.path_globs) if settings.path_globs else None
    has_exclusions = settings.exclude_authors or settings.exclude_labels
    exclusions = Exclusions(settings) if has_exclusions else None

    def counts(commit: Commit) -> bool:
        if commit.is_merge or (paths and not paths.matches(commit.paths or ())):
            return False
        return not (
            exclusions and exclusions.reason(commit, pull_requests.first_holding(commit.sha))
        )

    return counts


def _merged_at_ns(commit: Commit, pull_requests: PullRequests) -> int | None:
    """When it came into the branch, as well as that is known."""
    pull_request = pull_requests.first_holding(commit.sha)
    merged_at_ns = pull_request.merged_at_ns if pull_request else None
    return merged_at_ns or commit.commit_time_ns
