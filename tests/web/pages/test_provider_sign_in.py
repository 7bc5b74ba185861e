"""Signing in and out with a provider of OpenID Connect: what the browser keeps, sees and loses."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import structlog

from actors import TESTER
from asking import Tenant, make_tenant, server_in_process
from openid import CLIENT_ID, CLIENT_SECRET, OpenIdProvider, serving_provider
from theodora.storage import SessionLimits, Store
from theodora.storage.access.audit import AuditQuery
from theodora.storage.access.principals import key_principal
from theodora.web.oidc.discovery import load_metadata
from theodora.web.oidc.pending import PENDING_COOKIE
from theodora.web.pages.provider_sign_in import PROBLEMS
from theodora.web.pages.shell.cookies import PROVIDER_COOKIE, SESSION_COOKIE
from visiting import Browser, read_page

PUBLIC = "http://testserver"
LIMITS = SessionLimits(idle_ns=3_600 * 10**9, absolute_ns=36_000 * 10**9)


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with serving_provider() as provider:
        yield provider


@pytest.fixture(autouse=True)
def as_new(provider: OpenIdProvider) -> None:
    """The provider as it was at first."""
    fresh = OpenIdProvider(provider.url)
    for name in ("claims", "userinfo", "spoil", "fails", "subject", "asked", "keys", "signer"):
        setattr(provider, name, getattr(fresh, name))


@pytest.fixture(scope="module")
def other() -> Iterator[OpenIdProvider]:
    with serving_provider(subject="eve") as provider:
        yield provider


@pytest.fixture(scope="module")
def tenant(
    provider: OpenIdProvider, other: OpenIdProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tenant]:
    folder = tmp_path_factory.mktemp("server")
    with ExitStack() as stack:
        file = folder / "providers.toml"
        file.write_text(
            f'[other]\nlabel = "Other"\nissuer = "{other.url}"\nclient_id = "{CLIENT_ID}"\n'
            f'http_on_loopback = true\nsign_up = "refuse"\nroles = {{"*" = "viewer"}}\n'
        )
        server = stack.enter_context(
            server_in_process(
                folder,
                public_url=PUBLIC,
                oidc_issuer=provider.url,
                oidc_client_id=CLIENT_ID,
                oidc_client_secret=CLIENT_SECRET,
                oidc_label="Keycloak",
                oidc_roles="platform-admins=admin,developers=editor,gone=gone:viewer,"
                "closers=closing:owner,search=editor of search,web=editor of web,"
                "leavers=leaving:owner",
                oidc_http_on_loopback="yes",
                oidc_providers=str(file),
            )
        )
        yield make_tenant(*server)


def begin(browser: Browser, next_: str = "", name: str = "oidc") -> str:
    """Presses the button of a provider; the address there."""
    query = f"?{urlencode({'next': next_})}" if next_ else ""
    answer = browser.get(f"/sign-in/{name}{query}")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def come_back(browser: Browser, brought: dict[str, str], name: str = "oidc") -> Any:
    return browser.get(f"/sign-in/{name}/callback?{urlencode(brought)}")


def sign_in(tenant: Tenant, provider: OpenIdProvider, next_: str = "") -> tuple[Browser, Any]:
    browser = Browser(tenant.client)
    return browser, come_back(browser, provider.sign_in(begin(browser, next_)))


def alert(answer: Any) -> str:
    return read_page(answer.text).one("p", class_="alert").text


def test_the_page_has_a_button_for_each_provider(tenant: Tenant) -> None:
    browser = Browser(tenant.client)
    page = browser.page("/sign-in?next=/failures%3Frange%3D4w", 200)
    buttons = {each.text: each["href"] for each in page.all("a", class_="btn")}
    query = "?next=%2Ffailures%3Frange%3D4w"
    assert buttons == {
        "Sign in with Keycloak": f"{PUBLIC}/sign-in/oidc{query}",
        "Sign in with Other": f"{PUBLIC}/sign-in/other{query}",
    }
    assert page.one("input", name="key")
    assert browser.get("/sign-in/nobody").status_code == 404
    assert browser.get("/sign-in/nobody/callback").status_code == 404


def test_the_provider_gets_the_address_of_the_settings_whatever_the_host(tenant: Tenant) -> None:
    browser = Browser(tenant.client)
    answer = browser.get("/sign-in/oidc", headers={"Host": "evil.example"})
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked["redirect_uri"] == [f"{PUBLIC}/sign-in/oidc/callback"]
    asked = parse_qs(urlsplit(begin(browser, name="other")).query)
    assert asked["redirect_uri"] == [f"{PUBLIC}/sign-in/other/callback"]
    page = read_page(browser.get("/sign-in", headers={"Host": "evil.example"}).text)
    assert {each["href"] for each in page.all("a", class_="btn")} == {
        f"{PUBLIC}/sign-in/oidc",
        f"{PUBLIC}/sign-in/other",
    }


def test_the_cookie_of_a_sign_in_is_short_lived_and_kept_from_scripts(tenant: Tenant) -> None:
    answer = Browser(tenant.client).get("/sign-in/oidc")
    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith(f"{PENDING_COOKIE}=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax; Max-Age=600")


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda provider: provider.fails.update({"/token": 503}), "no_answer"),
        (lambda provider: setattr(provider, "spoil", lambda _: "x"), "not_trusted"),
        (lambda provider: provider.claims.update(nonce="another"), "not_trusted"),
    ],
)
def test_what_fails_is_shown_and_logged_without_tokens(
    tenant: Tenant, provider: OpenIdProvider, break_it: Any, reason: Any
) -> None:
    break_it(provider)
    browser = Browser(tenant.client)
    brought = provider.sign_in(begin(browser, "/failures"))
    with structlog.testing.capture_logs() as logged:
        answer = come_back(browser, brought)
    status, words = PROBLEMS[reason]
    assert answer.status_code == status
    assert alert(answer) == words.format(label="Keycloak")
    assert read_page(answer.text).one("input", name="next")["value"] == "/failures"
    assert SESSION_COOKIE not in browser.client.cookies
    assert PENDING_COOKIE not in browser.client.cookies
    (line,) = [each for each in logged if each["event"] == "sign-in failed"]
    assert (line["provider"], line["reason"]) == ("oidc", reason)
    assert not any(brought[name] in str(line) for name in ("code", "state"))
    entries = tenant.built.store.audit.entries(None, AuditQuery(action="session.refused"))
    recorded = [each for each in entries if each.reason == line["error"]]
    assert len(recorded) == (reason == "not_trusted")


def test_an_answer_to_another_browser_signs_nobody_in(
    tenant: Tenant, provider: OpenIdProvider
) -> None:
    victim, attacker = Browser(tenant.client), Browser(tenant.client)
    begin(victim)
    brought = provider.sign_in(begin(attacker))
    answer = come_back(victim, brought)
    assert answer.status_code == 400
    assert "another tab or browser" in alert(answer)
    assert SESSION_COOKIE not in victim.client.cookies
    # What the victim has begun itself goes on.
    assert PENDING_COOKIE in victim.client.cookies
    assert come_back(Browser(tenant.client), brought).status_code == 400
    assert "/token" not in provider.asked


def test_an_answer_of_one_provider_is_no_answer_of_another(
    tenant: Tenant, provider: OpenIdProvider
) -> None:
    browser = Browser(tenant.client)
    brought = provider.sign_in(begin(browser, name="other"))
    assert come_back(browser, brought, "oidc").status_code == 400
    assert come_back(browser, brought, "other").status_code == 403
    assert "/token" not in provider.asked


def test_a_person_who_cancels_is_back_at_the_sign_in(tenant: Tenant) -> None:
    browser = Browser(tenant.client)
    state = parse_qs(urlsplit(begin(browser)).query)["state"][0]
    answer = come_back(browser, {"error": "access_denied", "state": state})
    assert answer.status_code == 403
    assert "you cancelled it" in alert(answer)


def test_a_provider_that_hangs_keeps_no_page_waiting(
    provider: OpenIdProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the event loop waits nor a thread that pages need."""
    threads: list[str] = []

    def load(*given: Any) -> Any:
        threads.append(threading.current_thread().name)
        return load_metadata(*given)

    monkeypatch.setattr("theodora.web.oidc.client.load_metadata", load)
    settings = {"oidc_issuer": provider.url, "oidc_client_id": CLIENT_ID, "oidc_roles": "*=viewer"}
    with server_in_process(
        tmp_path, public_url=PUBLIC, oidc_http_on_loopback="yes", **settings
    ) as server:
        tenant = make_tenant(*server)
        provider.answers.clear()
        try:
            with ThreadPoolExecutor(12) as people:
                begun = [
                    people.submit(Browser(tenant.client).get, "/sign-in/oidc") for _ in "12" * 6
                ]
                assert Browser(tenant.client).get("/sign-in").status_code == 200
                assert not any(each.done() for each in begun)
                provider.answers.set()
                assert {each.result().status_code for each in begun} == {303}
        finally:
            provider.answers.set()
    assert provider.asked == ["/.well-known/openid-configuration"]
    assert [name.rpartition("_")[0] for name in threads] == ["sign-in"]


