"""Each kind of change leaves exactly one entry in the audit log, in its own transaction."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, get_args

import pytest

from actors import TESTER
from databases import ON_SQLITE
from storage.test_isolation import ALONG_THE_WAY, NOW_NS, WRITES, Member, deployment, make, written
from theodora.errors import Invalid, NotFound
from theodora.events.values import DAY_NS
from theodora.storage import Actor, Organisation, Store
from theodora.storage.access.audit import AuditQuery
from theodora.storage.access.audit_search import read_audit_search
from theodora.storage.access.refusals import REFUSALS_AN_HOUR
from theodora.storage.check.check import check_store
from theodora.storage.engine.audit import MAX_AUDIT_VALUES, AuditEntry
from theodora.storage.engine.audit_actions import AUDIT_ACTIONS, ActionName
from theodora.storage.open import open_copy

ACTIONS: dict[str, ActionName] = {
    "audit.note": "data.exported",
    "audit.refuse": "permission.refused",
    "deployments.delete": "deployment.deleted",
    "deployments.update": "verdict.set",
    "deployments.update_by_version": "verdict.set",
    "annotations.add": "annotation.added",
    "annotations.remove": "annotation.removed",
    "saved_views.put": "view.saved",
    "saved_views.remove": "view.deleted",
    "activity.erase": "activity.erased",
    "goals.put": "goal.set",
    "goals.remove": "goal.removed",
    "failures.close": "failure.closed",
    "notifications.add": "receiver.added",
    "notifications.change": "receiver.changed",
    "notifications.remove": "receiver.removed",
    "notifications.retry": "receiver.sent_again",
    "notifications.test": "receiver.tested",
    "failures.delete": "failure.deleted",
    "forwarding.drop": "forwarding.dropped",
    "forwarding.pause": "forwarding.paused",
    "forwarding.put": "forwarding.begun",
    "forwarding.remove": "forwarding.ended",
    "forwarding.resume": "forwarding.resumed",
    "forwarding.retry": "forwarding.retried",
    "inbox.replay": "source.replayed",
    "keys.add": "key.created",
    "keys.revoke": "key.revoked",
    "keys.rotate": "key.rotated",
    "mirrors.add": "mirror.added",
    "mirrors.remove": "mirror.removed",
    "organisations.plan_deletion": "organisation.deletion_planned",
    "organisations.take_back": "organisation.deletion_withdrawn",
    "people.disable": "person.disabled",
    "people.enable": "person.enabled",
    "people.set_role": "person.role_changed",
    "people.set_teams": "person.teams_changed",
    "people.leave": "person.left",
    "people.sign_in": "person.role_changed",
    "retention.change": "retention.changed",
    "retention.confirm": "retention.confirmed",
    "retention.put": "retention.changed",
    "retention.remove_old": "retention.removing",
    "sessions.add": "session.started",
    "sessions.end": "session.ended",
    "sessions.end_of_person": "session.ended",
    "sessions.end_by_id": "session.ended",
    "share_links.add": "link.created",
    "share_links.revoke": "link.revoked",
    "settings.merge": "settings.changed",
    "settings.put": "settings.changed",
    "sources.add": "source.created",
    "sources.change_common_settings": "source.changed",
    "sources.change_secret": "source.secret_changed",
    "sources.change_settings": "source.changed",
    "sources.remove": "source.removed",
    "verdicts.delete": "verdict.removed",
    "verdicts.link": "verdict.set",
    "verdicts.put": "verdict.set",
    "verdicts.unlink": "verdict.removed",
}
EXEMPT = {
    **dict.fromkeys(
        ("deployments.add", "deployments.add_all", "failures.add", "activity.add"),
        "what comes in is data, counted by key and source",
    ),
    **dict.fromkeys(
        ("inbox.receive", "inbox.settle"),
        "what comes in is data, counted by key and source",
    ),
    **dict.fromkeys(
        ("commits.add_commits", "commits.add_pull_requests"), "what comes in is data, too"
    ),
    **dict.fromkeys(
        ("deployments.send_again", "failures.send_again"),
        "batches of a command, which is recorded once for all of them",
    ),
    "verdicts.add": "an import has one entry, and the history of verdicts has each of them",
    **dict.fromkeys(
        ("reception.accept", "reception.refuse", "reception.ignore", "reception.write"),
        "counters of what came in",
    ),
    **dict.fromkeys(
        ("keys.note_used", "sessions.note_seen", "sessions.renew", "share_links.note_used"),
        "use, which changes no rights",
    ),
    **dict.fromkeys(
        (
            *("forwarding.lease", "forwarding.settle", "inbox.lease", "inbox.end_lease"),
            *("notifications.claim", "notifications.queue", "notifications.settle"),
            "mirrors.note",
        ),
        "the progress of a worker",
    ),
}
"""Writes without an entry, and why."""


def entries(it: Member) -> list[AuditEntry]:
    return it.store.audit.entries(it.org, AuditQuery(limit=10_000))


def test_every_write_of_the_store_has_an_action_or_a_reason_for_none() -> None:
    assert ACTIONS.keys() | EXEMPT.keys() == {name for name, _ in WRITES}
    assert not ACTIONS.keys() & EXEMPT.keys()
    assert {
        *("keys.ensure_organisation", "derivations.derive_queued", "derivations.derive_all_queued"),
        *("organisations.create", "organisations.delete_due", "inbox.prune"),
        *("audit.remove_old", "audit.take_unlogged", "share_links.remove_ended"),
        *("metrics.save_columns", "sessions.remove_ended"),
    } == ALONG_THE_WAY, "those have tests of their own below, or change nothing people set"


def test_each_kind_of_change_leaves_exactly_one_entry(store: Store) -> None:
    ours, theirs = make(store, "apple"), make(store, "pear")
    others = entries(ours)
    for name, write in WRITES:
        before = entries(theirs)
        written(write, theirs)
        new = entries(theirs)[: -len(before)]
        assert [each.action for each in new] == ([ACTIONS[name]] if name in ACTIONS else []), name
        for each in new:
            assert each.actor.kind == "person", name
            assert theirs.secret not in repr(each), name
        store.derivations.derive_all_queued(actor=TESTER)
    assert entries(ours) == others


def test_the_table_of_actions_is_the_type_of_actions() -> None:
    assert tuple(action.name for action in AUDIT_ACTIONS) == get_args(ActionName)


def test_settings_of_sources_are_recorded_where_they_differ(
    store: Store, org: Organisation
) -> None:
    sources = store.sources
    id_ = sources.add(org, "github", "G", '{"env":"a","team":"t"}', 1, actor=TESTER).result().id
    for settings in ('{"env":"b","team":"t"}', '{"team":"t","env":"b"}'):
        sources.change_settings(org, id_, settings, actor=TESTER).result()
        sources.change_common_settings(org, settings, actor=TESTER).result()
    found = store.audit.entries(org, AuditQuery(action="source.changed"))
    assert [(each.target, each.before, each.after) for each in found] == [
        ("all", "", '{"env":"b","team":"t"}'),
        (id_, '{"env":"a"}', '{"env":"b"}'),
    ]


def test_an_entry_says_who_did_what_to_what(store: Store, org: Organisation) -> None:
    who = Actor("key", "admin", "k1", "192.0.2.7")
    store.settings.put(org, {"team": "old", "production_envs": ["live"]}, "shop", actor=who)
    store.settings.merge(org, {"team": "new"}, (), "shop", actor=who).result()
    entry = store.audit.entries(org, AuditQuery())[0]
    assert (entry.actor, entry.action, entry.target) == (who, "settings.changed", "shop")
    assert (entry.before, entry.after) == ('{"team":"old"}', '{"team":"new"}')
    assert (entry.outcome, entry.reason) == ("done", "")


@pytest.mark.parametrize(
    "again",
    [
        lambda it: it.store.settings.put(it.org, {"team": it.word}, actor=TESTER),
        lambda it: it.store.keys.revoke(it.org.name, it.key.id, 7, actor=TESTER),
        lambda it: it.store.retention.put(it.org, 36_500, actor=TESTER),
        lambda it: it.store.keys.ensure_organisation(it.word, 7, actor=TESTER),
        lambda it: it.store.forwarding.retry(it.org, actor=TESTER),
        lambda it: it.store.inbox.replay(it.org, "github", "nothing", actor=TESTER),
    ],
)
@ON_SQLITE
def test_what_changes_nothing_leaves_no_entry(
    store: Store, again: Callable[[Member], Future[object]]
) -> None:
    it = make(store, "apple")
    again(it).result()
    before = entries(it)
    again(it).result()
    assert entries(it) == before


@ON_SQLITE
def test_a_write_that_fails_leaves_no_entry_and_no_gap(store: Store, org: Organisation) -> None:
    with pytest.raises(NotFound):
        store.mirrors.remove(org, "nothing", actor=TESTER).result()
    store.mirrors.add(org, "github.com/acme/shop", "https://github.com/acme/shop", actor=TESTER)
    store.mirrors.add(org, "github.com/acme/cart", "https://github.com/acme/cart", actor=TESTER)
    with pytest.raises(NotFound):
        store.sources.remove(org, "nothing", actor=TESTER).result()
    found = store.audit.entries(org, AuditQuery(action="mirror"))
    assert [each.number for each in found] == [3, 2]


def test_the_hash_is_that_of_the_documentation(store: Store, org: Organisation) -> None:
    store.audit.note(org, "data.exported", "ä.jsonl", after={"events": 2}, actor=TESTER).result()
    newest, before = store.audit.entries(org, AuditQuery(limit=2))
    content = [
        *(before.hash, newest.org, newest.number, newest.at_ns, "person", "tester", "", ""),
        *("data.exported", "ä.jsonl", "", '{"events":2}', "done", ""),
    ]
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    assert newest.hash == hashlib.sha256(text.encode()).hexdigest()


@ON_SQLITE
def test_long_values_are_replaced_by_their_hash(store: Store, org: Organisation) -> None:
    values = {"text": "x" * MAX_AUDIT_VALUES}
    store.audit.note(org, "data.exported", "y" * 5_000, after=values, actor=TESTER).result()
    entry = store.audit.entries(org, AuditQuery())[0]
    text = json.dumps(values, separators=(",", ":"))
    assert json.loads(entry.after) == {
        "characters": len(text),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    assert len(entry.target) == 1_000


def test_entries_are_found_by_what_is_asked_for(store: Store, org: Organisation) -> None:
    alice, bob = Actor("person", "alice", "7", "192.0.2.1"), Actor("key", "bob", "8")
    store.audit.note(org, "data.exported", "a.jsonl", actor=alice).result()
    middle_ns = store.audit.entries(org, AuditQuery())[0].at_ns + 1
    store.audit.refuse(org, "session.refused", "s", "wrong key", NOW_NS, actor=bob)
    store.audit.note(org, "store.repaired", "b.tar", actor=bob).result()

    def found(**asked: object) -> list[int]:
        return [each.number for each in store.audit.entries(org, AuditQuery(**asked))]

    assert found() == [4, 3, 2, 1]
    assert found(limit=2) == [4, 3]
    assert found(before_number=3) == [2, 1]
    assert found(actor="alice") == found(actor="7") == found(actor="192.0.2.1") == [2]
    assert found(action="data") == found(action="data.exported") == [2]
    assert found(action="dat") == found(action="data_") == []
    assert found(target="b.tar") == [4]
    assert found(outcome="refused") == [3]
    assert found(from_ns=middle_ns) == [4, 3]
    assert found(to_ns=middle_ns) == [2, 1]


@ON_SQLITE
def test_a_flood_of_refusals_is_recorded_up_to_a_limit(store: Store, org: Organisation) -> None:
    def refuse(address: str, at_ns: int) -> bool:
        who = Actor("person", "", "", address)
        args = (org, "session.refused", "", "wrong key", at_ns)
        recorded = store.audit.refuse(*args, actor=who)
        if recorded is not None:
            recorded.result()
        return recorded is not None

    assert [refuse("192.0.2.1", NOW_NS + second) for second in range(5)] == [True, *[False] * 4]
    flood = [refuse(f"2001:db8::{number}", NOW_NS) for number in range(3 * REFUSALS_AN_HOUR)]
    assert sum(flood) == REFUSALS_AN_HOUR - 1
    assert refuse("192.0.2.1", NOW_NS + 3_600 * 10**9)
    found = store.audit.entries(org, AuditQuery(action="session.refused", limit=1_000))
    assert len(found) == REFUSALS_AN_HOUR + 1
    omitted = sum(json.loads(each.after or "{}").get("omitted_before", 0) for each in found)
    assert omitted == 4 + len(flood) - sum(flood)


def test_what_concerns_no_organisation_is_in_the_log_of_the_only_one_or_of_the_server(
    store: Store, org: Organisation
) -> None:
    def refuse(name: str) -> None:
        written = store.audit.refuse(
            None, "session.refused", "", "wrong key", NOW_NS, actor=Actor("person", name)
        )
        assert written
        written.result()

    refuse("first")
    assert store.audit.entries(org, AuditQuery())[0].actor.name == "first"
    store.organisations.create("another", 1, actor=TESTER).result()
    refuse("second")
    assert [each.actor.name for each in store.audit.entries(None, AuditQuery())] == ["second"]


def test_the_server_keeps_who_deleted_an_organisation(store: Store) -> None:
    ours = make(store, "apple")
    who = Actor("person", "alice", "7", "192.0.2.1")
    events = store.organisations.holdings(ours.org).events
    store.organisations.plan_deletion(ours.org, NOW_NS, events, actor=who).result()
    chain = store.audit.chain(ours.org)
    assert store.organisations.delete_due(NOW_NS + 8 * DAY_NS, actor=TESTER) == 1
    assert entries(ours) == []
    deleted, begun = store.audit.entries(None, AuditQuery())
    assert (deleted.action, deleted.target) == ("organisation.deleted", ours.org.uuid)
    assert (begun.action, begun.target) == ("organisation.deletion_begun", ours.org.uuid)
    assert json.loads(begun.after) == {
        "planned_by": {"kind": "person", "name": "alice", "id": "7", "address": "192.0.2.1"},
        "audit_log": {"entries": chain.last_number, "last_hash": chain.last_hash},
    }


def test_old_entries_are_removed_and_the_chain_is_still_checked(
    store: Store, database: str, org: Organisation
) -> None:
    for number in range(5):
        store.audit.note(org, "data.exported", str(number), actor=TESTER).result()
    oldest = store.audit.entries(org, AuditQuery(limit=3))[-1]
    assert store.audit.remove_old(oldest.at_ns, actor=TESTER) == 3
    found = store.audit.entries(org, AuditQuery())
    assert [each.target for each in found] == ["to 3", "4", "3", "2"]
    assert check_store(database, lambda *_: None).findings == []
    assert store.audit.remove_old(oldest.at_ns, actor=TESTER) == 0
    # The newest stays, however old it is: the next one continues from it.
    assert store.audit.remove_old(oldest.at_ns * 2, actor=TESTER) == 3
    assert [each.target for each in store.audit.entries(org, AuditQuery())] == ["to 6", "to 3"]
    assert check_store(database, lambda *_: None).findings == []


def test_a_beginning_that_was_cut_off_by_hand_is_found(
    store: Store, database: str, org: Organisation
) -> None:
    """Also where the row of the chain was made to fit."""
    for number in range(5):
        store.audit.note(org, "data.exported", str(number), actor=TESTER).result()
    second = store.audit.entries(org, AuditQuery(before_number=3, limit=1))[0]
    store.audit.remove_old(second.at_ns, actor=TESTER)
    fourth = store.audit.entries(org, AuditQuery(before_number=5, limit=1))[0]
    with open_copy(database) as raw:
        key = (org.key,)
        raw.cursor.execute("DELETE FROM audit_entries WHERE org = ? AND number <= 4", key)
        raw.cursor.execute(
            "UPDATE audit_chains SET removed_number = 4, removed_hash = ? WHERE org = ?",
            (fourth.hash, *key),
        )
    [finding] = check_store(database, lambda *_: None).findings
    assert (finding.table, "oldest entries" in finding.problem) == ("audit_chains", True)


def test_entries_are_taken_once_to_be_logged(store: Store, org: Organisation) -> None:
    first = store.audit.take_unlogged(actor=TESTER)
    assert [(name, each.action) for name, each in first] == [(org.name, "organisation.created")]
    store.retention.confirm_clock(NOW_NS, actor=TESTER).result()
    assert [(name, each.org) for name, each in store.audit.take_unlogged(actor=TESTER)] == [("", 0)]
    assert store.audit.take_unlogged(actor=TESTER) == []


def test_a_planned_limit_that_begins_is_recorded(store: Store, org: Organisation) -> None:
    store.deployments.add(org, deployment("x", "new", 1), NOW_NS, actor=TESTER).result()
    store.retention.change(org, 30, NOW_NS, actor=TESTER).result()
    assert store.audit.entries(org, AuditQuery())[0].after.startswith('{"planned":{"days":30')
    store.retention.remove_old(NOW_NS + 2 * DAY_NS, actor=TESTER)
    assert store.audit.entries(org, AuditQuery())[0].action == "retention.begun"


def test_a_search_finds_entries_in_the_language_of_events(store: Store, org: Organisation) -> None:
    alice = Actor("person", "Alice Smith", "a1", "192.0.2.1")
    store.audit.note(org, "data.exported", "a.jsonl", after={"x": "big apple"}, actor=alice)
    store.audit.refuse(org, "permission.refused", "op", "it lacks x", NOW_NS, actor=TESTER)
    store.audit.note(org, "data.exported", "b.jsonl", actor=TESTER).result()

    def found(search: str, **asked: Any) -> list[int]:
        query = AuditQuery(search=read_audit_search(search), **asked)
        return [each.number for each in store.audit.entries(org, query)]

    assert found("") == found("*") == [4, 3, 2, 1]
    assert found("actor:a1") == found('actor:"Alice Smith"') == found("actor:Alice*") == [2]
    assert found("action:data.*") == found("exported") == [4, 2]
    assert found("action:data.* -actor:a1") == [4]
    assert found("outcome:refused OR address:192.0.2.*") == [3, 2]
    assert found('"big apple"') == found("after:*apple*") == [2]
    assert found("_exists_:address") == [2]
    assert found("number:>=3") == [4, 3]
    assert found("at:>=2999-01-01") == found("done") == []
    assert found("*:done", limit=1) == [4]
    assert found("actor_kind:person", before_number=3) == [2, 1]


def test_a_search_reads_on_until_it_has_found_enough(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theodora.storage.access.audit._SEARCHED_AT_ONCE", 2)
    for number in range(9):
        store.audit.note(org, "data.exported", f"{number % 3}", actor=TESTER)
    store.audit.note(org, "store.repaired", "", actor=TESTER).result()
    query = AuditQuery(search=read_audit_search("target:1"), limit=2)
    assert [each.number for each in store.audit.entries(org, query)] == [9, 6]
    assert len(store.audit.entries(org, query._replace(limit=5))) == 3


@ON_SQLITE
@pytest.mark.parametrize("search", ["(", "service:shop", "colour:red", "is:production", "-who:x"])
def test_a_search_for_what_entries_do_not_have_is_refused(search: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_audit_search(search)
    assert refused.value.problems[0].path == ("query",)
