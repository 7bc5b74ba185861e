"""The page of retention: a limit is tried before it holds."""

import time

import pytest

from asking import Tenant
from databases import ON_SQLITE
from visiting import FROM_ELSEWHERE, read_page, sign_in

PATH = "/settings/retention"
DAY_SEC = 86_400


def deploy(tenant: Tenant, *days_ago: int) -> None:
    for each in days_ago:
        at = int(time.time()) - each * DAY_SEC
        tenant.create({"service": "web", "started_at": at, "finished_at": at})


def kept(tenant: Tenant) -> int | None:
    store = tenant.built.store
    return store.retention.days(store.keys.organisation(tenant.organisation))


def test_a_limit_is_tried_and_then_saved(tenant: Tenant):
    deploy(tenant, 300, 200, 100, 1)
    browser = sign_in(tenant)
    assert "are kept for ever" in browser.page(PATH).one("main").text
    tried = browser.page(f"{PATH}?days=90")
    assert tried.one("h2", id="then").text == "Keep events for 90 days?"
    assert "Up to 2 deployments and no failures would be deleted" in tried.one("main").text
    assert kept(tenant) is None
    answer = browser.post(PATH, {"days": "90"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?saved=1")
    assert "kept for 90 days" in browser.page(f"{PATH}?saved=1").one(role="status").text
    assert kept(tenant) == 90


def test_no_limit_keeps_events_for_ever(tenant: Tenant):
    browser = sign_in(tenant)
    browser.post(PATH, {"days": "90"})
    assert "Nothing would be deleted now" in browser.page(f"{PATH}?days=").one("main").text
    assert browser.post(PATH, {"days": " "}).status_code == 303
    assert kept(tenant) is None


@ON_SQLITE
@pytest.mark.parametrize("days", ["0", "-1", "x", "1.5", "36501", "9" * 5_000, "٣"])
def test_what_is_no_number_of_days_is_said_at_the_field(tenant: Tenant, days: str):
    browser = sign_in(tenant)
    shown = browser.get(f"{PATH}?days={days[:50]}")
    sent = browser.post(PATH, {"days": days})
    for answer in (shown, sent):
        assert answer.status_code == 400
        page = read_page(answer.text)
        wrong = page.one(aria_invalid="true")
        assert "from 1 to 36,500" in page.one(id=wrong["aria-describedby"]).text
    assert kept(tenant) is None


def test_whoever_may_not_change_settings_may_try_a_limit(tenant: Tenant):
    browser = sign_in(tenant, "dora_metrics_read")
    page = browser.page(f"{PATH}?days=90")
    assert not [form for form in page.one("main").all("form") if form["method"] == "post"]
    assert "cannot change settings" in page.one("main").text
    assert browser.post(PATH, {"days": "90"}).status_code == 403


def test_nothing_is_saved_for_a_form_of_another_server(tenant: Tenant):
    answer = sign_in(tenant).post(PATH, {"days": "90"}, headers=FROM_ELSEWHERE)
    assert answer.status_code == 403
    assert kept(tenant) is None