def test_keys_can_be_kept_from_signing_in(provider: OpenIdProvider, tmp_path: Path) -> None:
    provided = {"oidc_issuer": provider.url, "oidc_client_id": CLIENT_ID, "oidc_roles": "*=viewer"}
    settings = {**provided, "key_sign_in": "no"}
    with server_in_process(
        tmp_path, public_url=PUBLIC, oidc_http_on_loopback="yes", **settings
    ) as server:
        tenant = make_tenant(*server)
        browser = Browser(tenant.client)
        assert browser.page("/sign-in").all("input", name="key") == []
        answer = browser.post("/sign-in", {"key": tenant.keys["DD-APPLICATION-KEY"]})
        assert answer.status_code == 403
        assert "do not sign in here" in alert(answer)
        assert SESSION_COOKIE not in browser.client.cookies
        store = tenant.built.store
        key = store.keys.find("application", tenant.keys["DD-APPLICATION-KEY"])
        assert key
        before = key_principal(key)
        store.sessions.add(before, "begun before", time.time_ns(), LIMITS, actor=key.actor).result()
        browser.client.cookies.set(SESSION_COOKIE, "begun before")
        assert browser.get("/failures").headers["location"].startswith("/sign-in")
        found = tenant.client.post("/api/v2/dora/deployments", headers=tenant.keys, json={})
        assert found.status_code == 400


