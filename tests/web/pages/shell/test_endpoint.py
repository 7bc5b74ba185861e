"""What holds for every page: headers, permissions, organisations, errors, what is static."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from actors import TESTER
from asking import FAILURE, SHOPIST, Tenant, make_tenant, server_in_process
from databases import ON_EACH, ON_SQLITE
from theodora.app import Built
from theodora.errors import NotFound
from theodora.storage import Deadline
from theodora.web.pages.routes import PAGES
from theodora.web.pages.shell.assets import assets
from theodora.web.pages.shell.page import Page
from theodora.web.pages.shell.rendering import CONTENT_SECURITY_POLICY
from theodora.web.pages.shell.templates import environment
from visiting import Browser, Element, read_page, sign_in

pytestmark = ON_SQLITE

GETS = [page for page in PAGES if page.method == "GET"]
FIXED = [page.path for page in GETS if "{" not in page.path]


def named(page: Page) -> str:
    return f"{page.method} {page.path}"


def test_no_path_has_two_pages() -> None:
    keys = [(page.method, page.path) for page in PAGES]
    assert len(keys) == len(set(keys))


def test_every_template_of_a_page_exists() -> None:
    for page in PAGES:
        if page.template:
            environment().get_template(page.template)


def test_every_page_of_settings_that_is_shown_has_a_tab(tenant: Tenant) -> None:
    pages = [page for page in GETS if page.place == "settings" and page.template]
    # Pages beneath another, as those of one thing, are reached from it.
    paths = {page.path for page in pages}
    above = {page.path: page.path.rpartition("/")[0] for page in pages}
    shown = {page.path: page.tab for page in pages if above[page.path] not in paths}
    tabs = sign_in(tenant).page("/settings/retention").one("nav", aria_label="Settings")
    assert {tab["href"]: tab.text for tab in tabs.all("a")} == shown
    assert [tab["href"] for tab in tabs.all("a", aria_current="page")] == ["/settings/retention"]


@pytest.mark.parametrize("path", FIXED)
def test_every_page_has_the_security_headers(tenant: Tenant, path: str) -> None:
    answer = sign_in(tenant).get(path)
    assert answer.status_code in {200, 303}
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "private, no-cache"
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert re.fullmatch(r"read;dur=[\d.]+, draw;dur=[\d.]+", answer.headers["server-timing"])


@pytest.mark.parametrize("path", FIXED)
def test_every_page_is_sound(tenant: Tenant, path: str) -> None:
    tenant.create(SHOPIST)
    answer = sign_in(tenant).get(path)
    if answer.status_code == 303 or not answer.headers["content-type"].startswith("text/html"):
        return
    page = read_page(answer.text)
    assert page.one("html")["lang"] == "en"
    assert page.one("head").one("title").text.endswith("· Theodora")
    assert len(page.all("h1")) == 1
    assert_well_made(page)


def assert_well_made(page: Element) -> None:
    """No id twice, every field named, headings in order, nothing that the policy forbids."""
    ids = [each["id"] for each in page.everything() if "id" in each.attributes]
    assert len(ids) == len(set(ids))
    labelled = {each["for"] for each in page.all("label") if "for" in each.attributes}
    wrapped = {id(field) for label in page.all("label") for field in label.everything()}
    for field in [*page.all("input"), *page.all("select"), *page.all("textarea")]:
        is_named = field.attributes.get("id") in labelled or id(field) in wrapped
        assert is_named or field.attributes.get("type") == "hidden", field.attributes
    levels = [int(each.tag[1]) for each in page.everything() if re.fullmatch("h[1-6]", each.tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for each in page.everything():
        assert "style" not in each.attributes
        assert not any(name.startswith("on") for name in each.attributes)
    for script in page.all("script"):
        assert not script.text


@pytest.mark.parametrize("page", [page for page in PAGES if page.permission], ids=named)
def test_nobody_sees_a_page_without_signing_in(tenant: Tenant, page: Page) -> None:
    browser = Browser(tenant.client)
    path = re.sub(r"\{.*?\}", "x", page.path)
    if page.method == "GET":
        answer = browser.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in")
    else:
        assert browser.post(path, {}).status_code == 401


@pytest.mark.parametrize("page", [page for page in PAGES if page.permission], ids=named)
def test_a_key_without_the_permission_is_told_which_one(tenant: Tenant, page: Page) -> None:
    other = "dora_settings_write" if page.permission == "dora_metrics_read" else "dora_metrics_read"
    browser = sign_in(tenant, other)
    path = re.sub(r"\{.*?\}", "x", page.path)
    answer = browser.get(path) if page.method == "GET" else browser.post(path, {})
    assert answer.status_code == 403
    assert page.permission in read_page(answer.text).one("main").text


@pytest.mark.parametrize("permission", ["dora_metrics_write", "dora_settings_write"])
def test_a_key_that_may_not_read_sees_nothing_of_events_whatever_it_asks(
    tenant: Tenant, permission: str
) -> None:
    """Not on error pages, not in the answers to forms, not beside the navigation."""
    secret = "known-only-to-readers"
    old_sec = 1_600_000_000
    times = {"started_at": old_sec, "finished_at": old_sec}
    id_ = tenant.create({"service": secret, "env": "production", "version": secret, **times})
    failed = tenant.create({"services": [secret], "name": secret, "started_at": old_sec}, FAILURE)
    tenant.send({"service": secret})
    tenant.built.store.reception.write(actor=TESTER).result()
    assert 'class="badge"' in sign_in(tenant).get("/preferences").text
    browser = sign_in(tenant, permission)
    paths = {page.path: page.method for page in PAGES if page.permission}
    assert {"GET", "POST"} <= set(paths.values())
    for path, method in paths.items():
        named = re.sub(r"\{.*?\}", failed if "failures" in path else id_, path)
        answer = browser.get(named) if method == "GET" else browser.post(named, {"days": "1"})
        assert answer.status_code == 403, path
        assert secret not in answer.text, path
    for path in ("/nowhere", f"/deployments?query={secret[:5]}:(", "/preferences", "/sign-in"):
        text = browser.get(path).text
        assert secret not in text.replace(path, "")
        assert "Production" not in text
        assert 'class="badge"' not in text


def test_what_is_not_there_is_a_page_for_browsers_alone(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    assert browser.page("/nowhere", 404).one("h1").text == "Page not found"
    answer = tenant.client.get("/nowhere", headers={"Accept": "*/*"})
    assert answer.status_code == 404
    assert answer.json() == {"errors": [{"status": "404", "title": "Not Found"}]}
    answer = browser.get("/api/v2/nowhere")
    assert answer.headers["content-type"] == "application/vnd.api+json"


def test_a_method_that_a_page_has_not_is_not_found(tenant: Tenant) -> None:
    assert sign_in(tenant).client.put("/preferences").status_code == 404


def test_a_head_request_has_no_body(tenant: Tenant) -> None:
    answer = sign_in(tenant).client.head("/preferences")
    assert answer.status_code == 200
    assert answer.content == b""
    assert int(answer.headers["content-length"]) > 1000


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ("range=5w", "range"),
        ("interval=hour", "interval"),
        ("interval=total", "interval"),
        ("from=yesterday", "from"),
        ("from=2026-02-01&to=2026-01-01", "from"),
        ("tz=Mars/Olympus", "timezone"),
        ("timezone=Mars/Olympus", "timezone"),
        ("week_start=friday", "week_start"),
        ("from=0001-01-01", "from"),
    ],
)
def test_a_parameter_that_is_wrong_is_named(tenant: Tenant, parameters: str, named: str) -> None:
    page = sign_in(tenant).page(f"/?{parameters}", 400)
    assert page.one("ul", class_="dots").text.startswith(f"{named}: must")


def test_too_many_requests_are_a_page(tmp_path: Path) -> None:
    with server_in_process(tmp_path, rate_limit_dora_read="2/3600") as (built, client):
        browser = sign_in(make_tenant(built, client))
        statuses = [browser.get("/preferences").status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert browser.page("/preferences", 429).one("h1").text == "Too many requests"


def test_a_defect_is_a_page_with_an_id_to_quote(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret of the inside")

    browser = sign_in(tenant)
    monkeypatch.setattr("theodora.web.pages.shell.request.read_scope", broken_after_first(broken))
    answer = browser.get("/preferences", headers={"X-Request-Id": "quote-me"})
    assert answer.status_code == 500
    page = read_page(answer.text)
    assert page.one("code").text == "quote-me"
    assert "secret of the inside" not in answer.text


def test_a_page_of_an_error_that_fails_itself_is_a_plain_answer_and_logged(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise NotFound

    browser = sign_in(tenant)
    monkeypatch.setattr("theodora.web.pages.shell.rendering.render", broken)
    with capture_logs() as entries:
        answer = browser.get("/preferences")
    assert (answer.status_code, answer.text) == (500, "Something went wrong.\n")
    assert [entry["event"] for entry in entries if entry["log_level"] == "error"] == [
        "unexpected error"
    ]


def broken_after_first(broken: object) -> object:
    """The scope of the error's own page is read; that of the page is not."""
    from theodora.report.scope import read_scope  # noqa: PLC0415 - before it is replaced

    def read(parameters: object, *values: object, **named: object) -> object:
        if parameters == {}:
            return read_scope(parameters, *values, **named)  # type: ignore[arg-type]
        return broken()  # type: ignore[operator]

    return read


