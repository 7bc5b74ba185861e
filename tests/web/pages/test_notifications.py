"""The page of notifications: receivers, a preview, tests and the log."""

from actors import TESTER
from asking import Tenant
from databases import ON_SQLITE
from theodora.storage import Organisation
from theodora.storage.access.notifications import (
    Message,
    Receiver,
    ReceiverSettings,
    SendOutcome,
)
from theodora.storage.access.permissions import READ
from visiting import read_page, sign_in

pytestmark = ON_SQLITE

PATH = "/settings/notifications"
URL = "https://hooks.slack.com/services/T0/B0/the-secret"
FIELDS = {"kind": "slack", "url": URL, "name": "<b>desk</b>", "sends": "alerts"}


def organisation(tenant: Tenant) -> Organisation:
    return tenant.built.store.keys.organisation(tenant.organisation)


def receivers(tenant: Tenant) -> list[Receiver]:
    return [*tenant.built.store.notifications.receivers(organisation(tenant))]


def test_a_receiver_is_added_previewed_tested_and_removed(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    saved = browser.post(PATH, {**FIELDS, "days": ["tue", "mon"], "timezone": "Europe/Berlin"})
    assert (saved.status_code, saved.headers["location"]) == (303, f"{PATH}?done=added")
    [made] = receivers(tenant)
    assert (made.kind, made.url, made.name) == ("slack", URL, "<b>desk</b>")
    assert made.settings == ReceiverSettings("", "Europe/Berlin", (0, 1), digests=False)
    shown = browser.get(PATH).text
    assert "the-secret" not in shown
    assert read_page(shown).one("table").one("th", scope="row").text == "<b>desk</b>"
    assert "Deployment frequency" in browser.page(f"{PATH}?preview={made.id}").one("pre").text
    assert browser.post(f"{PATH}/test", {"id": made.id}).status_code == 303
    page = browser.page(f"{PATH}?done=test")
    assert "queued" in page.one(role="status").text
    assert "Theodora: test message" in page.one("section", aria_labelledby="log").text
    assert browser.post(f"{PATH}/removed", {"id": made.id}).status_code == 303
    assert receivers(tenant) == []
    for act in ("test", "removed", "x"):
        assert browser.post(f"{PATH}/{act}", {"id": made.id}).status_code == 404


def test_a_receiver_is_edited_and_keeps_the_address_that_is_not_given(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    browser.post(PATH, {**FIELDS, "days": ["tue", "mon"], "hour": "7", "team": "core"})
    [made] = receivers(tenant)
    form = browser.page(f"{PATH}?edit={made.id}").one("section", aria_labelledby="new").one("form")
    shown = {
        each["name"]: each.attributes.get("value", "")
        for each in form.all("input")
        if each.attributes.get("type") not in {"radio", "checkbox"} or "checked" in each.attributes
    }
    assert (shown["id"], shown["url"], shown["hour"], shown["team"]) == (made.id, "", "7", "core")
    assert shown["sends"] == "alerts"
    changed = {**shown, "days": ["fri"], "name": "Desk", "sends": "both"}
    saved = browser.post(PATH, changed)
    assert (saved.status_code, saved.headers["location"]) == (303, f"{PATH}?done=changed")
    settings = ReceiverSettings("core", "UTC", (4,), 7)
    assert receivers(tenant) == [made._replace(name="Desk", settings=settings)]
    assert browser.post(PATH, {**changed, "url": "https://127.0.0.1/x"}).status_code == 400
    other = URL.replace("T0", "T1")
    assert browser.post(PATH, {**changed, "url": other}).status_code == 303
    assert receivers(tenant)[0].url == other
    assert browser.post(PATH, {**changed, "id": "none"}).status_code == 404


def test_what_is_wrong_is_beside_its_field(tenant: Tenant) -> None:
    """Another server than the provider's is refused: a page must not make this one ask it."""
    browser = sign_in(tenant)
    for wrong in (
        {"url": "https://127.0.0.1/services/T0/B0/x"},
        {"kind": "webhook"},
        {"kind": "x"},
        {"timezone": "Mars"},
        {"hour": "24"},
        {"days": "someday"},
        {"name": "x" * 256},
    ):
        answer = browser.post(PATH, {**FIELDS, **wrong})
        assert answer.status_code == 400, wrong
        assert f'id="{next(iter(wrong))}-problem"' in answer.text, wrong
    assert receivers(tenant) == []


def test_a_message_that_was_not_sent_is_shown_with_its_reason(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    browser.post(PATH, FIELDS)
    [made] = receivers(tenant)
    store, org = tenant.built.store.notifications, organisation(tenant)
    store.queue(org, [Message(made.id, "open:1", "Open", "text")], 1, actor=TESTER).result()
    claim = store.claim(org, 1, 2, actor=TESTER).result()
    assert claim
    store.settle(org, claim, SendOutcome("failed", "refused"), 3, actor=TESTER).result()
    row = browser.page(PATH).one("section", aria_labelledby="log").all("tr")[1]
    assert "refused" in row.text
    fields = {each["name"]: each["value"] for each in row.all("input")}
    assert browser.post(row.one("form")["action"], fields).status_code == 303
    assert store.log(org, 9)[0].state == "waiting"


def test_readers_see_and_change_nothing(tenant: Tenant) -> None:
    sign_in(tenant).post(PATH, FIELDS)
    [made] = receivers(tenant)
    reader = sign_in(tenant, READ)
    assert not reader.page(PATH).one("main").all("form")
    assert reader.post(PATH, FIELDS).status_code == 403
    assert reader.post(f"{PATH}/removed", {"id": made.id}).status_code == 403
    assert receivers(tenant) == [made]