def test_a_person_signs_in_is_led_back_and_is_what_the_groups_are(
    tenant: Tenant, provider: OpenIdProvider
) -> None:
    provider.claims |= {"groups": ["developers", "platform-admins"]}
    browser, answer = sign_in(tenant, provider, "/failures?range=4w")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/failures?range=4w"
    kept = {
        cookie.partition("=")[0]: cookie.partition(";")[2]
        for cookie in answer.headers.get_list("set-cookie")
    }
    assert kept == {
        SESSION_COOKIE: " Path=/; HttpOnly; SameSite=Lax",
        PROVIDER_COOKIE: " Path=/; HttpOnly; SameSite=Lax",
        PENDING_COOKIE: " Path=/; HttpOnly; SameSite=Lax; Max-Age=0",
    }
    assert "Ada" in browser.page("/").one("details", class_="menu").text
    store = tenant.built.store
    person = store.people.find(tenant.built.organisation, provider.url, "ada")
    assert person
    assert (person.name, person.email, person.role.name) == ("Ada", "ada@example.org", "admin")
    provider.claims["groups"] = ["developers"]
    again, _ = sign_in(tenant, provider)
    assert again.get("/settings/keys").status_code == 200
    assert again.post("/settings/keys", {}).status_code == 403
    assert len(store.sessions.all_of(tenant.built.organisation, time.time_ns(), LIMITS)) == 2


