"""Organisations are closed at once, kept for a while, and then deleted without a trace."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from actors import TESTER
from databases import ON_SQLITE, Databases
from storage.copy.test_copy import SHAPES
from storage.test_cleaning import NAMES, Tables
from storage.test_isolation import (
    READS,
    REPOSITORY,
    Member,
    answers,
    count,
    deliver,
    make,
    receive,
    source_of,
)
from theodora.errors import BeingDeleted, Invalid, NotFound
from theodora.storage import Store, erasure
from theodora.storage.check.check import check_store
from theodora.storage.deletion_guards import DAY_NS, Guards, Unconfirmed
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Deletion
from theodora.storage.retention import MAX_DAYS

NOW_NS = 20_000 * DAY_NS
LATER_NS = NOW_NS + 7 * DAY_NS

LASTING = {
    "counters": "no key of an organisation is given out again",
    "audit_entries": "the server keeps who deleted it, and when",
    "audit_chains": "where those entries end",
    "organisation_deletions": "which folders servers have to remove",
}
"""Tables that differ after an organisation was made and deleted, and why."""


@pytest.fixture(autouse=True)
def guards(store: Store) -> None:
    """Events of these tests were received at many times."""
    store.organisations.guards = Guards(clock_days=MAX_DAYS)


def plan(it: Member) -> Deletion:
    events = it.store.organisations.holdings(it.org).events
    planned = it.store.organisations.plan_deletion(it.org, NOW_NS, events, actor=TESTER).result()
    assert isinstance(planned, Deletion)
    return planned


def delete(it: Member) -> None:
    plan(it)
    assert it.store.organisations.delete_due(LATER_NS, actor=TESTER) == 1


@pytest.fixture
def held(store: Store, databases: Databases) -> Callable[[], Tables]:
    """Reads every row of every table."""

    def read(cursor: Cursor) -> Tables:
        names = [name for (name,) in cursor.execute(NAMES[databases.kind]).fetchall()]
        return {name: Counter(cursor.execute(f"SELECT * FROM {name}").fetchall()) for name in names}

    return lambda: store._database.read(read)


def of_organisation(store: Store, databases: Databases, it: Member) -> Iterator[tuple[str, int]]:
    """The tables with a column for the organisation, and how many rows of it they have."""

    def read(cursor: Cursor) -> list[tuple[str, int]]:
        columns = cursor.execute(SHAPES[databases.kind]).fetchall()
        names = sorted({table for table, column, _ in columns if column == "org"})
        counts = (
            cursor.execute(f"SELECT count(*) FROM {name} WHERE org = ?", (it.org.key,)).fetchall()
            for name in names
        )
        return [(name, count) for name, [(count,)] in zip(names, counts, strict=True)]

    yield from store._database.read(read)


RARE = (
    "INSERT INTO stale_teams (org, service, up_to) VALUES (?, 'shop', -1)",
    "INSERT INTO stale_bots (org, repository, number) VALUES (?, -1, -1)",
    "INSERT INTO retention_plans (org, days, begins_at_ns, confirmed) VALUES (?, 9, 1, 0)",
    "INSERT INTO retention_refusals (org, at_ns, reason) VALUES (?, 1, 'x')",
    "INSERT INTO marks (org, kind) VALUES (?, 'organisation')",
    (
        "INSERT INTO parked_sequences (org, service, env, since_ns, tried_at_ns, next_at_ns, "
        "tries, error) VALUES (?, 'shop', '', 1, 2, 3, 1, 'a rule')"
    ),
    (
        "INSERT INTO correlations (org, key, repository_id, repository_url, commit_sha, delivery) "
        "VALUES (?, 'commit:a', 'example.org/app', 'https://example.org/app', 'b', 1)"
    ),
    "INSERT INTO source_keys (org, key, kind, thing) VALUES (?, 'commit:a', 'deployment', 'x')",
    "INSERT INTO leases (org, work, worker, until_ns) VALUES (?, 'inbox', 'x', 1)",
    "INSERT INTO deployment_segments (org, segment, events) VALUES (?, 1, '')",
    "INSERT INTO deployment_trigrams (org, bucket, segment, entries) VALUES (?, 1, 1, '')",
    "INSERT INTO failure_segments (org, segment, events) VALUES (?, 1, '')",
    "INSERT INTO failure_trigrams (org, bucket, segment, entries) VALUES (?, 1, 1, '')",
)
"""Rows of tables in which `make` leaves none."""


def make_with_every_table(store: Store, word: str) -> Member:
    made = make(store, word)
    for statement in RARE:
        store._database.write(
            lambda cursor, statement=statement: cursor.execute(statement, (made.org.key,)),
            TESTER,
            org=made.org.key,
        ).result()
    return made


@pytest.mark.parametrize("index", ["everything indexed"], indirect=True)
@pytest.mark.parametrize("rows", [1, 1_000])
def test_nothing_is_left_of_a_deleted_organisation_and_nothing_of_others_is_touched(
    store: Store,
    databases: Databases,
    held: Callable[[], Tables],
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
) -> None:
    monkeypatch.setattr(erasure, "_ROWS_AT_ONCE", rows)
    monkeypatch.setattr(erasure, "_EVENTS_AT_ONCE", rows)
    ours = make(store, "apple")
    before, answers_before = held(), answers(ours)
    theirs = make_with_every_table(store, "pear")
    empty = {name for name, count in of_organisation(store, databases, theirs) if not count}
    worked_off = {"organisation_deletions", "organisations_to_index", "stale_bots", "stale_teams"}
    assert empty <= worked_off, "by upkeep"
    delete(theirs)
    after = held()
    assert {name for name in before if after[name] != before[name]} <= LASTING.keys()
    assert {name for name, count in of_organisation(store, databases, theirs) if count} == {
        "organisation_deletions"
    }
    assert not [row for rows in after.values() for row in rows if theirs.word in repr(row)]
    assert answers(ours) == answers_before
    assert store.organisations.deleted() == [theirs.org.uuid]
    with pytest.raises(NotFound):
        store.organisations.get("pear")


@pytest.mark.parametrize("index", ["nothing indexed"], indirect=True)
def test_events_that_are_not_indexed_yet_leave_nothing_in_the_index(
    store: Store, databases: Databases
) -> None:
    make(store, "apple")
    theirs = make(store, "pear")
    delete(theirs)
    assert [name for name, count in of_organisation(store, databases, theirs) if count] == [
        "organisation_deletions"
    ]


@ON_SQLITE
@pytest.mark.parametrize("index", ["everything indexed"], indirect=True)
def test_a_deletion_that_was_interrupted_goes_on_and_a_half_deleted_store_is_sound(
    database: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "_ROWS_AT_ONCE", 1)
    monkeypatch.setattr(erasure, "_EVENTS_AT_ONCE", 1)
    make(store, "apple")
    theirs = make(store, "pear")
    plan(theirs)
    rounds = 0
    while not store.organisations.delete_due(LATER_NS, lambda _: False, actor=TESTER):
        rounds += 1
        assert store.organisations.get("pear").deletion == Deletion(LATER_NS, has_begun=True)
        # While it has deployments, each round could leave them with wrong derived values.
        if rounds % 10 == 0 or store.organisations.holdings(theirs.org).deployments:
            assert [str(each) for each in check_store(database, lambda *_: None).findings] == []
    assert rounds > 30
    assert check_store(database, lambda *_: None).findings == []


def test_nobody_can_use_it_from_the_moment_it_is_planned(store: Store) -> None:
    ours = make(store, "apple")
    assert plan(ours) == Deletion(LATER_NS)
    for use in (
        lambda: store.keys.organisation("apple"),
        lambda: store.keys.all_of("apple"),
        lambda: store.keys.ensure_organisation("apple", 1, actor=TESTER).result(),
    ):
        with pytest.raises(BeingDeleted, match=r'"apple" is to be deleted on 2024-10-11 00:00 UTC'):
            use()
    key = store.keys.find("application", ours.secret)
    assert key
    assert key.deletion_at_ns == LATER_NS
    assert store.mirrors.everything() == []


def test_taken_back_it_has_everything(store: Store) -> None:
    ours = make(store, "apple")
    names = [name for name in READS if not name.startswith("audit.")]
    before = answers(ours, names)
    plan(ours)
    store.organisations.delete_due(LATER_NS - 1, actor=TESTER)
    store.organisations.take_back(ours.org, actor=TESTER).result()
    assert answers(ours, names) == before
    assert store.organisations.delete_due(LATER_NS, actor=TESTER) == 0
    assert answers(ours, names) == before
    with pytest.raises(Invalid, match="is not to be deleted"):
        store.organisations.take_back(ours.org, actor=TESTER).result()


def test_what_waits_to_be_derived_is_derived_once_the_deletion_is_taken_back(store: Store) -> None:
    ours = make(store, "apple")
    store.settings.put(ours.org, {"team": "new"}, actor=TESTER).result()
    plan(ours)
    assert store.derivations.derive_all_queued(actor=TESTER) == 0
    store.organisations.take_back(ours.org, actor=TESTER).result()
    assert store.derivations.derive_all_queued(actor=TESTER) > 0
    assert store.derivations.waiting(ours.org).tasks == 0


def test_it_is_too_late_once_it_has_begun(store: Store) -> None:
    ours = make(store, "apple")
    plan(ours)
    store.organisations.delete_due(LATER_NS, lambda _: False, actor=TESTER)
    with pytest.raises(Invalid, match="it is too late"):
        store.organisations.take_back(ours.org, actor=TESTER).result()


def test_it_is_confirmed_by_the_number_of_its_events(store: Store) -> None:
    ours = make(store, "apple")
    org, organisations = ours.org, store.organisations
    holdings = organisations.holdings(org)
    assert holdings == (8, 4, 2, 1)
    for wrong in (None, 0, 11, 13):
        planned = organisations.plan_deletion(org, NOW_NS, wrong, actor=TESTER).result()
        assert planned == Unconfirmed(12)
    empty = store.keys.ensure_organisation("empty", 1, actor=TESTER).result()
    planned = organisations.plan_deletion(empty, NOW_NS, None, actor=TESTER).result()
    assert planned == Unconfirmed(0)
    assert [record.deletion for record in organisations.everything()] == [None, None]


def test_planning_again_changes_nothing(store: Store) -> None:
    ours = make(store, "apple")
    planned = plan(ours)
    again = store.organisations.plan_deletion(ours.org, NOW_NS + DAY_NS, None, actor=TESTER)
    assert again.result() == planned


def test_the_organisation_that_every_server_makes_stays(store: Store) -> None:
    org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
    with pytest.raises(Invalid, match="every server makes it"):
        store.organisations.plan_deletion(org, NOW_NS, 0, actor=TESTER)


@pytest.mark.parametrize("shift_ns", [5 * 365 * DAY_NS, 31 * DAY_NS])
def test_a_wrong_clock_deletes_nothing(store: Store, shift_ns: int) -> None:
    ours = make(store, "apple")
    store.organisations.guards = Guards()
    store.organisations.delete_due(NOW_NS, actor=TESTER)
    plan(ours)
    assert store.organisations.delete_due(LATER_NS + shift_ns, actor=TESTER) == 0
    record = store.organisations.get("apple")
    assert record.deletion == Deletion(LATER_NS)
    assert record.refusal
    assert "run theodora retention confirm-clock" in record.refusal.reason
    assert store.organisations.delete_due(LATER_NS, actor=TESTER) == 1


def test_counts_of_a_deleted_organisation_take_no_others_along(store: Store) -> None:
    """They wait in memory for a second before they are written."""
    ours, theirs = make(store, "apple"), make(store, "pear")
    count(theirs, "/late")
    delete(theirs)
    receive(ours, "/again").result()
    assert any(each.place == "/again" for each in store.health.look(ours.org).refusals)


def test_a_fetch_that_ends_later_brings_nothing_back(store: Store, databases: Databases) -> None:
    theirs = make(store, "pear")
    fetched = store.mirrors.get(theirs.org, REPOSITORY)
    delete(theirs)
    store.mirrors.note(fetched, 1, "away", actor=TESTER).result()
    assert [name for name, count in of_organisation(store, databases, theirs) if count] == [
        "organisation_deletions"
    ]


@pytest.mark.parametrize("name", ["", " a", "a\n", "x" * 201])
def test_a_name_that_nobody_could_type_is_refused(store: Store, name: str) -> None:
    with pytest.raises(Invalid):
        store.organisations.create(name, 1, actor=TESTER)


def test_an_organisation_is_created_once(store: Store) -> None:
    store.organisations.create("acme", 7, actor=TESTER).result()
    with pytest.raises(Invalid, match='there is an organisation "acme" already'):
        store.organisations.create("acme", 7, actor=TESTER).result()
    assert [record.organisation.name for record in store.organisations.everything()] == ["acme"]


def test_webhooks_wait_and_no_more_are_taken_until_it_is_taken_back(store: Store) -> None:
    ours = make(store, "apple")
    source = source_of(ours)
    deliver(ours, "Q9").result()
    assert ours.org in store.inbox.due("a worker", 1)
    plan(ours)
    assert store.sources.find(source.id) is None
    assert store.inbox.due("a worker", 1) == []
    store.organisations.take_back(ours.org, actor=TESTER).result()
    assert store.sources.find(source.id) == source
    assert store.inbox.due("a worker", 1) == [ours.org]
