"""The page of retention: a limit is tried before it holds."""

import time

import pytest

from actors import TESTER
from asking import Tenant
from databases import ON_SQLITE
from theodora.events.activity import UserActivity
from theodora.storage.retention import RetentionSettings
from visiting import FROM_ELSEWHERE, read_page, sign_in

pytestmark = ON_SQLITE

PATH = "/settings/retention"
DAY_SEC = 86_400


def deploy(tenant: Tenant, *days_ago: int) -> None:
    for each in days_ago:
        at = int(time.time()) - each * DAY_SEC
        tenant.create({"service": "web", "started_at": at, "finished_at": at})


def limit(tenant: Tenant) -> RetentionSettings:
    store = tenant.built.store
    return store.retention.settings(store.keys.organisation(tenant.organisation))


def kept(tenant: Tenant) -> int | None:
    """For how many days events are kept, or will be."""
    found = limit(tenant)
    return found.plan.days if found.plan else found.days


def test_a_limit_is_tried_and_then_saved(tenant: Tenant):
    deploy(tenant, 300, 200, 100, 1)
    browser = sign_in(tenant)
    assert "are kept for ever" in browser.page(PATH).one("main").text
    tried = browser.page(f"{PATH}?days=90")
    assert tried.one("h2", id="then").text == "Keep events for 90 days?"
    assert "Up to 2 deployments and no failures would be deleted" in tried.one("main").text
    assert kept(tenant) is None
    for wrong in ({}, {"confirm": "3"}, {"confirm": "x"}):
        refused = browser.post(PATH, {"days": "90", **wrong})
        assert refused.status_code == 400
        assert "enter the number of events, 2, to confirm" in refused.text
    assert kept(tenant) is None
    answer = browser.post(PATH, {"days": "90", "confirm": "2"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?saved=1")
    saved = browser.page(f"{PATH}?saved=1")
    assert "Nothing is deleted before the new limit begins" in saved.one(role="status").text
    assert "90 days" in saved.one("h2", id="plan").text
    assert limit(tenant).days is None
    assert kept(tenant) == 90


def test_a_limit_is_taken_back_before_it_begins(tenant: Tenant):
    browser = sign_in(tenant)
    browser.post(PATH, {"days": "90"})
    form = browser.page(PATH).one("section", aria_labelledby="plan").one("form")
    assert form.one("button").text == "Take it back: keep them for ever"
    taken_back = browser.post(PATH, {"days": ""})
    assert taken_back.status_code == 303
    assert limit(tenant) == RetentionSettings(None)


def test_a_refused_round_is_shown_here_and_on_data_health(tenant: Tenant):
    deploy(tenant, *range(100, 110), 1)
    store = tenant.built.store
    store.retention.put(store.keys.organisation(tenant.organisation), 90, actor=TESTER).result()
    store.retention.remove_old(time.time_ns(), actor=TESTER)
    browser = sign_in(tenant)
    reason = "9 of 11 events would be deleted in one round, more than 10 %"
    assert reason in browser.page(PATH).one(role="alert").text
    health = browser.page("/data-health?check=retention")
    assert reason in health.one("section", class_="panel").text


def test_activity_of_users_is_counted_apart_and_needs_no_number(tenant: Tenant):
    store = tenant.built.store
    rows = [
        UserActivity(
            user_email="ada@example.com", day=day, tool="cursor", is_active=True, models=()
        )
        for day in ("2024-01-30", "2024-01-31")
    ]
    store.activity.add(store.keys.organisation(tenant.organisation), rows, actor=TESTER).result()
    browser = sign_in(tenant)
    tried = browser.page(f"{PATH}?days=90").one("main").text
    activity = "Up to no deployments, no failures and 2 rows of user activity would be deleted"
    assert activity in tried
    assert "to confirm" not in tried
    assert browser.post(PATH, {"days": "90"}).status_code == 303
    assert kept(tenant) == 90


def test_no_limit_keeps_events_for_ever(tenant: Tenant):
    browser = sign_in(tenant)
    browser.post(PATH, {"days": "90"})
    assert "Nothing would be deleted now" in browser.page(f"{PATH}?days=").one("main").text
    assert browser.post(PATH, {"days": " "}).status_code == 303
    assert kept(tenant) is None


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


def test_a_key_for_settings_may_try_a_limit_and_not_set_it(tenant: Tenant):
    browser = sign_in(tenant, "dora_metrics_read", "dora_settings_write")
    page = browser.page(f"{PATH}?days=90")
    assert not [form for form in page.one("main").all("form") if form["method"] == "post"]
    assert "cannot change retention" in page.one("main").text
    assert browser.post(PATH, {"days": "90"}).status_code == 403


def test_nothing_is_saved_for_a_form_of_another_server(tenant: Tenant):
    answer = sign_in(tenant).post(PATH, {"days": "90"}, headers=FROM_ELSEWHERE)
    assert answer.status_code == 403
    assert kept(tenant) is None
