"""What may be forgotten is what nothing later depends on."""

from collections import defaultdict

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dora import worlds
from theodora.dora import Commit, DeploymentSequence, Repository, derive
from theodora.dora.derivation.retention import OldDeployment, forgettable
from theodora.dora.derivation.sequence import in_order
from theodora.events import Deployment

GRAPH = {
    sha: Commit(sha=sha, parents=parents, author_time_ns=1, commit_time_ns=1)
    for sha, parents in {"a": (), "b": ("a",), "c": ("b",), "side": ("a",)}.items()
}


def forgotten(*shas: str | None) -> list[int]:
    """Which of deployments of these commits, oldest first, may be forgotten; by number."""
    old = [OldDeployment(number, number + 1, sha) for number, sha in enumerate(shas)]
    return sorted(forgettable(reversed(old), GRAPH))


def test_the_last_one_stays_as_the_next_is_measured_from_it():
    assert forgotten("a") == []
    assert forgotten("a", "b", "c") == [0, 1]
    assert forgotten(None, None) == [0]


def test_what_was_rolled_back_stays_until_it_is_brought_again():
    """Else its commits would be new to whichever deployment does so."""
    assert forgotten("a", "c", "a") == [0]
    assert forgotten("a", "c", "a", "c") == [0, 1, 2]


def test_a_branch_stays_until_it_is_merged():
    assert forgotten("side", "c") == []


def test_what_a_later_one_goes_back_to_or_remedies_stays():
    old = [
        OldDeployment(0, 1, "a", is_concerned=True),
        OldDeployment(1, 2, "b"),
        OldDeployment(2, 3, "c"),
    ]
    assert list(forgettable(reversed(old), GRAPH)) == [1]


def test_all_that_finished_with_the_newest_stay():
    old = [OldDeployment(0, 1, "a"), OldDeployment(1, 2, "a"), OldDeployment(2, 2, "c")]
    assert list(forgettable(reversed(old), GRAPH)) == [0]


def test_one_whose_commit_is_not_known_hides_none_that_is():
    assert forgotten("a", "b", "unknown") == [0]
    assert forgotten("a", None, "c", "unknown") == [0, 1]


def without_pull_requests(sequence: DeploymentSequence) -> DeploymentSequence:
    """Originals of squash commits are told apart by all deployments that there ever were."""
    repositories = {
        id_: msgspec.structs.replace(each, pull_requests=())
        for id_, each in sequence.repositories.items()
    }
    return msgspec.structs.replace(sequence, repositories=repositories)


def without_forgettable(sequence: DeploymentSequence, old: list[Deployment]) -> DeploymentSequence:
    lines: defaultdict[str | None, list[OldDeployment]] = defaultdict(list)
    for number, each in reversed(list(enumerate(old))):
        git = each.git
        lines[git.repository_id if git else None].append(
            OldDeployment(number, each.finished_at_ns, git.commit_sha if git else None)
        )
    gone = {
        old[number].id
        for repository_id, line in lines.items()
        for number in forgettable(
            line, sequence.repositories.get(repository_id or "", Repository()).commits
        )
    }
    kept = tuple(each for each in sequence.deployments if each.id not in gone)
    return msgspec.structs.replace(sequence, deployments=kept)


@given(data=st.data())
def test_what_is_kept_brings_what_it_brought_before(data: st.DataObject):
    """The same commits with the same lead times, of whatever limit and history."""
    sequence = without_pull_requests(data.draw(worlds.sequences()))
    every = in_order(sequence.deployments, sequence.repositories)
    limit = data.draw(st.integers(0, len(every)))
    recent = {each.id for each in every[limit:]}
    before, after = (
        {each.deployment.id: each.changes for each in derive(one) if each.deployment.id in recent}
        for one in (sequence, without_forgettable(sequence, every[:limit]))
    )
    assert after == before