@pytest.mark.parametrize(("stripped", "sent"), [("no", "/dora"), ("yes", "")])
def test_everything_is_beneath_the_prefix(tmp_path: Path, stripped: str, sent: str) -> None:
    """Also if a proxy removes it from what is sent."""
    settings = {"path_prefix": "/dora", "path_prefix_stripped": stripped}
    with server_in_process(tmp_path, **settings) as (built, client):
        tenant = make_tenant(built, client)
        browser = Browser(client)
        answer = browser.get(sent or "/")
        assert answer.headers["location"] == "/dora/sign-in"
        answer = browser.post(
            f"{sent}/sign-in",
            {"key": tenant.keys["DD-APPLICATION-KEY"], "next": "/preferences"},
        )
        assert answer.headers["location"] == "/dora/preferences"
        assert "; Path=/dora;" in answer.headers["set-cookie"]
        secret = answer.headers["set-cookie"].partition(";")[0]
        page = read_page(
            client.get(
                f"{sent}/preferences", headers={"Cookie": secret, "Accept": "text/html"}
            ).text
        )
        assert page.one("form", method="post", action="/dora/preferences")
        openapi = client.get(f"{sent}/openapi.json").json()
        assert openapi["servers"] == [{"url": "/dora"}]
        assert client.get(f"{sent}/healthz").status_code == 200
        named = client.get(f"{sent}/api/v2/dora/deployments/a%2Fb", headers=tenant.keys)
        assert named.json()["errors"][0]["detail"] == "deployment does not exist"
        for each in page.everything():
            for name in ("href", "action", "src"):
                address = each.attributes.get(name, "#")
                assert address.startswith(("/dora", "#")), address


