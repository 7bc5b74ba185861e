"""Organisations side by side on PostgreSQL: none waits for another's writes, nothing is lost."""

import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg
import pytest

from actors import TESTER
from databases import Databases
from storage.test_isolation import make
from theodora.errors import OrganisationBusy
from theodora.events import Deployment
from theodora.query import Kind, parse, sort_key
from theodora.sources.webhooks.worker import InboxWorker
from theodora.storage import Organisation, Selection, SessionLimits, Store
from theodora.storage.access import key_usage
from theodora.storage.access.principals import key_principal
from theodora.storage.check.check import check_store
from theodora.storage.deletion_guards import Guards, Unconfirmed
from theodora.storage.derivation.worker import Deriver
from theodora.storage.engine import upkeep_agenda, writer
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.erasure import erase_some, erased_tables
from theodora.storage.inbox import InboxQuery
from theodora.storage.store import orgs_to_upkeep

SORT = sort_key("started_at", Kind.DEPLOYMENT)
assert SORT
ALL = Selection(query=parse("*"), sort=SORT, limit=100_000)


@pytest.fixture
def url(postgresql_databases: Databases, tmp_path: Path) -> Iterator[str]:
    with postgresql_databases.new(tmp_path) as url:
        yield url


def deployment(id_: str) -> Deployment:
    return Deployment(id=id_, service="web", started_at_ns=1, finished_at_ns=2)


def organisation(store: Store, name: str) -> Organisation:
    return store.keys.ensure_organisation(name, 1, actor=TESTER).result()


@contextmanager
def held(url: str, *orgs: Organisation) -> Generator[int]:
    """Another process is writing for the organisations, and takes long; its session's number."""
    with psycopg.connect(url) as connection:
        raising = "UPDATE counters SET value = value + 1 WHERE org = ANY(%s) AND name = 'commits'"
        connection.execute(raising, ([org.key for org in orgs],))
        yield connection.info.backend_pid


