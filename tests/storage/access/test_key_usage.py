"""What came in with which key and what was refused: counted in memory, written together."""

import time

import pytest

from actors import TESTER
from theodora.storage import Organisation, Store
from theodora.storage.access.key_secrets import new_secret
from theodora.storage.access.key_usage import (
    KEPT_IGNORED,
    KEPT_IGNORED_OF_KEY,
    KEPT_REFUSALS,
    MOST_MESSAGE,
    IgnoredMember,
    KeyActivity,
    ReceptionWriter,
    Refusal,
    Refused,
)
from theodora.storage.access.keys import Key
from theodora.storage.check.check import check_store
from theodora.storage.engine.progress import unseen

WRONG_TIME = Refused(400, "/data/attributes/finished_at", "it must not be before started_at")


@pytest.fixture
def key(store: Store, org: Organisation) -> Key:
    return make_key(store, org, "deploy job")


def make_key(store: Store, org: Organisation, name: str) -> Key:
    secret = new_secret("api")
    permissions = frozenset({"dora_ingest"})
    return store.keys.add(
        org.name, "api", secret, name=name, permissions=permissions, now_ns=1, actor=TESTER
    ).result()


def activity(store: Store, org: Organisation) -> list[KeyActivity]:
    return list(store.health.look(org).activity)


def refusals(store: Store, org: Organisation) -> list[Refusal]:
    return list(store.health.look(org).refusals)


def test_requests_of_a_key_are_added_up_by_what_they_bring(
    store: Store, org: Organisation, key: Key
) -> None:
    store.reception.accept(key, "deployment", 10)
    store.reception.accept(key, "deployment", 20)
    store.reception.write(actor=TESTER).result()
    store.reception.accept(key, "deployment", 30)
    store.reception.accept(key, "commits", 40)
    store.reception.write(actor=TESTER).result()
    named = (key.id, "deploy job", False)
    assert activity(store, org) == [
        KeyActivity(*named, "commits", 1, 40, 40),
        KeyActivity(*named, "deployment", 3, 10, 30),
    ]


def test_refused_requests_are_added_up_by_their_reason(
    store: Store, org: Organisation, key: Key
) -> None:
    other = WRONG_TIME._replace(message="another")
    for now_ns, refused in ((10, WRONG_TIME), (20, Refused(413, "", "too long")), (30, other)):
        store.reception.refuse(key, "failure", refused, now_ns)
        store.reception.write(actor=TESTER).result()
    named = (key.id, "deploy job", False, "failure")
    assert refusals(store, org) == [
        Refusal(*named, 400, WRONG_TIME.place, 2, 10, 30, "another"),
        Refusal(*named, 413, "", 1, 20, 20, "too long"),
    ]


def test_nothing_is_written_before_it_is_asked_for(
    store: Store, org: Organisation, key: Key
) -> None:
    """So that a flood of bad requests costs no writes."""
    before = store.waiting_writes
    for now_ns in range(1_000):
        store.reception.refuse(key, "deployment", WRONG_TIME, now_ns)
    assert (store.waiting_writes, refusals(store, org)) == (before, [])
    assert store.reception.has_counted
    store.reception.write(actor=TESTER).result()
    assert [each.requests for each in refusals(store, org)] == [1_000]
    assert not store.reception.has_counted


def test_an_organisation_keeps_a_bounded_number_of_reasons_the_newest(
    store: Store, org: Organisation, key: Key
) -> None:
    for number in range(KEPT_REFUSALS + 20):
        store.reception.refuse(key, "deployment", Refused(400, f"/{number}", "no"), number)
    store.reception.write(actor=TESTER).result()
    kept = refusals(store, org)
    assert [each.place for each in kept] == [f"/{number + 20}" for number in range(KEPT_REFUSALS)][
        ::-1
    ]
    store.reception.refuse(key, "deployment", Refused(400, "/20", "no"), 10_000)
    store.reception.refuse(key, "deployment", Refused(400, "/new", "no"), 10_001)
    store.reception.write(actor=TESTER).result()
    places = [each.place for each in refusals(store, org)]
    assert (places[:2], places[-1], len(places)) == (["/new", "/20"], "/22", KEPT_REFUSALS)


def test_memory_is_bounded_whatever_is_refused(store: Store, org: Organisation, key: Key) -> None:
    for number in range(3_000):
        store.reception.refuse(key, "deployment", Refused(400, f"/{number}", "no"), number)
    store.reception.write(actor=TESTER).result()
    rest = refusals(store, org)[0]
    assert (rest.place, rest.requests) == ("", 2_000)


def test_a_message_is_cut_short(store: Store, org: Organisation, key: Key) -> None:
    store.reception.refuse(key, "deployment", Refused(400, "p" * 5_000, "m" * 5_000), 1)
    store.reception.write(actor=TESTER).result()
    (kept,) = refusals(store, org)
    assert kept.message == "m" * MOST_MESSAGE
    assert len(kept.place) < 1_000


def test_organisations_see_their_own_keys_alone(store: Store, org: Organisation, key: Key) -> None:
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    store.reception.accept(make_key(store, other, "theirs"), "deployment", 1)
    store.reception.refuse(make_key(store, other, "theirs"), "deployment", WRONG_TIME, 1)
    store.reception.ignore(make_key(store, other, "theirs"), "deployment", ["/x"], 1)
    store.reception.accept(key, "deployment", 1)
    store.reception.write(actor=TESTER).result()
    assert ignored(store, org) == []
    assert [each.key_name for each in activity(store, org)] == ["deploy job"]
    assert refusals(store, org) == []


