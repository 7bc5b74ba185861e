"""Signing in by the headers of a trusted proxy, and forging them."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from starlette.testclient import TestClient

from actors import TESTER
from asking import Tenant, make_key, server_in_process
from databases import ON_SQLITE
from theodora.app import Built
from theodora.errors import UnusableSetting
from theodora.events.values import DAY_NS
from theodora.storage import Person, SessionLimits
from theodora.storage.access.audit import AuditQuery
from theodora.storage.access.principals import person_principal
from theodora.storage.access.sessions import SignInPlace
from theodora.web.connections.server import _behind_proxies
from visiting import Browser, read_page, sign_in

pytestmark = ON_SQLITE

PROXY = "127.0.0.1"
SETTINGS = {
    "trusted_proxies": f"{PROXY},2001:db8::/32",
    "auth_proxy_user_header": "X-Forwarded-User",
    "auth_proxy_name_header": "X-Forwarded-Name",
    "auth_proxy_email_header": "X-Forwarded-Email",
    "auth_proxy_groups_header": "X-Forwarded-Groups",
    "auth_proxy_roles": "owners=owner,acme-devs=acme:editor,gone=gone:owner,staff=viewer",
}
ADA = {
    "X-Forwarded-User": "ada",
    "X-Forwarded-Name": "Ada Lovelace",
    "X-Forwarded-Email": "ada@example.org",
    "X-Forwarded-Groups": "staff, others",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Built, TestClient]]:
    with server_in_process(tmp_path_factory.mktemp("proxied"), **SETTINGS) as server:
        yield server


def asked(
    served: tuple[Built, TestClient], headers: Any, peer: str = PROXY, path: str = "/"
) -> Any:
    """The answer to a request that this peer sends, through what believes proxies."""
    built, started = served
    application = _behind_proxies(built.application, tuple(SETTINGS["trusted_proxies"].split(",")))
    client = TestClient(application, raise_server_exceptions=False, client=(peer, 1))
    client.portal = started.portal
    return client.get(path, headers=headers, follow_redirects=False)


def known(served: tuple[Built, TestClient], subject: str = "ada") -> Person | None:
    store = served[0].store
    return store.people.find(store.keys.organisation("default"), "proxy", subject)


def test_a_trusted_proxy_signs_somebody_in_without_a_session(
    served: tuple[Built, TestClient],
) -> None:
    answer = asked(served, {**ADA, "X-Forwarded-For": "203.0.113.7"})
    assert answer.status_code == 200
    assert "Ada Lovelace" in read_page(answer.text).one("header").text
    assert "set-cookie" not in answer.headers
    person = known(served)
    assert person
    assert (person.title, person.email, person.role.name) == (
        "Ada Lovelace",
        "ada@example.org",
        "viewer",
    )
    assert asked(served, {}).status_code == 303, "the next request without headers is nobody's"


@pytest.mark.parametrize(
    ("peer", "more"),
    [
        ("203.0.113.7", {}),
        ("203.0.113.7", {"X-Forwarded-For": PROXY}),
        ("203.0.113.7", {"X-Forwarded-For": f"{PROXY}, {PROXY}", "X-Real-IP": PROXY}),
        ("203.0.113.7", {"Forwarded": f"for={PROXY}"}),
        ("2001:db9::1", {}),
        ("testclient", {}),
    ],
)
def test_whoever_is_no_trusted_proxy_forges_in_vain(
    served: tuple[Built, TestClient], peer: str, more: dict[str, str]
) -> None:
    forged = {**ADA, "X-Forwarded-User": "mallory", "X-Forwarded-Groups": "owners", **more}
    assert asked(served, forged, peer).status_code == 303
    assert known(served, "mallory") is None


def test_a_network_of_proxies_is_trusted_by_address(served: tuple[Built, TestClient]) -> None:
    assert asked(served, ADA, "2001:db8::7").status_code == 200


def test_forged_headers_are_logged_once_a_minute(tmp_path: Path) -> None:
    with (
        server_in_process(tmp_path, **SETTINGS) as server,
        structlog.testing.capture_logs() as logs,
    ):
        for _ in range(5):
            asked(server, ADA, "203.0.113.7")
    lines = [line for line in logs if "proxy that is not trusted" in line["event"]]
    assert [(line["peer"], line["times"]) for line in lines] == [("203.0.113.7", 1)]


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({**ADA, "X-Forwarded-Groups": "strangers"}, "None of your groups has a role here"),
        ({**ADA, "X-Forwarded-Groups": ""}, "None of your groups has a role here"),
        ({**ADA, "X-Forwarded-Groups": "acme-devs"}, "there is no organisation"),
        ({**ADA, "X-Forwarded-User": "x" * 256}, "a name that cannot be used"),
        ([*ADA.items(), ("X-Forwarded-User", "mallory")], "was sent twice"),
        ([*ADA.items(), ("X-Forwarded-Groups", "owners")], "was sent twice"),
    ],
)
def test_a_person_who_is_not_let_in_is_told_the_reason(
    served: tuple[Built, TestClient], headers: Any, said: str
) -> None:
    answer = asked(served, headers)
    assert answer.status_code == 403
    assert said in read_page(answer.text).one("main").text
    store = served[0].store
    org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
    query = AuditQuery(action="session.refused")
    entries = [*store.audit.entries(org, query), *store.audit.entries(None, query)]
    found = next(each for each in entries if said[1:] in each.reason)
    is_unclear = "header" in found.reason or "a name" in found.reason
    assert (found.actor.name, found.actor.address) == (
        "" if is_unclear else "Ada Lovelace",
        PROXY,
    )


def test_an_empty_name_is_nobody(served: tuple[Built, TestClient]) -> None:
    assert asked(served, {**ADA, "X-Forwarded-User": ""}).status_code == 303


def test_a_name_is_kept_on_one_line_and_written_once(served: tuple[Built, TestClient]) -> None:
    name = "Grace \u202e\x85" + "x" * 300
    grace = {**ADA, "X-Forwarded-User": "grace", "X-Forwarded-Name": name.encode()}
    assert asked(served, grace).status_code == 200
    person = known(served, "grace")
    assert person
    assert person.name == "Grace " + "x" * 194
    asked(served, grace)
    assert known(served, "grace") == person


def test_a_role_follows_the_groups_at_once(served: tuple[Built, TestClient]) -> None:
    bob = {"X-Forwarded-User": "bob", "X-Forwarded-Groups": "owners"}
    assert asked(served, bob, path="/settings/keys").status_code == 200
    promoted = known(served, "bob")
    assert promoted
    assert promoted.role.name == "owner"
    asked(served, {**bob, "X-Forwarded-Groups": "staff"})
    lowered = known(served, "bob")
    assert lowered
    assert lowered.role.name == "viewer"


def test_groups_that_are_left_end_the_role_and_its_share_links(
    served: tuple[Built, TestClient],
) -> None:
    store, secret, now_ns = served[0].store, "s" * 40, time.time_ns()
    store.keys.ensure_organisation("acme", now_ns, actor=TESTER).result()
    eva = {"X-Forwarded-User": "eva", "X-Forwarded-Groups": "acme-devs"}
    org = store.keys.organisation("acme")

    def role() -> str | None:
        person = store.people.find(org, "proxy", "eva")
        return person.role.name if person else None

    for groups, status in (("staff", 200), ("strangers", 403)):
        assert (asked(served, eva).status_code, role()) == (200, "editor")
        person = store.people.find(org, "proxy", "eva")
        assert person
        store.share_links.add(
            person_principal(person),
            *(secret + groups, "/", ""),
            expires_at_ns=now_ns + DAY_NS,
            now_ns=now_ns,
            actor=TESTER,
        ).result()
        assert store.share_links.find(secret + groups, now_ns)
        elsewhere = {**eva, "X-Forwarded-Groups": groups}
        for _ in range(2):
            assert asked(served, elsewhere).status_code == status
        assert role() == "viewer"
        assert store.share_links.find(secret + groups, now_ns) is None
    left = store.audit.entries(org, AuditQuery(action="person.left"))
    assert [(each.target, each.actor.address) for each in left] == [(person.id, PROXY)] * 2
    store.people.set_role(org, person.id, "owner", actor=TESTER).result()
    asked(served, {**eva, "X-Forwarded-Groups": "staff"})
    assert role() == "owner"


def test_an_owner_can_take_a_deletion_back(served: tuple[Built, TestClient]) -> None:
    organisations = served[0].store.organisations
    org = organisations.create("gone", 1, actor=TESTER).result()
    mia = {"X-Forwarded-User": "mia", "X-Forwarded-Groups": "gone"}
    assert asked(served, mia).status_code == 200
    organisations.plan_deletion(org, time.time_ns(), 0, actor=TESTER).result()
    # The name is new, and cannot be written any more.
    for headers in (mia, {**mia, "X-Forwarded-Name": "Mia"}):
        answer = asked(served, headers)
        assert answer.status_code == 403
        assert "is to be deleted" in read_page(answer.text).one("h1").text
        assert asked(served, headers, path="/settings/organisation").status_code == 200
    answer = asked(served, {**mia, "X-Forwarded-User": "new"})
    assert "is to be deleted" in read_page(answer.text).one("h1").text


def test_whoever_is_switched_off_stays_out(served: tuple[Built, TestClient]) -> None:
    eve = {"X-Forwarded-User": "eve", "X-Forwarded-Groups": "owners"}
    assert asked(served, eve).status_code == 200
    person = known(served, "eve")
    assert person
    people = served[0].store.people
    people.disable(person.organisation, person.id, 1, actor=TESTER).result()
    answer = asked(served, eve)
    assert answer.status_code == 403
    assert "switched off" in read_page(answer.text).one("main").text


def test_the_header_says_nothing_to_the_api(served: tuple[Built, TestClient]) -> None:
    for path in ("/api/v2/dora/settings", "/metrics/dora"):
        assert asked(served, {**ADA, "X-Forwarded-Groups": "owners"}, path=path).status_code == 403


def test_nobody_new_is_let_in_where_that_is_off(tmp_path: Path) -> None:
    with server_in_process(tmp_path, **{**SETTINGS, "auth_proxy_sign_up": "refuse"}) as server:
        answer = asked(server, ADA)
        assert answer.status_code == 403
        assert "obody new is let in" in read_page(answer.text).one("main").text


def test_keys_do_not_sign_in_where_that_is_off(tmp_path: Path) -> None:
    with server_in_process(tmp_path, **{**SETTINGS, "key_sign_in": "no"}) as (built, client):
        key = make_key(built, "default", "application")
        browser = Browser(client)
        assert not browser.page("/sign-in").one("main").all("form")
        assert browser.post("/sign-in", {"key": key}).status_code == 403
        assert asked((built, client), ADA).status_code == 200


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"trusted_proxies": ""}, "needs trusted_proxies"),
        ({"trusted_proxies": "*,anyone-may-lie"}, "needs trusted_proxies"),
        ({"auth_proxy_roles": ""}, "needs auth_proxy_roles"),
        ({"auth_proxy_roles": "staff=king"}, "with a role of"),
        ({"auth_proxy_user_header": "", "key_sign_in": "no"}, "nobody could sign in"),
    ],
)
def test_settings_that_let_in_anybody_or_nobody_are_refused(
    tmp_path: Path, settings: dict[str, str], problem: str
) -> None:
    with (
        pytest.raises(UnusableSetting, match=problem),
        server_in_process(tmp_path, **{**SETTINGS, **settings}),
    ):
        pass


def test_a_browser_is_recognised_without_keeping_what_it_sends(tenant: Tenant) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0 <b>"
    browser = sign_in(tenant)
    browser.client.headers["user-agent"] = agent
    key = make_key(tenant.built, tenant.organisation, "application")
    assert browser.post("/sign-in", {"key": key}).status_code == 303
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    [session] = store.sessions.all_of(org, 0, SessionLimits(10**30, 10**30))
    assert session.place == SignInPlace("testclient", "Firefox on Linux")
