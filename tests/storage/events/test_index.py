"""The index of events that change after they were indexed."""

import os
import random
import time
from functools import partial
from typing import Any

import msgspec
import pytest

from actors import TESTER
from theodora.events import Deployment, Git, Remediation
from theodora.storage import Organisation, Store
from theodora.storage.engine.cursor import Cursor
from theodora.storage.events.index import (
    free_text_words,
    index_entries,
    index_some,
    orgs_to_index,
)
from theodora.storage.events.rows import Rows, Stored
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES
from theodora.storage.store import _UPKEEP_SECONDS, _keep_up

EVENTS = 40


def changed(rng: random.Random, event: Deployment) -> Deployment:
    """The event with other derived values, and sometimes with another team."""
    rollback = rng.choice((None, Remediation(rng.choice(("a", "b")), "rollback")))
    return msgspec.structs.replace(
        event,
        team=rng.choice((event.team, "owners")),
        change_failure=rng.choice((None, False, True)),
        remediation=rollback,
        recovery_time_sec=rng.choice((None, 0, 60)),
        number_of_commits=rng.choice((None, 0, 3)),
        change_lead_time=rng.choice((None, -1, 90)),
        avg_review_time=rng.choice((None, 0, 60)),
        failed_by=rng.choice((None, "rollback")),
        lead_time_status=rng.choice((None, "gap")),
    )


def sent_again(rng: random.Random, event: Deployment) -> Deployment:
    """The event with other values of its own."""
    later = rng.choice((0, 0, 10**9))
    return msgspec.structs.replace(
        event,
        version=rng.choice(("v1", "v2", None)),
        started_at_ns=event.started_at_ns + later,
        finished_at_ns=event.finished_at_ns + later,
        git=rng.choice((None, Git("b" * 40, "https://github.com/acme/web"))),
        custom_tags=rng.choice((event.custom_tags, ("build:8", "team:x"), ())),
    )


def check_index(cursor: Cursor, org: Organisation, rows: Rows[Deployment]) -> None:
    postings: list[Any] = []
    numbers: list[Any] = []
    keys = cursor.execute("SELECT key FROM deployments ORDER BY key").fetchall()
    for (key,) in keys:
        stored = rows.get(cursor, org, key)
        assert stored is not None
        of_event = index_entries(DEPLOYMENTS, org.key, key, stored.event)
        postings += of_event[0]
        numbers += of_event[1]
    found = cursor.execute("SELECT org, term, started_at_ns, event FROM deployment_postings")
    assert sorted(found.fetchall()) == sorted(postings)
    found = cursor.execute("SELECT org, field, value, event FROM deployment_numbers")
    assert sorted(found.fetchall()) == sorted(numbers)
    words = {(org.key, word, term) for _, term, _, _ in postings for word in free_text_words(term)}
    found = cursor.execute("SELECT org, word, term FROM deployment_words")
    assert set(found.fetchall()) == words


@pytest.mark.parametrize("index", ["everything indexed"], indirect=True)
def test_whatever_changes_the_index_has_each_event_as_it_is(
    store: Store, org: Organisation
) -> None:
    seed = int(os.environ.get("THEODORA_TEST_SEED") or random.SystemRandom().randrange(2**32))
    rng, rows = random.Random(seed), Rows(DEPLOYMENTS)
    events = [
        Deployment(
            id=f"deployment-{number}",
            service="web",
            started_at_ns=number + 1,
            finished_at_ns=number + 10**9,
            custom_tags=("build:7", f"number:{number}"),
        )
        for number in range(EVENTS)
    ]

    def write(cursor: Cursor) -> None:
        rows.put_all(cursor, org, events, 1)
        while index_some(cursor, DEPLOYMENTS, org.key):
            pass
        for _ in range(3):
            stored = [rows.find(cursor, org, event.id) for event in events]
            some = [each for each in stored if each is not None and rng.random() < 0.7]
            rows.derive_all(cursor, org, [(each, changed(rng, each.event)) for each in some])
            again: list[Stored[Deployment]] = rng.sample(some, 5)
            rows.put_all(cursor, org, [sent_again(rng, each.event) for each in again], 1)
            check_index(cursor, org, rows)

    try:
        store._database.write(write, TESTER, org=org.key).result()
    except AssertionError as error:
        error.add_note(f"THEODORA_TEST_SEED={seed}")
        raise


@pytest.mark.parametrize("index", ["nothing indexed"], indirect=True)
def test_an_organisation_is_looked_at_until_all_that_it_has_received_is_indexed(
    store: Store, org: Organisation
) -> None:
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    assert store._database.read(orgs_to_index) == set()
    event = Deployment(service="web", started_at_ns=1, finished_at_ns=2)
    for each in (org, other):
        store.deployments.add(each, event, 1, actor=TESTER).result()
    assert store._database.read(orgs_to_index) == {org.key, other.key}

    def index_all(cursor: Cursor) -> None:
        # Deployments and failures share their numbers, so both indexes have to catch up.
        for table in (DEPLOYMENTS, FAILURES):
            assert not index_some(cursor, table, org.key)

    store._database.write(index_all, TESTER, org=org.key).result()
    assert store._database.read(orgs_to_index) == {other.key}


def test_upkeep_that_takes_long_leaves_further_organisations_to_another_transaction(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    monkeypatch.setattr("theodora.storage.store.index_some", lambda *_: time.sleep(_UPKEEP_SECONDS))
    keep_up = partial(_keep_up, Rows(FAILURES), orgs=[org.key, other.key])
    assert store._database.write(keep_up, TESTER, org=org.key).result() == [other.key]