def test_a_revoked_key_is_told_as_such(store: Store, org: Organisation, key: Key) -> None:
    store.reception.accept(key, "deployment", 1)
    store.reception.write(actor=TESTER).result()
    store.keys.revoke(org.name, key.id, 2, actor=TESTER).result()
    assert [each.is_revoked for each in activity(store, org)] == [True]


def ignored(store: Store, org: Organisation) -> list[IgnoredMember]:
    return list(store.health.look(org).ignored)


def test_ignored_members_are_added_up_by_key_and_place(
    store: Store, org: Organisation, key: Key
) -> None:
    other = make_key(store, org, "other job")
    store.reception.ignore(key, "deployment", ["/sevice", "/x"], 10)
    store.reception.write(actor=TESTER).result()
    store.reception.ignore(key, "deployment", ["/sevice"], 20)
    store.reception.ignore(other, "deployment", ["/sevice"], 30)
    store.reception.write(actor=TESTER).result()
    named = (key.id, "deploy job", False, "deployment")
    assert ignored(store, org) == [
        IgnoredMember(other.id, "other job", False, "deployment", "/sevice", 1, 30, 30),
        IgnoredMember(*named, "/sevice", 2, 10, 20),
        IgnoredMember(*named, "/x", 1, 10, 10),
    ]


def test_random_members_of_a_key_displace_nothing_that_is_sent_more_often(
    store: Store, org: Organisation, key: Key
) -> None:
    other = make_key(store, org, "other job")
    store.reception.ignore(other, "failure", ["/names"], 1)
    for now_ns in (1, 2):
        store.reception.ignore(key, "deployment", ["/sevice"], now_ns)
        store.reception.write(actor=TESTER).result()
    for number in range(KEPT_IGNORED_OF_KEY + 9):
        store.reception.ignore(key, "deployment", [f"/{number}"], 10 + number)
        if number % 20 == 0:
            store.reception.write(actor=TESTER).result()
    store.reception.write(actor=TESTER).result()
    found = ignored(store, org)
    assert len(found) == KEPT_IGNORED_OF_KEY + 1
    assert {"/sevice", "/names", f"/{KEPT_IGNORED_OF_KEY + 8}"} <= {each.place for each in found}


def test_ignored_members_are_bounded_in_memory_and_by_organisation(
    store: Store, org: Organisation
) -> None:
    for number in range(KEPT_IGNORED // KEPT_IGNORED_OF_KEY + 1):
        sender = make_key(store, org, f"job {number}")
        for at in range(100):
            store.reception.ignore(sender, "deployment", [f"/{at}"], 100 * number + at)
    store.reception.write(actor=TESTER).result()
    found = ignored(store, org)
    assert len(found) == KEPT_IGNORED
    assert {each.requests for each in found if not each.place} == {50}


def test_members_that_have_not_been_sent_for_months_are_forgotten(
    store: Store, org: Organisation, key: Key
) -> None:
    store.reception.ignore(key, "deployment", ["/old"], 1)
    store.reception.write(actor=TESTER).result()
    store.reception.ignore(key, "deployment", ["/new"], 91 * 86_400 * 10**9)
    store.reception.write(actor=TESTER).result()
    assert [each.place for each in ignored(store, org)] == ["/new"]


def test_a_writer_writes_soon_and_at_its_end(store: Store, org: Organisation, key: Key) -> None:
    writer = ReceptionWriter(store.reception)
    writer.start()
    store.reception.accept(key, "deployment", 1)
    deadline = time.monotonic() + 30
    while not activity(store, org) and time.monotonic() < deadline:
        pass
    store.reception.accept(key, "deployment", 2)
    writer.stop()
    assert [each.requests for each in activity(store, org)] == [2]


def test_two_processes_add_to_the_same_count(
    database: str, store: Store, org: Organisation, key: Key
) -> None:
    with Store(database) as other:
        other.reception.accept(key, "deployment", 5)
        other.reception.write(actor=TESTER).result()
        store.reception.accept(key, "deployment", 7)
        store.reception.write(actor=TESTER).result()
    (told,) = activity(store, org)
    assert (told.requests, told.first_at_ns, told.last_at_ns) == (2, 5, 7)


def test_counts_that_another_process_writes_late_leave_no_fault(
    database: str, store: Store, org: Organisation, key: Key
) -> None:
    """They may be older than those that were written first."""
    with Store(database) as other:
        for each, now_ns in ((store, 5), (other, 7)):
            each.reception.accept(key, "deployment", now_ns)
            each.reception.refuse(key, "deployment", WRONG_TIME, now_ns)
            each.reception.ignore(key, "deployment", ["/new"], now_ns)
        other.reception.write(actor=TESTER).result()
        store.reception.write(actor=TESTER).result()
    for told in (*activity(store, org), *refusals(store, org), *ignored(store, org)):
        assert (told.requests, told.first_at_ns) == (2, 5)
        assert told.last_at_ns >= told.first_at_ns
    assert not check_store(database, unseen).findings


def test_a_clock_that_is_set_back_does_not_put_the_last_before_the_first(
    store: Store, org: Organisation, key: Key
) -> None:
    for now_ns in (9, 3):
        store.reception.accept(key, "deployment", now_ns)
    store.reception.write(actor=TESTER).result()
    (told,) = activity(store, org)
    assert (told.first_at_ns, told.last_at_ns) == (3, 3)
