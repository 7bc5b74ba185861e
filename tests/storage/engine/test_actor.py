"""Whoever asks for a write is known where it is committed."""

from collections.abc import Sequence
from typing import Any

import pytest

from theodora.events import Deployment
from theodora.storage import Actor, Organisation, OverrideValues, Store
from theodora.storage.engine.actor import UPKEEP
from theodora.storage.engine.postgresql.committer import PostgresqlCommitter
from theodora.storage.engine.sqlite.committer import SqliteCommitter
from theodora.storage.engine.writer import Write

ANN = Actor("person", "Ann")
KEY = Actor("key", "deploys", "1")
WORKER = Actor("worker", "derivation")


@pytest.fixture
def committed(monkeypatch: pytest.MonkeyPatch) -> list[Actor]:
    """Who has asked for what was committed, in order; upkeep left out."""
    actors: list[Actor] = []
    for committer in (SqliteCommitter, PostgresqlCommitter):

        def commit(self: Any, writes: Sequence[Write], commit: Any = committer.commit) -> Any:
            actors.extend(write.actor for write in writes if write.actor != UPKEEP)
            return commit(self, writes)

        monkeypatch.setattr(committer, "commit", commit)
    return actors


def test_writes_of_one_commit_each_have_their_own(
    store: Store, org: Organisation, committed: list[Actor]
) -> None:
    committed.clear()
    event = Deployment(id="d1", service="web", started_at_ns=1, finished_at_ns=1)
    store.deployments.add(org, event, 1, actor=KEY)
    said = OverrideValues(change_failure=True)
    store.verdicts.put(org, "d1", said, now_ns=5, reason="it was down", actor=ANN).result()
    assert committed == [KEY, ANN]
    store.derivations.derive_all_queued(actor=WORKER)
    assert {*committed[2:]} == {WORKER}


def test_the_history_of_verdicts_names_who_asked(store: Store, org: Organisation) -> None:
    event = Deployment(id="d1", service="web", started_at_ns=1, finished_at_ns=1)
    store.deployments.add(org, event, 1, actor=KEY).result()
    said = OverrideValues(change_failure=True)
    store.deployments.update(org, "d1", said, now_ns=4, actor=KEY).result()
    store.verdicts.put(org, "d1", said, now_ns=5, reason="it was down", actor=ANN).result()
    store.verdicts.delete(org, "d1", now_ns=6, actor=KEY).result()
    authors = [each.author for each in store.verdicts.get(org, "d1").history]
    assert authors == [("deploys", 6, ""), ("Ann", 5, "it was down"), ("deploys", 4, "")]
