"""Share links: one page, as it was shared, for whoever has the link; and nothing else."""

import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from actors import TESTER
from asking import SHOPIST, Tenant, make_key, make_tenant, server_in_process
from databases import ON_SQLITE
from theodora.events.values import DAY_NS
from theodora.storage.access.audit import AuditQuery
from theodora.storage.access.key_limits import KeyLimits
from theodora.storage.access.key_secrets import new_secret
from theodora.storage.access.permissions import READ, WRITE
from theodora.storage.access.principals import key_principal
from theodora.web.pages.shell.read_only import read_only
from visiting import Browser, read_page, sign_in

pytestmark = ON_SQLITE
PATH = "/settings/links"
REVOKE = f"{PATH}/revoke"


class Sharing(NamedTuple):
    """A server with share links, an organisation with a deployment, and its editor."""

    client: TestClient
    tenant: Tenant
    editor: Browser

    def share(self, page: str) -> str:
        """The path of a new link."""
        answer = self.editor.post(PATH, {"page": page, "days": "7"})
        assert answer.status_code == 200, answer.text
        link = read_page(answer.text).one("pre", id="link").text
        return link[link.index("/shared/") :]

    def open(self, path: str) -> Any:
        self.client.cookies.clear()
        return self.client.get(path)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, TestClient]]:
    with server_in_process(tmp_path_factory.mktemp("sharing"), share_links="yes") as made:
        yield made


@pytest.fixture
def sharing(server: tuple[Any, TestClient]) -> Sharing:
    tenant = make_tenant(*server)
    now_ns = time.time_ns()
    for name in ("shopist", "other"):
        event = {**SHOPIST, "service": name, "version": f"{name}-1", "started_at": now_ns - 10**9}
        event["finished_at"] = now_ns - 10**8
        document = {"data": {"attributes": event}}
        server[1].post("/api/v2/dora/deployment", json=document, headers=dict(tenant.keys))
    editor = sign_in(tenant, "dora_metrics_read", "dora_metrics_write")
    return Sharing(server[1], tenant, editor)


def test_a_shared_wall_keeps_its_script_and_names_its_period(sharing: Sharing) -> None:
    answer = sharing.open(sharing.share("/now"))
    shown = read_page(answer.text)
    assert shown.one("script")["type"] == "module"
    assert shown.one("noscript").one("meta")["content"] == "30"
    assert shown.one("div", id="wall")["data-seconds"] == "30"
    for tag in ("a", "form", "nav", "input", "button"):
        assert not shown.all(tag), tag
    # Not twelve weeks, as of pages with a period of their own.
    assert " – " not in shown.one("main").all("p", class_="fine")[0].text


@pytest.mark.parametrize(
    "page", ["/?range=4w", "/services/shopist", "/deployments?query=service:shopist", "/failures"]
)
def test_a_shared_page_has_its_figures_and_nothing_to_go_on_to(sharing: Sharing, page: str) -> None:
    answer = sharing.open(sharing.share(page))
    assert answer.status_code == 200, answer.text
    assert "shopist" in answer.text or page == "/failures"
    shown = read_page(answer.text)
    for tag in ("a", "form", "nav", "script", "input", "button"):
        assert not shown.all(tag), tag
    assert "curl" not in answer.text
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-robots-tag"] == "noindex"
    assert "set-cookie" not in answer.headers


def test_its_query_is_fixed_and_its_organisation_too(sharing: Sharing) -> None:
    link = sharing.share("/deployments?query=service%3Ashopist")
    text = sharing.open(f"{link}?query=service%3Aother&org=other").text
    assert "shopist-1" in text
    assert "other-1" not in text
    stranger = sign_in(make_tenant(sharing.tenant.built, sharing.client))
    seen = stranger.client.get(link).text
    assert "shopist-1" in seen
    assert sharing.tenant.organisation in seen


def test_the_log_leaves_the_secret_out(sharing: Sharing) -> None:
    with capture_logs() as entries:
        sharing.open("/shared/abcdefgh-of-nobody")
    (logged,) = [each for each in entries if each["event"] == "request"]
    assert logged["path"] == "/shared/…"
    assert "abcdefgh" not in str(entries)


def test_a_link_is_no_session_and_opens_no_form(sharing: Sharing) -> None:
    link = sharing.share("/")
    assert sharing.open(f"{link}/deployments").status_code == 404
    assert sharing.client.post(link, headers={"Sec-Fetch-Site": "same-origin"}).status_code != 200
    secret = link.removeprefix("/shared/")
    headers = {"Cookie": f"theodora_session={secret}"}
    away = sharing.client.get("/deployments", headers=headers, follow_redirects=False)
    assert away.headers["location"].startswith("/sign-in")