@pytest.mark.parametrize("next_", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_a_sign_in_leads_to_no_other_site(
    tenant: Tenant, provider: OpenIdProvider, next_: str
) -> None:
    provider.claims["groups"] = "developers"
    _, answer = sign_in(tenant, provider, next_)
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize(("groups", "words"), [(["strangers"], "no access"), (["gone"], "cannot")])
def test_a_person_without_a_role_is_refused(
    tenant: Tenant, provider: OpenIdProvider, groups: list[str], words: str
) -> None:
    provider.subject, provider.claims["groups"] = "mallory", groups
    browser, answer = sign_in(tenant, provider)
    assert answer.status_code == 403
    assert words in alert(answer)
    assert SESSION_COOKIE not in browser.client.cookies
    org = tenant.built.organisation
    assert tenant.built.store.people.find(org, provider.url, "mallory") is None


def test_a_person_who_is_switched_off_or_new_where_nobody_new_may(
    tenant: Tenant, provider: OpenIdProvider, other: OpenIdProvider
) -> None:
    provider.subject, provider.claims["groups"] = "bob", "developers"
    browser, _ = sign_in(tenant, provider)
    org, people = tenant.built.organisation, tenant.built.store.people
    bob = people.find(org, provider.url, "bob")
    assert bob
    people.disable(org, bob.id, 1, actor=bob.actor).result()
    assert browser.get("/failures").headers["location"].startswith("/sign-in")
    assert "switched off" in alert(sign_in(tenant, provider)[1])
    stranger = Browser(tenant.client)
    answer = come_back(stranger, other.sign_in(begin(stranger, name="other")), "other")
    assert answer.status_code == 403
    assert "nobody new" in alert(answer)
    entries = tenant.built.store.audit.entries(None, AuditQuery(action="session.refused"))
    assert [(each.actor.kind, each.actor.address, each.reason) for each in entries[:2]] == [
        ("person", "testclient", "nobody new is let in, and you have not signed in before"),
        ("person", "testclient", "you have been switched off here"),
    ]


def test_signing_in_changes_the_session_and_ends_the_one_before(
    tenant: Tenant, provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.claims["groups"] = "developers"
    browser = Browser(tenant.client)
    browser.post("/sign-in", {"key": tenant.keys["DD-APPLICATION-KEY"]})
    before = browser.client.cookies[SESSION_COOKIE]
    # It writes, so it is no page that may be begun again in a snapshot.
    with monkeypatch.context() as patched:
        patched.setattr(Store, "at_one_moment", None)
        come_back(browser, provider.sign_in(begin(browser)))
    assert browser.client.cookies[SESSION_COOKIE] != before
    thief = Browser(tenant.client)
    thief.client.cookies.set(SESSION_COOKIE, before)
    assert thief.get("/failures").status_code == 303


def test_signing_out_offers_to_sign_out_of_the_provider(
    tenant: Tenant, provider: OpenIdProvider
) -> None:
    provider.claims["groups"] = "developers"
    browser, _ = sign_in(tenant, provider)
    # A link on another site signs nobody out.
    assert browser.get("/sign-in/oidc/end").headers["location"] == "/"
    location = browser.post("/sign-out").headers["location"]
    assert location == "/sign-in?signed-out=oidc"
    link = browser.page(location).one("p", class_="saved").one("a")
    assert link["href"] == f"{PUBLIC}/sign-in/oidc/end"
    answer = browser.get("/sign-in/oidc/end")
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked["post_logout_redirect_uri"] == [f"{PUBLIC}/sign-in"]
    assert asked["id_token_hint"][0].count(".") == 2
    assert PROVIDER_COOKIE not in browser.client.cookies
    come_back(browser, provider.sign_in(begin(browser)))
    assert browser.page("/sign-in?signed-out=oidc").all("p", class_="saved") == []
    browser.post("/sign-in", {"key": tenant.keys["DD-APPLICATION-KEY"]})
    assert browser.post("/sign-out").headers["location"] == "/sign-in"
    assert browser.page("/sign-in?signed-out=nobody").all("p", class_="saved") == []


def test_a_provider_ends_sessions_of_an_organisation_that_is_to_be_deleted(
    tenant: Tenant, provider: OpenIdProvider
) -> None:
    store = tenant.built.store
    org = store.organisations.create("closing", 1, actor=TESTER).result()
    provider.claims["groups"] = "closers"
    browser, _ = sign_in(tenant, provider)
    store.organisations.plan_deletion(org, time.time_ns(), 0, actor=TESTER).result()
    assert browser.get("/settings/organisation").status_code == 200
    token = provider.logout_token()
    Browser(tenant.client).client.post("/sign-in/oidc/signed-out", data={"logout_token": token})
    assert browser.get("/settings/organisation").status_code == 303


def test_a_provider_ends_the_sessions_of_a_person(tenant: Tenant, provider: OpenIdProvider) -> None:
    provider.claims["groups"] = "developers"
    browser, _ = sign_in(tenant, provider)
    provider.subject = "bert"
    other, _ = sign_in(tenant, provider)
    asked = Browser(tenant.client).client
    for token in ("x", provider.logout_token(aud="another")):
        answer = asked.post("/sign-in/oidc/signed-out", data={"logout_token": token})
        assert answer.status_code == 400
    token = provider.logout_token(sub="ada")
    assert browser.get("/failures").status_code == 200
    assert asked.post("/sign-in/oidc/signed-out", data={"logout_token": token}).status_code == 200
    assert browser.get("/failures").status_code == 303
    assert other.get("/failures").status_code == 200


def test_the_teams_of_an_editor_follow_the_groups(tenant: Tenant, provider: OpenIdProvider) -> None:
    provider.subject = "tess"
    store, org = tenant.built.store, tenant.built.organisation

    def teams_in(*groups: str) -> tuple[str, Sequence[str]]:
        provider.claims["groups"] = groups
        sign_in(tenant, provider)
        person = store.people.find(org, provider.url, "tess")
        assert person
        return person.role.name, person.teams

    assert teams_in("web", "search", "others") == ("editor", ("search", "web"))
    assert teams_in("web") == ("editor", ("web",))
    assert teams_in("developers", "web") == ("editor", ())
    assert teams_in("web") == ("editor", ("web",))
    person = store.people.find(org, provider.url, "tess")
    assert person
    changes = store.audit.entries(org, AuditQuery(action="person.teams_changed", limit=3))
    assert [(each.after, each.actor.id) for each in changes] == [
        ('{"teams":["web"]}', person.id),
        ('{"teams":[]}', person.id),
        ('{"teams":["web"]}', person.id),
    ]
    store.people.set_role(org, person.id, "editor", actor=TESTER).result()
    assert teams_in("search") == ("editor", ("web",))


@pytest.mark.parametrize("groups", [["developers"], ["strangers"], []])
def test_who_left_the_groups_of_an_organisation_is_out_at_the_next_sign_in(
    tenant: Tenant, provider: OpenIdProvider, groups: list[str]
) -> None:
    provider.subject = f"leaver-{len(groups)}-{'-'.join(groups)}"
    store = tenant.built.store
    org = store.keys.ensure_organisation("leaving", 1, actor=TESTER).result()
    provider.claims["groups"] = ["leavers"]
    browser, _ = sign_in(tenant, provider)
    assert browser.get("/failures").status_code == 200
    provider.claims["groups"] = groups
    sign_in(tenant, provider)
    assert browser.get("/failures").status_code == 303
    person = store.people.find(org, provider.url, provider.subject)
    assert person
    assert person.role.name == "viewer"
    [left] = store.audit.entries(org, AuditQuery(action="person.left", target=person.id))
    assert '"sessions":1' in left.before
    sign_in(tenant, provider)
    assert len(store.audit.entries(org, AuditQuery(action="person.left", target=person.id))) == 1


def test_a_role_that_an_owner_set_stays_when_groups_are_left(
    tenant: Tenant, provider: OpenIdProvider
) -> None:
    provider.subject, provider.claims["groups"] = "stayer", ["leavers"]
    store = tenant.built.store
    org = store.keys.ensure_organisation("leaving", 1, actor=TESTER).result()
    browser, _ = sign_in(tenant, provider)
    person = store.people.find(org, provider.url, "stayer")
    assert person
    store.people.set_role(org, person.id, "admin", actor=TESTER).result()
    provider.claims["groups"] = ["developers"]
    sign_in(tenant, provider)
    assert browser.get("/failures").status_code == 200
    assert store.people.get(org, person.id).role.name == "admin"
