"""Old deployments that can be deleted without changing the derivation of later ones."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from theodora.dora.derivation.commits import Commit, Shipped


class OldDeployment(NamedTuple):
    """The parts of a deployment that identify what it shipped."""

    key: int
    finished_at_ns: int
    commit_sha: str | None
    is_concerned: bool = False
    """Whether one that is not old goes back to it, or remedies it."""


def forgettable(
    newest_first: Iterable[OldDeployment], commits: Mapping[str, Commit]
) -> Iterator[int]:
    """The keys of the deployments that nothing later depends on.

    The arguments are the old deployments of one sequence and repository, and its graph. The newest
    stays, since the next one is measured from it, with all that finished when it did: which of them
    is the last is for the order of sequences to say. So does each that shipped commits which no
    later one of them holds, as those of a branch or of a version that was rolled back: without it
    they would be new to whichever deployment brings them again.
    """
    shipped = Shipped(commits)
    newest_ns = None
    for deployment in newest_first:
        newest_ns = newest_ns or deployment.finished_at_ns
        has_own = bool(deployment.commit_sha and shipped.take(deployment.commit_sha))
        is_newest = deployment.finished_at_ns == newest_ns
        if not is_newest and not has_own and not deployment.is_concerned:
            yield deployment.key