def test_what_opens_nothing_answers_as_an_unknown_link_does(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, tenant = sharing.tenant.built.store, sharing.tenant
    org, now_ns = store.keys.organisation(tenant.organisation), time.time_ns()
    unknown = sharing.open("/shared/unknown")
    assert unknown.status_code == 404
    assert unknown.headers["cache-control"] == "no-store"

    def assert_gone(path: str) -> None:
        answer = sharing.open(path)
        assert answer.status_code == 404
        assert strip(answer.text) == strip(unknown.text)

    revoked, expired, orphaned = (sharing.share("/") for _ in range(3))
    links = store.share_links.all_of(org, now_ns)
    assert sharing.open(revoked).status_code == 200
    sharing.editor.client.cookies.clear()
    again = sign_in(tenant, "dora_metrics_read", "dora_metrics_write")
    assert again.post(REVOKE, {"id": links[-1].id}).status_code == 303
    assert again.post(REVOKE, {"id": links[-1].id}).status_code == 404
    assert_gone(revoked)
    secret = expired.removeprefix("/shared/")
    assert store.share_links.find(secret, now_ns + 6 * DAY_NS)
    assert store.share_links.find(secret, now_ns + 8 * DAY_NS) is None
    maker = links[0].maker
    assert maker
    assert maker.key
    store.keys.revoke(tenant.organisation, maker.key.id, now_ns, actor=TESTER).result()
    assert_gone(orphaned)
    actions = [each.action for each in store.audit.entries(org, AuditQuery(limit=100))]
    assert actions.count("link.created") == 3
    assert actions.count("link.revoked") == 1
    assert secret not in repr(store.audit.entries(org, AuditQuery(limit=100)))


def strip(html: str) -> str:
    """Without what differs from one request to the next."""
    return " ".join(each for each in read_page(html).one("main").text.split() if len(each) < 30)


def test_who_may_share_and_what(sharing: Sharing) -> None:
    for page in ("/settings/keys", "/deployments.csv", "/shared/x", "//evil.example", ""):
        assert sharing.editor.post(PATH, {"page": page, "days": "7"}).status_code == 400, page
    assert sharing.editor.post(PATH, {"page": "/", "days": "9999"}).status_code == 400
    menu = sharing.editor.page("/deployments?query=env:x").one("details", class_="menu")
    [item] = [each for each in menu.all("a") if "Share" in each.text]
    form = sharing.editor.page(unescape(item["href"])).one("main").one("form")
    assert form.one("input", name="page")["value"].startswith("/deployments?query=env:x")
    sharing.share("/")
    store = sharing.tenant.built.store
    [link] = store.share_links.all_of(store.keys.organisation(sharing.tenant.organisation), 0)
    sharing.client.cookies.clear()
    other = sign_in(make_tenant(sharing.tenant.built, sharing.client))
    assert other.post(REVOKE, {"id": link.id}).status_code == 404
    sharing.client.cookies.clear()
    reader = sign_in(sharing.tenant, "dora_metrics_read")
    assert reader.post(PATH, {"page": "/", "days": "7"}).status_code == 403
    assert reader.post(REVOKE, {"id": link.id}).status_code == 403
    assert "Share this page" not in reader.page("/").text


def test_a_key_with_addresses_shares_nothing(sharing: Sharing) -> None:
    """A link opens from anywhere; one of a key that expires ends with it."""
    store, secret = sharing.tenant.built.store, new_secret("application")
    store.keys.add(
        sharing.tenant.organisation,
        *("application", secret),
        name="office",
        permissions=frozenset({READ, WRITE}),
        limits=KeyLimits(networks=("192.0.2.7",)),
        now_ns=time.time_ns(),
        actor=TESTER,
    ).result()
    office = Browser(sharing.client)
    transport: Any = office.client._transport  # pyright: ignore[reportPrivateUsage]
    transport.client = ("192.0.2.7", 9)
    assert office.post("/sign-in", {"key": secret}).status_code == 303
    assert office.post(PATH, {"page": "/", "days": "7"}).status_code == 403
    assert "Share this page" not in office.page("/").text
    org = store.keys.organisation(sharing.tenant.organisation)
    assert not store.share_links.all_of(org, time.time_ns())


def test_a_link_dies_with_its_organisation_and_by_the_setting(tmp_path: Path) -> None:
    secret, now_ns = "s" * 40, time.time_ns()
    with server_in_process(tmp_path) as (built, client):
        tenant = make_tenant(built, client)
        make_key(built, tenant.organisation, "application")
        org = built.store.keys.organisation(tenant.organisation)
        [*_, key] = [
            each
            for each in built.store.keys.all_of(tenant.organisation)
            if each.kind == "application"
        ]
        built.store.share_links.add(
            key_principal(key),
            *(secret, "/", ""),
            expires_at_ns=now_ns + DAY_NS,
            now_ns=now_ns,
            actor=TESTER,
        ).result()
        assert built.store.share_links.find(secret, now_ns)
        assert client.get(f"/shared/{secret}").status_code == 404
        browser = sign_in(tenant)
        assert browser.post(PATH, {"page": "/", "days": "7"}).status_code == 404
        assert "Share this page" not in browser.page("/").text
        built.store.organisations.plan_deletion(org, now_ns, 0, actor=TESTER).result()
        assert built.store.share_links.find(secret, now_ns) is None


def test_links_become_text() -> None:
    html = (
        '<!doctype html><p class="x">a &lt; b &#39;<a href="/x" class="y" title="&quot;">c</a>'
        '<svg viewBox="0 0 1 1"><a href="/y"><rect/></a></svg><form><input><form></form></form>'
        '<div class="acts"><div><a href="/z">CSV</a></div></div>d<br></p>'
    )
    assert read_only(html) == (
        '<!doctype html><p class="x">a &lt; b &#39;<span class="y" title="&quot;">c</span>'
        '<svg viewBox="0 0 1 1"><g><rect/></g></svg>d<br></p>'
    )
