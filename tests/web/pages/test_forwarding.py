"""The page of forwarding: turning it on, what waits and why, and the buttons."""

import msgspec

import datadog
from actors import TESTER
from asking import Tenant
from databases import ON_SQLITE
from theodora.events import Deployment
from theodora.sources.datadog.forwarding import Forwarder
from theodora.storage import ForwardingState, Organisation
from visiting import read_page, sign_in

pytestmark = ON_SQLITE

PATH = "/settings/forwarding"
KEYS = {"api_key": "api-key-of-the-test", "app_key": "app-key-of-the-test"}
TRAP = "<script>alert(1)</script>"


def organisation(tenant: Tenant) -> Organisation:
    return tenant.built.store.keys.organisation(tenant.organisation)


def state(tenant: Tenant) -> ForwardingState | None:
    return tenant.built.store.forwarding.get(organisation(tenant))


def test_it_is_turned_on_and_off(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    assert "Forwarding is off" in browser.page(PATH).one("main").text
    saved = browser.post(PATH, {"site": "us5.datadoghq.com", **KEYS})
    assert (saved.status_code, saved.headers["location"]) == (303, f"{PATH}?done=on")
    made = state(tenant)
    assert made
    assert made[:3] == ("https://api.us5.datadoghq.com", *KEYS.values())
    shown = browser.get(f"{PATH}?done=on").text
    assert "running" in shown
    assert not any(key in shown for key in KEYS.values())
    assert "Turn forwarding off?" in browser.get(f"{PATH}?off=1").text
    assert browser.post(f"{PATH}/off", {}).status_code == 303
    assert state(tenant) is None
    assert browser.post(f"{PATH}/off", {}).status_code == 404


def test_a_page_cannot_name_any_url(tenant: Tenant) -> None:
    """A key for settings must not make the server ask servers of its own network."""
    browser = sign_in(tenant)
    answer = browser.post(PATH, {"site": "http://127.0.0.1:9", "api_key": "", "app_key": "ü"})
    assert answer.status_code == 400
    page = read_page(answer.text)
    for name in ("site", "api_key", "app_key"):
        assert page.one(id=f"{name}-problem").text
    assert state(tenant) is None


def test_what_waits_and_why_is_shown_and_changed(tenant: Tenant) -> None:
    store, org = tenant.built.store, organisation(tenant)
    sent = Deployment(id="the-first-one-sent", service="web", started_at_ns=1, finished_at_ns=2)
    with datadog.playing() as site:
        store.forwarding.put(org, site.url, *KEYS.values(), 1, actor=TESTER).result()
        for id_ in (sent.id, "the-second-one-sent"):
            event = msgspec.structs.replace(sent, id=id_)
            store.deployments.add(org, event, 1, actor=TESTER).result()
        refused = datadog.Fault(400, body=msgspec.json.encode({"errors": [TRAP]}).decode())
        site.faults += [refused, datadog.Fault(503, {"Retry-After": "500"})]
        forwarder = Forwarder(store)
        forwarder.work_off()
        forwarder.close()
    browser = sign_in(tenant)
    page = browser.page(PATH)
    assert "503: a fault of the test. Next try" in page.one("main").text
    _, parked = page.all("tbody")
    row = parked.one("tr")
    assert row.one("th").text == sent.id
    assert [cell.text for cell in row.all("td")][:2] == ["put deployment", f"400: {TRAP}"]
    number = {"number": row.all("input")[0]["value"]}
    assert browser.post(f"{PATH}/retry", number).status_code == 303
    assert browser.post(f"{PATH}/drop", number).status_code == 303
    assert browser.post(f"{PATH}/pause", {}).status_code == 303
    now = state(tenant)
    assert now
    assert (now.parked, now.waiting, now.paused[:9]) == (0, 2, "paused by")
    assert "paused" in browser.page(PATH).one(class_="chip").text
    assert browser.post(f"{PATH}/resume", {}).status_code == 303
    assert browser.post(f"{PATH}/nothing", {}).status_code == 303


def test_a_key_that_only_reads_sees_it_and_changes_nothing(tenant: Tenant) -> None:
    browser = sign_in(tenant, "dora_metrics_read")
    page = browser.page(PATH)
    assert "cannot change forwarding" in page.one("main").text
    assert browser.post(PATH, {"site": "datadoghq.eu", **KEYS}).status_code == 403
    assert state(tenant) is None
