"""Explanations are remembered, and yet tell what deriving everything as it is now would tell."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import TESTER
from lengths import short_and_long
from repositories import hourly_commits
from storage.derivation.test_run import (
    HOUR_NS,
    add,
    deployment,
    happenings,
    new_organisation,
    patient,
    storable,
    world_store,
    worlds,
)
from theodora.dora import Commit, DeploymentSequence, derive
from theodora.dora.derivation.explanation import Explanation, explain
from theodora.errors import NotFound
from theodora.events import Deployment
from theodora.storage import Organisation, Store
from theodora.storage.derivation.explain import Explanations
from theodora.storage.derivation.inputs import whole_sequence
from theodora.storage.derivation.sequence_cache import SequenceCache
from theodora.storage.events.rows import Rows
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.facts.derivation_queue import sequences_of

__all__ = ["world_store"]


def told(store: Store, org: Organisation, id_: str) -> Explanation:
    found = store.derivations.explain(org, id_)
    return explain(found.derived, found.preceding, found.repository, found.settings)


def told_of_all(store: Store, org: Organisation) -> dict[str, Explanation]:
    return {each.id: told(store, org, each.id) for each in store.deployments.everything(org)}


def as_derived_at_once(store: Store, org: Organisation) -> dict[str, Explanation]:
    """Of every deployment, each sequence read and derived anew."""
    keys = store._database.read(partial(sequences_of, org=org, service=""))
    every = [store._database.read(partial(whole_sequence, key=key)).sequence for key in keys]
    return {id_: each for sequence in every for id_, each in explained(sequence).items()}


def explained(sequence: DeploymentSequence, step: int = 1) -> dict[str, Explanation]:
    """By id, of the first deployment and of each that is so many after the last."""
    derived = derive(sequence)
    befores = [None, *(each.deployment for each in derived)]
    return {
        each.deployment.id: explain(
            each,
            before if each.position else None,
            sequence.repositories.get(each.deployment.git.repository_id)
            if each.deployment.git
            else None,
            sequence.settings,
        )
        for each, before in list(zip(derived, befores, strict=False))[::step]
    }


@short_and_long("histories", 4, 24)
def test_whatever_happens_in_between_all_is_as_if_derived_at_once(
    world_store: Store, histories: int
):
    """Corrections, deletions, late commits, verdicts, settings and incidents included."""

    @settings(patient, max_examples=histories)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        org = new_organisation(world_store)
        for happens in happenings(data, storable(data.draw(worlds.any_sequences))):
            happens(world_store, org).result()
            if data.draw(st.integers(0, 3)) == 0:
                world_store.derivations.derive_queued(actor=TESTER)
            if data.draw(st.integers(0, 3)) == 0:
                assert told_of_all(world_store, org) == as_derived_at_once(world_store, org)
        assert told_of_all(world_store, org) == as_derived_at_once(world_store, org)
        world_store.derivations.derive_all_queued(actor=TESTER)
        assert told_of_all(world_store, org) == as_derived_at_once(world_store, org)

    holds()


def test_a_derived_sequence_is_not_read_for_an_explanation(store: Store, org: Organisation):
    add(store, org, *(deployment(name, hour) for hour, name in enumerate("abc")))
    store.derivations.derive_all_queued(actor=TESTER)
    fresh = Explanations(store._database, Rows(DEPLOYMENTS), SequenceCache())
    assert fresh.explain(org, "b") == store.derivations.explain(org, "b")
    assert not fresh._cache._seen._known
    store.settings.put(org, {"sequence_tag": "region"}, "web", actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert _id(fresh.explain(org, "b").preceding) == "a"
    assert fresh._cache._seen._known, "parts of a divided sequence do not lie together"


def test_a_sequence_parked_after_it_was_derived_is_explained_by_the_rules_that_remain(
    store: Store, org: Organisation
):
    add(store, org, deployment("a", 1), deployment("b", 2))
    store.derivations.derive_all_queued(actor=TESTER)
    rules = [
        {"id": "usable", "fields": ["version"], "pattern": "b"},
        {"id": "broken", "fields": ["version"], "pattern": "("},
    ]
    store.settings.put(org, {"static_rules": rules}, "web", actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert len(store.derivations.parked(org)) == 1
    assert "usable" in {each.rule for each in told(store, org, "b").type.rules}


def test_deployments_of_one_instant_are_neighbours_in_their_order(store: Store, org: Organisation):
    """The commit of `a` comes after that of `z`, which the ids alone do not show."""
    shas = ["1" * 40, "2" * 40]
    store.commits.add_commits(
        org, "github.com/acme/web", hourly_commits(shas, 0), actor=TESTER
    ).result()
    newer, older = (worlds.Git(sha, "https://github.com/acme/web") for sha in reversed(shas))
    add(store, org, deployment("y", 1), deployment("zz", 3))
    add(store, org, deployment("a", 2, git=newer), deployment("z", 2, git=older))
    for _ in range(2):
        found = [store.derivations.explain(org, id_) for id_ in ("y", "z", "a", "zz")]
        names = [(_id(each.preceding), _id(each.following)) for each in found]
        assert names == [(None, "z"), ("y", "a"), ("z", "zz"), ("a", None)]
        assert [each.derived.position for each in found] == [0, 1, 2, 3]
        store.derivations.derive_all_queued(actor=TESTER)
    for id_ in ("zz", "z"):
        store.deployments.delete(org, id_, actor=TESTER).result()
        store.derivations.derive_all_queued(actor=TESTER)
    assert store.derivations.explain(org, "a").derived.position == 1


def test_neighbours_are_those_of_the_sequence(store: Store, org: Organisation):
    """Of one service and environment, in order of time and then of ids."""
    add(store, org, *(deployment(name, hour) for hour, name in enumerate("abc")))
    add(store, org, deployment("b2", 1), deployment("x", 1, env="staging"))
    found = [store.derivations.explain(org, id_) for id_ in ("a", "b", "b2", "c", "x")]
    names = [(_id(each.preceding), _id(each.following)) for each in found]
    assert names == [(None, "b"), ("a", "b2"), ("b", "c"), ("b2", None), (None, None)]


def _id(event: Deployment | None) -> str | None:
    return event.id if event else None


def test_commits_that_come_later_are_seen_at_once(store: Store, org: Organisation):
    git = worlds.Git("a" * 40, "https://github.com/acme/web")
    add(store, org, deployment("v1", 1), deployment("v2", 2, git=git))
    assert told(store, org, "v2").lead_time.status == "unknown_commits"
    commit = Commit(sha="a" * 40, author_time_ns=HOUR_NS, commit_time_ns=HOUR_NS)
    store.commits.add_commits(org, "github.com/acme/web", [commit], actor=TESTER).result()
    assert told(store, org, "v2").lead_time.status == "baseline"


def test_what_was_deleted_is_not_explained(store: Store, org: Organisation):
    add(store, org, deployment("v1", 1), deployment("v2", 2))
    assert told(store, org, "v2").position == 1
    store.deployments.delete(org, "v1", actor=TESTER).result()
    assert told(store, org, "v2").position == 0
    with pytest.raises(NotFound):
        store.derivations.explain(org, "v1")
