"""Signing in with an application key, staying so, and signing out."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors import TESTER
from asking import Tenant, make_key, make_tenant, server_in_process
from databases import ON_SQLITE
from theodora.storage import Session, SessionLimits, Store
from theodora.storage.access.principals import key_principal
from theodora.storage.access.sessions import RENEWED_AFTER_NS, new_session_secret
from theodora.web.pages.routes import PAGES
from theodora.web.pages.shell.cookies import SESSION_COOKIE
from theodora.web.pages.shell.sign_in_lockout import Lockout
from visiting import FROM_ELSEWHERE, Browser, read_page, sign_in

pytestmark = ON_SQLITE

HOUR_NS = 3_600 * 10**9
LIMITS = SessionLimits(idle_ns=HOUR_NS, absolute_ns=10 * HOUR_NS)


def fresh_key(tenant: Tenant, *permissions: str) -> str:
    return make_key(tenant.built, tenant.organisation, "application", *permissions)


def test_a_page_asks_to_sign_in_first_and_leads_back(tenant: Tenant) -> None:
    browser = Browser(tenant.client)
    answer = browser.get("/?range=26w")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2F%3Frange%3D26w"
    page = browser.page(answer.headers["location"])
    next_ = page.one("input", name="next")["value"]
    signed_in = browser.post("/sign-in", {"key": fresh_key(tenant), "next": next_})
    assert signed_in.status_code == 303
    assert signed_in.headers["location"] == "/?range=26w"


def test_scripts_that_send_back_a_field_csrf_find_one_and_sign_in(tenant: Tenant) -> None:
    """Forms had a token in it; the server no longer looks at it."""
    browser = Browser(tenant.client)
    field = browser.page("/sign-in").one("input", name="csrf")
    sent = {"key": fresh_key(tenant), "csrf": field["value"]}
    assert browser.post("/sign-in", sent).status_code == 303
    assert browser.page("/").one("input", name="csrf")["value"] == field["value"]


@pytest.mark.parametrize(
    "next_",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\nx",
        "",
    ],
)
def test_only_paths_of_the_dashboard_are_led_back_to(tenant: Tenant, next_: str) -> None:
    answer = Browser(tenant.client).post("/sign-in", {"key": fresh_key(tenant), "next": next_})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"


def test_the_cookie_is_kept_from_scripts_and_other_sites(tenant: Tenant) -> None:
    browser = Browser(tenant.client)
    answer = browser.post("/sign-in", {"key": fresh_key(tenant)})
    cookies = answer.headers.get_list("set-cookie")
    session = next(cookie for cookie in cookies if cookie.startswith(SESSION_COOKIE))
    assert session.endswith("; Path=/; HttpOnly; SameSite=Lax")


def test_the_cookie_of_https_is_for_https_alone(tenant: Tenant) -> None:
    browser = Browser(tenant.client)
    browser.client.base_url = "https://testserver"
    answer = browser.post("/sign-in", {"key": fresh_key(tenant)})
    assert all(cookie.endswith("; Secure") for cookie in answer.headers.get_list("set-cookie"))


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Tenant]:
    """At a server of its own, whose memory of failures no other test sees."""
    with server_in_process(tmp_path) as (built, client):
        yield make_tenant(built, client)


def test_a_key_that_is_none_is_refused(alone: Tenant) -> None:
    for key in ("", "0" * 40, "é" * 40, alone.keys["DD-API-KEY"]):
        answer = Browser(alone.client).post("/sign-in", {"key": key})
        assert answer.status_code == 403
        assert SESSION_COOKIE not in answer.headers.get("set-cookie", "")
        page = read_page(answer.text)
        said = page.one(role="alert").text
        is_api_key = key == alone.keys["DD-API-KEY"]
        assert said.startswith(
            "That looks like an API key" if is_api_key else "This application key"
        )
        assert "value" not in page.one("input", id="key").attributes


def test_after_many_failures_only_the_right_key_is_looked_at(alone: Tenant) -> None:
    """A neighbour at the same address, or whoever knows how a key begins, locks nobody out."""
    browser = Browser(alone.client)
    right = fresh_key(alone)
    for number in range(Lockout.FREE_ATTEMPTS):
        browser.post("/sign-in", {"key": right[:8] + f"{number}" * 32})
    answer = browser.post("/sign-in", {"key": right[:8] + "f" * 32})
    assert answer.status_code == 429
    page = read_page(answer.text)
    assert page.one(role="alert").text.startswith("Too many attempts. Try again after")
    assert page.one("main").one("time")["datetime"].endswith("Z")
    assert browser.post("/sign-in", {"key": right}).status_code == 303
    again = Browser(alone.client).post("/sign-in", {"key": "0" * 40})
    assert again.status_code == 429, "one right key does not unlock the address"


def test_a_revoked_key_ends_its_sessions_at_once(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    assert browser.get("/").status_code == 200
    keys = tenant.built.store.keys
    for key in keys.all_of(tenant.organisation):
        keys.revoke(tenant.organisation, key.id, time.time_ns(), actor=TESTER).result()
    assert browser.get("/").status_code == 303


def test_signing_in_changes_the_session(tenant: Tenant) -> None:
    """Whoever planted a cookie before has nothing of the session after."""
    browser = Browser(tenant.client)
    browser.client.cookies.set(SESSION_COOKIE, "planted", domain="testserver.local")
    browser.post("/sign-in", {"key": fresh_key(tenant)})
    assert browser.client.cookies[SESSION_COOKIE] != "planted"


def test_the_store_holds_no_secret_of_a_session(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    secret = browser.client.cookies[SESSION_COOKIE]
    found = tenant.built.store.sessions.find(secret, time.time_ns(), LIMITS)
    assert found is not None
    assert secret not in str(found)


def test_signing_out_ends_the_session_for_good(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    cookie = browser.client.cookies[SESSION_COOKIE]
    answer = browser.post("/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert SESSION_COOKIE not in browser.client.cookies
    browser.client.cookies.set(SESSION_COOKIE, cookie, domain="testserver.local")
    assert browser.get("/").status_code == 303


@pytest.mark.parametrize(
    "path", sorted({page.path for page in PAGES if page.method == "POST"}), ids=str
)
def test_no_form_of_another_server_is_taken(tenant: Tenant, path: str) -> None:
    browser = sign_in(tenant)
    answer = browser.post(path.replace("{", "").replace("}", ""), {}, headers=FROM_ELSEWHERE)
    assert answer.status_code == 403
    assert read_page(answer.text).one("h1").text == "This form came from another server"
    assert browser.get("/").status_code == 200, "still signed in"


def test_a_form_that_is_too_long_is_refused(tenant: Tenant) -> None:
    answer = sign_in(tenant).post("/preferences", {"theme": "x" * 70_000})
    assert answer.status_code == 413


def session_of(store: Store, secret: str, now_ns: int) -> Session | None:
    return store.sessions.find(secret, now_ns, LIMITS)


@pytest.fixture
def started(store: Store) -> str:
    """The secret of a session that begins at the epoch."""
    key = store.keys.add(
        "default", "application", "k" * 40, name="", permissions=frozenset(), now_ns=1, actor=TESTER
    ).result()
    secret = new_session_secret()
    store.sessions.add(key_principal(key), secret, 0, LIMITS, actor=TESTER).result()
    return secret


def test_a_session_ends_when_nobody_comes(store: Store, started: str) -> None:
    assert session_of(store, started, HOUR_NS - 1)
    assert session_of(store, started, HOUR_NS) is None


def test_a_session_that_is_used_ends_all_the_same(store: Store, started: str) -> None:
    for now_ns in range(0, 10 * HOUR_NS, HOUR_NS // 2):
        session = session_of(store, started, now_ns)
        assert session
        store.sessions.note_seen(session, now_ns, actor=TESTER).result()
    assert session_of(store, started, 10 * HOUR_NS) is None


def test_the_secret_before_is_good_for_a_moment_longer(store: Store, started: str) -> None:
    session = session_of(store, started, 1)
    assert session
    assert session.is_due_to_renew(RENEWED_AFTER_NS + 1)
    renewed = new_session_secret()
    assert store.sessions.renew(session, renewed, 2, actor=TESTER).result() is True
    assert store.sessions.renew(session, new_session_secret(), 3, actor=TESTER).result() is False
    found = session_of(store, renewed, 3)
    former = session_of(store, started, 3)
    assert found
    assert former
    assert found.id == former.id
    assert former.shows_former
    assert not former.is_due_to_renew(RENEWED_AFTER_NS + 3)
    assert session_of(store, started, 100 * 10**9) is None


def test_sessions_that_have_ended_are_forgotten(store: Store, started: str) -> None:
    session = session_of(store, started, 1)
    assert session
    store.sessions.add(
        session.principal, new_session_secret(), 2 * HOUR_NS, LIMITS, actor=TESTER
    ).result()
    generous = SessionLimits(idle_ns=10**18, absolute_ns=10**18)
    assert store.sessions.find(started, 1, generous) is None


class Hands:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_repeated_failures_lock_for_longer_and_longer() -> None:
    clock = Hands()
    lockout = Lockout(clock)
    locks: list[float] = []
    for _ in range(12):
        assert lockout.locked_until(["address a"]) is None
        lockout.note_failure(["address a"])
        until = lockout.locked_until(["address a"])
        locks.append(until - clock.now if until else 0)
        clock.now = until or clock.now
    assert locks == [0, 0, 0, 0, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert lockout.locked_until(["address b"]) is None


def test_the_key_tried_is_locked_from_every_address() -> None:
    lockout = Lockout(Hands())
    for number in range(Lockout.FREE_ATTEMPTS):
        lockout.note_failure([f"address {number}", "key 01234567"])
    assert lockout.locked_until(["address of another", "key 01234567"])
    assert lockout.locked_until(["address 1", "key of another"]) is None


def test_success_forgives_what_failed_before() -> None:
    lockout = Lockout(Hands())
    for _ in range(Lockout.FREE_ATTEMPTS - 1):
        lockout.note_failure(["address a"])
    lockout.note_success(["address a"])
    lockout.note_failure(["address a"])
    assert lockout.locked_until(["address a"]) is None


def test_what_is_remembered_of_attempts_is_bounded() -> None:
    lockout = Lockout(Hands())
    for _ in range(Lockout.FREE_ATTEMPTS):
        lockout.note_failure(["address first"])
    for number in range(Lockout.REMEMBERED):
        lockout.note_failure([f"address {number}"])
    assert lockout.locked_until(["address first"]) is None