def test_static_files_are_kept_for_good_under_the_name_of_their_content(tenant: Tenant) -> None:
    for asset in assets().values():
        answer = tenant.client.get(f"/static/{asset.name}")
        assert answer.content == asset.body
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] == asset.media_type
    assert tenant.client.get("/static/theodora.css").status_code == 404
    assert tenant.client.get("/static/..%2F..%2Fapp.py").status_code == 404


@ON_EACH
def test_a_page_shows_nothing_of_another_organisation(
    tenant: Tenant, shared_server: tuple[Built, TestClient]
) -> None:
    other = make_tenant(*shared_server)
    id_ = other.create({**SHOPIST, "service": "theirs", "team": "of-the-others"})
    browser = sign_in(tenant)
    for path in (*FIXED, f"/find?find={id_}", "/find?find=theirs", "/services/theirs"):
        if path != "/sign-in":
            assert "of-the-others" not in browser.get(path).text, path


def test_probes_and_scrapers_may_leave_the_path_prefix_out(tmp_path: Path) -> None:
    with server_in_process(tmp_path, path_prefix="/dora") as (_, client):
        for path in ("/healthz", "/readyz", "/metrics", "/dora/healthz", "/dora/metrics"):
            assert client.get(path).status_code == 200, path
        for path in ("/openapi.json", "/sign-in", "/api/v2/dora/deployments"):
            assert client.get(path).status_code == 404, path


def test_a_page_whose_thread_comes_too_late_says_so(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = sign_in(tenant)
    monkeypatch.setattr("theodora.web.http.threads.Deadline", lambda _: Deadline(0))
    for path in ("/", "/deployments.csv"):
        answer = browser.get(path)
        assert answer.status_code == 503
        assert "No answer within 0 seconds" in read_page(answer.text).one("main").text
    answer = tenant.send({**SHOPIST, "version": "x" * 70_000})
    assert answer.status_code == 503
