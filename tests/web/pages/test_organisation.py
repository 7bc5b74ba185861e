"""The page of the organisation: deletion is confirmed by its name, and taken back."""

import pytest

from actors import TESTER
from asking import BARE, DEPLOYMENTS, Tenant
from databases import ON_SQLITE
from theodora.storage.organisations import OrganisationRecord
from visiting import FROM_ELSEWHERE, Browser, read_page, sign_in

pytestmark = ON_SQLITE

PATH = "/settings/organisation"
RESTORE = f"{PATH}/restore"


def record(tenant: Tenant) -> OrganisationRecord:
    return tenant.built.store.organisations.get(tenant.organisation)


def fields(browser: Browser) -> dict[str, str]:
    """The hidden fields of the form that asks for the confirmation."""
    form = browser.page(f"{PATH}?delete=1").one("section", aria_labelledby="ask").one("form")
    return {each["name"]: each["value"] for each in form.all("input", type="hidden")}


def closed(tenant: Tenant) -> Browser:
    browser = sign_in(tenant)
    sent = browser.post(PATH, {**fields(browser), "name": tenant.organisation})
    assert (sent.status_code, sent.headers["location"]) == (303, PATH)
    return browser


def test_a_deletion_is_confirmed_by_the_name(tenant: Tenant) -> None:
    tenant.create(BARE)
    browser = sign_in(tenant)
    assert "1 deployment, no failures, no commits and" in browser.page(PATH).one("main").text
    for wrong in ("", "other", tenant.organisation.upper()):
        refused = browser.post(PATH, {**fields(browser), "name": wrong})
        assert refused.status_code == 400
        page = read_page(refused.text)
        field = page.one(aria_invalid="true")
        assert "not the name" in page.one(id=field["aria-describedby"]).text
    assert record(tenant).deletion is None
    closed(tenant)
    assert record(tenant).deletion


def test_a_number_of_events_that_has_changed_is_confirmed_again(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    tenant.create(BARE)
    for events in ("0", "x", "9" * 30):
        refused = browser.post(PATH, {"name": tenant.organisation, "events": events})
        assert refused.status_code == 400
        assert "number of events has changed" in refused.text
    assert record(tenant).deletion is None


def test_then_every_other_page_and_request_is_refused_until_it_is_taken_back(
    tenant: Tenant,
) -> None:
    id_ = tenant.create(BARE)
    browser = closed(tenant)
    for path in ("/", "/deployments", f"/deployments/{id_}", "/settings/keys", "/services.csv"):
        page = browser.page(path, 403)
        assert page.one("h1").text == "This organisation is to be deleted"
        assert page.all("a", href=PATH)
    assert browser.post("/settings/keys", {"name": "x", "kind": "api"}).status_code == 403
    assert browser.post(PATH, {"name": tenant.organisation, "events": "1"}).status_code == 403
    answer = tenant.ask("GET", f"{DEPLOYMENTS}/{id_}")
    assert answer.status_code == 403
    forbidden, why = answer.json()["errors"]
    assert forbidden == "Forbidden"
    assert f'organisation "{tenant.organisation}" is to be deleted on ' in why
    page = browser.page(PATH)
    assert page.one("h2", id="planned").text.startswith("To be deleted on ")
    assert page.one("section", aria_labelledby="planned").one("button").text.startswith("Take it")
    assert browser.post(RESTORE).headers["location"] == f"{PATH}?saved=restored"
    assert "kept, with everything it had" in browser.page(f"{PATH}?saved=restored").one("main").text
    assert browser.get("/").status_code == 200
    assert tenant.get(id_)["service"] == "shopist"


def test_whoever_signs_in_meanwhile_may_take_it_back(tenant: Tenant) -> None:
    closed(tenant)
    browser = Browser(tenant.client)
    signed_in = browser.post("/sign-in", {"key": tenant.keys["DD-APPLICATION-KEY"]})
    assert signed_in.status_code == 303
    assert browser.get("/").status_code == 403
    assert browser.post(RESTORE).status_code == 303
    assert record(tenant).deletion is None


def test_a_deletion_that_has_begun_is_shown_and_not_taken_back(tenant: Tenant) -> None:
    browser = closed(tenant)
    deletion = record(tenant).deletion
    assert deletion
    store = tenant.built.store
    org = record(tenant).organisation
    store._database.write(
        lambda cursor: cursor.execute(
            "UPDATE organisation_deletions SET begun_at_ns = begins_at_ns WHERE org = ?", (org.key,)
        ),
        TESTER,
        org=org.key,
    ).result()
    page = browser.page(PATH)
    assert "being deleted" in page.one("h2", id="planned").text
    assert not page.one("main").all("button")
    assert browser.post(RESTORE).status_code == 400


@pytest.mark.parametrize("path", [PATH, RESTORE])
def test_a_key_for_settings_does_not_delete_the_organisation(tenant: Tenant, path: str) -> None:
    browser = sign_in(tenant, "dora_metrics_read", "dora_settings_write")
    main = browser.page(f"{PATH}?delete=1").one("main")
    assert not main.all("form")
    assert "cannot delete the organisation" in main.text
    assert browser.post(path, {"name": tenant.organisation, "events": "0"}).status_code == 403
    closed(tenant)
    assert "orgs undelete" in browser.page(PATH).one("main").text
    assert browser.post(RESTORE).status_code == 403
    assert record(tenant).deletion


def test_a_form_of_another_server_changes_nothing(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    sent = {"name": tenant.organisation, "events": "0"}
    assert browser.post(PATH, sent, headers=FROM_ELSEWHERE).status_code == 403
    assert record(tenant).deletion is None


def test_the_organisation_that_every_server_makes_is_not_deleted(tenant: Tenant) -> None:
    default = Tenant(tenant.built, tenant.client, "default", {})
    browser = sign_in(default)
    main = browser.page(f"{PATH}?delete=1").one("main")
    assert "cannot be deleted" in main.text
    assert not main.all("form")
    sent = browser.post(PATH, {"name": "default", "events": "0"})
    assert sent.status_code == 400
    assert record(default).deletion is None