def waiting_sessions(url: str, holder: int) -> int:
    """How many sessions wait for what this one has locked, and not for one another."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
    with psycopg.connect(url) as connection:
        return (connection.execute(waiting, (holder,)).fetchone() or (0,))[0]


def deliver(store: Store, org: Organisation) -> None:
    store.inbox.receive(org, "github", "", {}, "{}", time.time_ns(), actor=TESTER).result(20)


def is_read(store: Store, org: Organisation) -> bool:
    """Whether all deliveries are."""
    return all(each.state != "waiting" for each in store.inbox.select(org, InboxQuery()))


def is_derived(store: Store, org: Organisation, count: int) -> bool:
    """Whether there are so many deployments, each with a verdict."""
    stored = [*store.deployments.everything(org)]
    return len(stored) == count and all(each.change_failure is not None for each in stored)


def wait_until(is_true: Callable[[], bool]) -> None:
    until_sec = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < until_sec
        time.sleep(0.02)


def create_and_find(store: Store, org: Organisation, id_: str) -> None:
    """Fails where it has to wait for something that is held meanwhile."""
    store.deployments.add(org, deployment(id_), 1, actor=TESTER).result(timeout=20)
    assert id_ in [each.id for each in store.deployments.select(org, ALL)]


def use_and_revoke_key(here: Store, there: Store, org: Organisation) -> None:
    """Makes a key, signs in with it, and revokes it; each process finds that at once."""
    key = here.keys.add(
        org.name, "application", "s", name="", permissions=frozenset(), now_ns=1, actor=TESTER
    ).result(timeout=20)
    limits = SessionLimits(idle_ns=100, absolute_ns=100)
    signing_in = here.sessions.add(key_principal(key), "c", 1, limits, actor=TESTER)
    signing_in.result(timeout=20)
    for store in (here, there):
        assert store.keys.find("application", "s")
        assert store.sessions.find("c", 1, limits)
    here.keys.revoke(org.name, key.id, 2, actor=TESTER).result(timeout=20)
    for store in (here, there):
        assert store.keys.find("application", "s") is None
        assert store.sessions.find("c", 1, limits) is None


def test_no_organisation_waits_for_the_write_of_another(url: str):
    with ExitStack() as stack:
        here, there = (stack.enter_context(Store(url)) for _ in range(2))
        slow, quick = organisation(here, "slow"), organisation(here, "quick")
        with held(url, slow):
            waiting = [
                here.deployments.add(slow, deployment(f"s{number}"), 1, actor=TESTER)
                for number in range(3)
            ]
            for number in range(3):
                create_and_find(here, quick, f"here-{number}")
                create_and_find(there, quick, f"there-{number}")
            use_and_revoke_key(here, there, quick)
            assert organisation(there, "new").name == "new"
            planned = there.organisations.plan_deletion(quick, 1, 9, actor=TESTER)
            assert planned.result(timeout=20) == Unconfirmed(6)
            assert not any(write.done() for write in waiting)
        for write in waiting:
            write.result(timeout=60)
        stored = [each.id for each in here.deployments.everything(slow)]
        assert stored == ["s0", "s1", "s2"], "in the order in which they were sent"


def test_ten_held_organisations_keep_no_other_from_being_written_derived_and_read(url: str):
    """However many writes of theirs wait; what was marked and sent for them comes later."""
    due = Event()
    with ExitStack() as stack:
        here, there = (stack.enter_context(Store(url)) for _ in range(2))
        kept = [organisation(here, f"held {number}") for number in range(10)]
        quick = organisation(here, "quick")
        deriver = Deriver(here.derivations, due, lambda _org, _id: None)
        inbox = InboxWorker(here, keep_days=30)
        for org in kept:
            here.deployments.add(org, deployment("d"), 1, actor=TESTER).result()
            deliver(here, org)
        with held(url, *kept) as holder:
            waiting = [
                here.deployments.add(org, deployment("later"), 1, actor=TESTER) for org in kept
            ]
            deriver.start()
            stack.callback(deriver.stop)
            inbox.start()
            stack.callback(inbox.stop)
            for number in range(5):
                create_and_find(here, quick, f"here-{number}")
                create_and_find(there, quick, f"there-{number}")
                deliver(here, quick)
            wait_until(lambda: all(here._database.is_held(org.key) for org in kept))
            most = max(waiting_sessions(url, holder) for _ in range(20))
            assert most in range(1, 5), "half of the lanes"
            wait_until(lambda: is_derived(here, quick, 10))
            wait_until(lambda: is_read(here, quick))
            assert not any(write.done() for write in waiting)
            assert not any(is_derived(here, org, 1) for org in kept)
            assert not any(is_read(here, org) for org in kept)
        for write in waiting:
            write.result(timeout=60)
        wait_until(lambda: all(is_derived(here, org, 2) for org in kept))
        wait_until(lambda: all(is_read(here, org) for org in kept))


def test_a_write_that_does_not_wait_fails_while_its_organisation_is_held(url: str):
    with Store(url) as store:
        org, free = organisation(store, "held"), organisation(store, "free")
        database = store._database
        with held(url, org):
            for _ in range(3):
                failing = database.write(lambda _: None, TESTER, org=org.key, if_free=True)
                assert isinstance(failing.exception(timeout=20), OrganisationBusy)
                assert database.is_held(org.key)
            database.write(lambda _: None, TESTER, org=free.key, if_free=True).result(timeout=20)
            assert not database.is_held(free.key)
        wait_until(lambda: not database.is_held(org.key))
        database.write(lambda _: None, TESTER, org=org.key, if_free=True).result(timeout=20)


def test_what_is_deleted_waits_for_no_held_organisation(url: str):
    """Nor do deliveries, sessions and entries of the audit log."""
    with Store(url, guards=Guards(organisation_days=0)) as store:
        kept, gone = (organisation(store, name) for name in ("held", "gone"))
        for org in (kept, gone):
            store.deployments.add(org, deployment("d"), 1, actor=TESTER).result()
            store.organisations.plan_deletion(org, 1, 1, actor=TESTER).result()
        with held(url, kept):
            assert store.organisations.delete_due(2, actor=TESTER) == 1
        names = [each.organisation.name for each in store.organisations.everything()]
        assert names == ["held"]
        wait_until(lambda: store.organisations.delete_due(3, actor=TESTER) == 1)


def test_what_keys_send_is_counted_while_another_organisation_is_held(
    url: str, monkeypatch: pytest.MonkeyPatch
):
    for name in ("_WRITE_SECONDS", "_PATIENCE_SECONDS"):
        monkeypatch.setattr(key_usage, name, 0.05)
    with ExitStack() as stack:
        store = stack.enter_context(Store(url))
        kept, quick = (organisation(store, name) for name in ("held", "quick"))
        keys = [
            store.keys.add(
                *(org.name, "api", org.name),
                name="",
                permissions=frozenset(),
                now_ns=1,
                actor=TESTER,
            ).result()
            for org in (kept, quick)
        ]

        def counted(org: Organisation) -> list[int]:
            return [each.requests for each in store.health.look(org).activity]

        counting = key_usage.ReceptionWriter(store.reception)
        counting.start()
        stack.callback(counting.stop)
        with held(url, kept):
            for number in range(1, 4):
                for key in keys:
                    store.reception.accept(key, "deployment", number)
                wait_until(lambda number=number: counted(quick) == [number])
            assert counted(kept) == []
        wait_until(lambda: counted(kept) == [3])


def test_an_erasure_does_not_wait_for_a_deriver_that_waits_for_it(
    url: str, monkeypatch: pytest.MonkeyPatch
):
    """The deriver holds a mark that the erasure deletes, and writes for the same organisation."""
    with Store(url) as store:
        org = organisation(store, "default")
        store.deployments.add(org, deployment("d"), 1, actor=TESTER).result()
        [marks] = [table for table in erased_tables() if table.name == "marks"]
        erasing: list[Future[bool]] = []
        derive = store.derivations._cache.derive

        def derive_while_erasing(*arguments: Any) -> Any:
            erase = partial(erase_some, table=marks, org=org)
            erasing.append(store._database.write(erase, TESTER, org=org.key))
            return derive(*arguments)

        monkeypatch.setattr(store.derivations._cache, "derive", derive_while_erasing)
        thread = Thread(target=lambda: store.derivations.derive_queued(actor=TESTER), daemon=True)
        thread.start()
        thread.join(timeout=30)
        assert not thread.is_alive()
        erasing[0].result(timeout=30)
        assert not store.derivations.are_due()


def test_upkeep_gets_its_turn_among_writes_that_follow_each_other_without_a_pause(
    url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(writer, "_GROUP_LIMIT", 8)
    monkeypatch.setattr(upkeep_agenda, "_AFTER_EVENTS", 16)
    with Store(url) as store:
        org = organisation(store, "busy")
        counted: list[Future[int]] = []
        for group in range(20):
            events = [deployment(f"{group}-{number}") for number in range(8)]
            store.deployments.add_all(org, events, 1, actor=TESTER)
            counted.append(store._database.write(_count_unindexed, TESTER, org=org.key))
        assert max(each.result(timeout=60) for each in counted) <= 32, "of 160"


def _count_unindexed(cursor: Cursor) -> int:
    """Takes long enough that whatever skips the organisation meanwhile does."""
    cursor.execute("SELECT pg_sleep(0.02)").fetchall()
    return only_value(
        cursor.execute(
            "SELECT r.value - i.value FROM counters r JOIN counters i USING (org) "
            "WHERE r.name = 'receipt' AND i.name = 'deployments_indexed'"
        )
    )


_INSIST = """
CREATE FUNCTION insist_on_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM counters c WHERE c.org = NEW.org AND c.name = 'commits'
      AND pg_current_xact_id()::xid IN (c.xmin, c.xmax))
  THEN
    RAISE EXCEPTION 'organisation % is not locked for a change of %', NEW.org, TG_TABLE_NAME;
  END IF;
  RETURN NEW;
