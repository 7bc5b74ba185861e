"""What is kept of a derivation saves work and changes nothing."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dora import worlds
from theodora.dora import DeploymentSequence, DerivationCache, derive


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
