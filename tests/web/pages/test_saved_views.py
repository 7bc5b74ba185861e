"""Saved views: saved, opened, deleted, and where signing in leads."""

from asking import Tenant, make_key
from databases import ON_SQLITE
from theodora.storage.access.permissions import READ
from visiting import Browser, sign_in

pytestmark = ON_SQLITE
TARGET = "/deployments?query=team%3Apay&range=1y"


def names(browser: Browser) -> list[str]:
    tables = browser.page("/views").all("tbody")
    return [row.one("th").text for table in tables for row in table.all("tr")]


def test_a_view_is_saved_from_the_menu_of_its_page_opened_and_deleted(tenant: Tenant) -> None:
    browser = sign_in(tenant, READ)
    (link,) = [each for each in browser.page(TARGET).all("a") if each.text == "Save this view…"]
    form = browser.page(link["href"]).one("section", aria_labelledby="new").one("form")
    assert not form.all("input", value="everybody")
    page = form.one("input", name="page")["value"]
    saved = browser.post(form["action"], {"page": page, "name": " Pay <1> "})
    assert saved.headers["location"] == "/views?saved=saved"
    row = browser.page("/views").one("tbody").one("tr")
    assert (row.one("a").text, row.one("a")["href"]) == ("Pay <1>", TARGET)
    browser.page(row.one("a")["href"])
    assert names(sign_in(tenant, READ)) == []
    fields = {each["name"]: each["value"] for each in row.all("input")}
    assert browser.post(row.one("form")["action"], fields).status_code == 303
    assert browser.post(row.one("form")["action"], fields).status_code == 404
    assert names(browser) == []


def test_a_view_for_everybody_needs_the_permission_to_write(tenant: Tenant) -> None:
    editor, reader = sign_in(tenant), sign_in(tenant, READ)
    given = {"page": "/?range=1y", "name": "Year", "for": "everybody"}
    assert reader.post("/views", given).status_code == 403
    assert editor.post("/views", given).status_code == 303
    assert names(reader) == ["Year"]
    assert not reader.page("/views").one("tbody").all("form")
    assert reader.post("/views/delete", {"name": "Year", "for": "everybody"}).status_code == 403
    assert reader.post("/views/delete", {"name": "Year"}).status_code == 404
    assert editor.post("/views/delete", {"name": "Year", "for": "everybody"}).status_code == 303


def test_what_is_no_view_is_refused_with_a_reason(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    for page, name, reason in (
        ("/", "", "give the view a name"),
        ("/settings/keys", "x", "this page cannot be saved"),
        ("https://elsewhere.example/", "x", "this page cannot be saved"),
        ("/", "x" * 300, "characters in one line"),
        (f"/?query={'x' * 4_000}", "x", "this page cannot be saved"),
    ):
        answer = browser.post("/views", {"page": page, "name": name})
        assert (answer.status_code, reason in answer.text) == (400, True), reason
    assert names(browser) == []


def test_empty_parameters_are_saved_too(tenant: Tenant) -> None:
    """An empty search means everything, none means production."""
    browser = sign_in(tenant)
    browser.post("/views", {"page": "/deployments?query=", "name": "All"})
    assert browser.page("/views").one("tbody").one("a")["href"] == "/deployments?query="


def test_no_form_is_shown_for_a_page_that_cannot_be_saved(tenant: Tenant) -> None:
    page = sign_in(tenant).page("/views?page=/settings/keys")
    assert not page.one("main").all("input", name="page", value="/settings/keys")


def test_signing_in_leads_to_ones_own_start_page_else_everybodys(tenant: Tenant) -> None:
    key = make_key(tenant.built, tenant.organisation, "application")

    def lands(next_: str = "") -> str:
        answer = Browser(tenant.client).post("/sign-in", {"key": key, "next": next_})
        return answer.headers["location"]

    browser = Browser(tenant.client)
    browser.post("/sign-in", {"key": key})
    assert lands() == "/"
    everybodys = {"page": "/?query=team%3Apay", "name": "Pay", "for": "everybody", "start": "yes"}
    browser.post("/views", everybodys)
    assert lands() == "/?query=team%3Apay"
    for name, path in (("Wall", "/now"), ("Failures", "/failures?range=1y")):
        browser.post("/views", {"page": path, "name": name, "start": "yes"})
        assert lands() == path
    assert lands("/deployments") == "/deployments"
    browser.post("/views/delete", {"name": "Failures"})
    assert lands() == "/?query=team%3Apay"