END $$;
DO $$
DECLARE
  owned regclass;
BEGIN
  FOR owned IN
    SELECT a.attrelid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE a.attname = 'org' AND c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
      AND c.relname <> 'counters'
  LOOP
    EXECUTE format('CREATE TRIGGER insist BEFORE INSERT OR UPDATE ON %s '
      'FOR EACH ROW EXECUTE FUNCTION insist_on_lock()', owned);
  END LOOP;
END $$;
"""


def test_every_write_locks_the_organisation_that_it_writes_for(url: str):
    """Whatever fills a store, with all of its methods that write, and what follows from that."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_INSIST)
    with Store(url) as store:
        for word in ("apple", "pear"):
            made = make(store, word)
            store.derivations.derive_all_queued(actor=TESTER)
            create_and_find(store, made.org, "one-more")
        # Those that wait together are not committed together.
        orgs = [organisation(store, name) for name in ("fig", "plum")]
        added = [
            store.deployments.add(org, deployment(f"d{number}"), 1, actor=TESTER)
            for number in range(8)
            for org in orgs
        ]
        for each in added:
            each.result(timeout=60)
        store.derivations.derive_all_queued(actor=TESTER)
    assert check_store(url, lambda *_: None).underived == 0
    with Store(url) as store:
        assert store._database.read(orgs_to_upkeep) == set(), "upkeep locks them too"


_WRITE = """
import sys
from theodora.errors import OrganisationBusy
from theodora.events import Deployment
from theodora.storage import Actor, Store
url, name = sys.argv[1:]
actor = Actor("command", "test")
with Store(url) as store:
    org = store.keys.organisation(name)
    for number in range(100_000):
        of_group = [
            store.deployments.add(
                org,
                Deployment(id=f"{number}-{part}", service="web", started_at_ns=1, finished_at_ns=2),
                1,
                actor=actor,
            )
            for part in range(8)
        ]
        for part, each in enumerate(of_group):
            each.result()
            print(f"{number}-{part}", flush=True)
"""


@pytest.mark.slow
def test_what_was_acknowledged_is_there_when_one_of_two_processes_was_killed(url: str):
    with Store(url) as store:
        orgs = [organisation(store, name) for name in ("one", "two")]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITE, url, org.name], stdout=subprocess.PIPE, text=True
        )
        for org in orgs
    ]
    acknowledged = [[line_of(process) for _ in range(200)] for process in processes]
    for process, ids in zip(processes, acknowledged, strict=True):
        process.kill()
        assert process.stdout
        with process.stdout as output:
            ids += [line.strip() for line in output if line.endswith("\n")]
        process.wait()
        # The other one goes on.
        acknowledged[1] += [line_of(processes[1]) for _ in range(100) if process is processes[0]]
    with Store(url) as store:
        for org, ids in zip(orgs, acknowledged, strict=True):
            stored = [each.id for each in store.deployments.everything(org)]
            assert set(ids) <= set(stored)
            assert {each.id for each in store.deployments.select(org, ALL)} == set(stored)
        store.derivations.derive_all_queued(actor=TESTER)
    checked = check_store(url, lambda *_: None)
    assert [str(each) for each in checked.findings] == []
    assert checked.underived == 0


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    line = process.stdout.readline()
    assert line, "the process has ended"
    return line.strip()
