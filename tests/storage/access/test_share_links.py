"""Who made share links, in which state they are, and when ended ones are removed."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from actors import TESTER
from removing import made_remover
from theodora.events.values import DAY_NS
from theodora.storage import Organisation, PersonIdentity, Principal, Store
from theodora.storage.access.audit import AuditQuery
from theodora.storage.access.permissions import READ, WRITE
from theodora.storage.access.principals import key_principal, person_principal
from theodora.storage.access.share_links import KEPT_DAYS
from theodora.storage.engine.cursor import Cursor

NOW_NS = 20_000 * DAY_NS


def made_key(store: Store, org: Organisation, secret: str, **others: Any) -> Principal:
    key = store.keys.add(
        org.name, "application", secret, name=secret, now_ns=NOW_NS, actor=TESTER, **others
    )
    return key_principal(key.result())


def made_person(store: Store, org: Organisation, name: str) -> Principal:
    person = store.people.sign_in(
        org.name, PersonIdentity("proxy", name), "editor", NOW_NS, may_create=True, actor=TESTER
    )
    return person_principal(person.result())


def share(store: Store, maker: Principal, path: str, *, days: int = 7) -> str:
    """The id of a link, whose secret is its path."""
    return store.share_links.add(
        maker, path, path, "", expires_at_ns=NOW_NS + days * DAY_NS, now_ns=NOW_NS, actor=TESTER
    ).result()


def shown(store: Store, org: Organisation, days: int) -> dict[str, tuple[str, str]]:
    """The maker and the state of each link so many days later, by its path."""
    now_ns = NOW_NS + days * DAY_NS
    found: dict[str, tuple[str, str]] = {}
    for each in store.share_links.all_of(org, now_ns):
        opened = store.share_links.find(each.path, now_ns)
        assert opened == (each if each.is_good(now_ns) else None)
        found[each.path] = (each.maker.name if each.maker else "", each.state(now_ns))
    return found


def test_each_link_has_its_own_maker(store: Store) -> None:
    org = store.organisations.create("shop", NOW_NS, actor=TESTER).result()
    editor = frozenset({READ, WRITE})
    ada, bob = made_person(store, org, "ada"), made_person(store, org, "bob")
    share(store, ada, "/ada")
    share(store, bob, "/bob")
    share(store, made_key(store, org, "ci", permissions=editor), "/key")
    share(store, made_key(store, org, "reader", permissions=frozenset({READ})), "/reader")
    brief = made_key(store, org, "brief", permissions=editor, expires_at_ns=NOW_NS + DAY_NS)
    share(store, brief, "/brief")
    gone = made_key(store, org, "gone", permissions=editor)
    share(store, gone, "/gone")
    good = {
        "/ada": ("ada", "active"),
        "/bob": ("bob", "active"),
        "/key": ("ci", "active"),
        "/reader": ("", "without its maker"),
    }
    expected = {**good, "/brief": ("brief", "active"), "/gone": ("gone", "active")}
    assert shown(store, org, 0) == expected
    assert gone.key
    store.keys.revoke(org.name, gone.key.id, NOW_NS, actor=TESTER).result()
    assert bob.person
    store.people.disable(org, bob.person.id, NOW_NS, actor=TESTER).result()
    nobody = ("", "without its maker")
    assert shown(store, org, 1) == {**good, "/bob": nobody, "/brief": nobody, "/gone": nobody}
    store.organisations.plan_deletion(org, NOW_NS, 0, actor=TESTER).result()
    assert {state for _, state in shown(store, org, 1).values()} == {"without its maker"}


def test_all_links_are_listed_by_one_statement(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = made_person(store, org, "ada")
    for path in ("/a", "/b", "/c"):
        share(store, ada, path)
    executed: list[str] = []
    database = store._database
    read = database.read

    class Noting:
        def __init__(self, cursor: Cursor) -> None:
            self._cursor = cursor

        def __getattr__(self, name: str) -> Any:
            return getattr(self._cursor, name)

        def execute(self, statement: Any, values: Sequence[Any] = ()) -> Cursor:
            executed.append(statement)
            return self._cursor.execute(statement, values)

    def noted(work: Callable[[Any], Any]) -> Any:
        return read(lambda cursor: work(Noting(cursor)))

    monkeypatch.setattr(database, "read", noted)
    assert len(store.share_links.all_of(org, NOW_NS)) == 3
    assert sum("share_links" in each for each in executed) == 1
    assert not any("WHERE p." in each or "WHERE k." in each for each in executed)


def test_links_are_removed_some_days_after_they_ended(store: Store, org: Organisation) -> None:
    ada = made_person(store, org, "ada")
    eve = made_person(store, store.organisations.create("b", 1, actor=TESTER).result(), "eve")
    share(store, eve, "/eve", days=1)
    share(store, ada, "/short", days=1)
    share(store, ada, "/long", days=90)
    revoked = share(store, ada, "/revoked", days=90)
    store.share_links.revoke(org, revoked, NOW_NS, actor=TESTER).result()

    def left(days: int, later_ns: int = 0) -> set[str]:
        now_ns = NOW_NS + days * DAY_NS + later_ns
        store.share_links.remove_ended(now_ns, actor=TESTER)
        theirs = store.share_links.all_of(eve.organisation, now_ns)
        return {each.path for each in (*store.share_links.all_of(org, now_ns), *theirs)}

    assert left(KEPT_DAYS, -1) == {"/short", "/long", "/revoked", "/eve"}
    assert left(KEPT_DAYS) == {"/short", "/long", "/eve"}
    assert left(KEPT_DAYS + 1, -1) == {"/short", "/long", "/eve"}
    assert left(KEPT_DAYS + 1) == {"/long"}
    assert left(89) == {"/long"}
    assert left(90 + KEPT_DAYS) == set()
    actions = [each.action for each in store.audit.entries(org, AuditQuery())]
    assert actions.count("link.created") == 3
    assert actions.count("link.revoked") == 1


def test_a_server_removes_ended_links_by_itself(store: Store, org: Organisation) -> None:
    ada = made_person(store, org, "ada")
    share(store, ada, "/ended")
    remover = made_remover(store)
    remover.start()
    until_sec = time.monotonic() + 30
    while store.share_links.all_of(org, NOW_NS) and time.monotonic() < until_sec:
        time.sleep(0.02)
    remover.stop()
    assert not store.share_links.all_of(org, NOW_NS)
