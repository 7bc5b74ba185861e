"""What is kept of a derivation saves work and changes nothing."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dora import worlds
from theodora.dora import Commit, DeploymentSequence, DerivationCache, Repository, derive
from theodora.events import Deployment, Git


@given(data=st.data())
def test_any_change_comes_out_the_same_with_what_was_kept(data: st.DataObject):
    """Deployments that come late, go or change, other settings, other commits."""
    sequence = data.draw(worlds.sequences())
    recall = DerivationCache()
    for _ in range(3):
        changed = data.draw(st.sampled_from([_fewer, _moved, _other_settings, _other_world]))
        partial = changed(data, sequence)
        assert derive(partial, recall) == derive(partial)
        assert derive(sequence, recall) == derive(sequence)


def test_nothing_is_kept_of_deployments_that_are_gone():
    """A store whose retention deletes as much as comes in takes no more memory over time."""
    cache = DerivationCache()
    for first in range(0, 400, 10):
        gone_and_come = tuple(_shipped(number) for number in range(first, first + 40))
        sequence = DeploymentSequence(deployments=gone_and_come, repositories=_REPOSITORIES)
        derive(sequence, cache)
    assert 40 <= len(cache.readings) <= 80
    assert 0 < len(cache.brought) <= 80
    derive(msgspec.structs.replace(sequence, deployments=gone_and_come[:10]), cache)
    assert len(cache.way) == 10
    assert len(cache.readings) <= 20


def _shipped(number: int) -> Deployment:
    return Deployment(
        id=f"deployment-{number}",
        service="web",
        started_at_ns=number * 10**12,
        finished_at_ns=number * 10**12 + 1,
        git=Git(_sha(number), "https://git.example/shop"),
    )


def _sha(number: int) -> str:
    return f"{number:040x}"


_COMMITS = [
    Commit(sha=_sha(n), parents=(_sha(n - 1),), author_time_ns=n, commit_time_ns=n)
    for n in range(1, 440)
]
_REPOSITORIES = {"git.example/shop": Repository(commits={each.sha: each for each in _COMMITS})}


def _fewer(data: st.DataObject, sequence: DeploymentSequence) -> DeploymentSequence:
    kept = data.draw(st.lists(st.sampled_from(sequence.deployments), unique_by=id))
    return msgspec.structs.replace(sequence, deployments=tuple(kept))


def _moved(data: st.DataObject, sequence: DeploymentSequence) -> DeploymentSequence:
    """One deployment with the time, the commit and the version of another."""
    one, other = (data.draw(st.sampled_from(sequence.deployments)) for _ in range(2))
    changed = msgspec.structs.replace(other, id=one.id)
    return msgspec.structs.replace(sequence, deployments=(*sequence.deployments, changed))


def _other_settings(data: st.DataObject, sequence: DeploymentSequence) -> DeploymentSequence:
    return msgspec.structs.replace(sequence, settings=data.draw(worlds.settings))


def _other_world(data: st.DataObject, _: DeploymentSequence) -> DeploymentSequence:
    return data.draw(worlds.sequences())
