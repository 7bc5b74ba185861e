"""The page of failure rules: seen, tried before they hold, saved, refused at the field."""

import time
from typing import Any

import pytest

from actors import TESTER
from asking import Tenant
from databases import ON_SQLITE
from visiting import FROM_ELSEWHERE, Browser, Element, read_page, sign_in

pytestmark = ON_SQLITE

PATH = "/settings/rules"
HOSTILE = '"><script>alert(1)</script>'
NOW_SEC = int(time.time())
HOUR, WEEK = 3_600, 7 * 86_400


def deploy(tenant: Tenant, version: str, hours_ago: float, service: str = "web") -> str:
    at = NOW_SEC - int(hours_ago * HOUR)
    event = {"service": service, "env": "production", "version": version}
    return tenant.create({**event, "started_at": at, "finished_at": at})


def given(tenant: Tenant, service: str = "") -> dict[str, Any]:
    store = tenant.built.store
    return store.settings.given(store.keys.organisation(tenant.organisation), service)


def fields_of(page: Element) -> dict[str, Any]:
    """What the form would send as it stands."""
    form = page.one("form", class_="rules")
    sent: dict[str, Any] = {}
    for field in form.all("input"):
        if field.attributes.get("type") in {"checkbox", "radio"}:
            if "checked" in field.attributes:
                sent.setdefault(field["name"], []).append(field["value"])
        else:
            sent[field["name"]] = field["value"]
    return sent


def preview(browser: Browser, status: int = 200, *, service: str = "", **changes: Any) -> Element:
    page = browser.page(f"{PATH}?service={service}")
    fields = {**fields_of(page), **changes}
    sent = {name: value for name, value in fields.items() if value is not None}
    answer = browser.get(PATH, params=sent)
    assert answer.status_code == status, answer.text
    return read_page(answer.text)


def save(browser: Browser, page: Element) -> Any:
    """Sends the form that a preview ends with."""
    (form,) = [form for form in page.one("main").all("form") if form["method"] == "post"]
    return browser.post(PATH, {each["name"]: each["value"] for each in form.all("input")})


def test_the_form_says_what_holds(tenant: Tenant) -> None:
    sent = fields_of(sign_in(tenant).page(PATH))
    assert sent["linked-0-id"] == "revert"
    assert sent["linked-0-pattern"] == 'Revert "$pr_title"'
    assert sent["static-0-field"] == ["pr_title", "pr_label", "pr_branch"]
    assert sent["detect_rollbacks"] == ["on"]
    assert sent["lead_time_clock"] == ["author_time"]
    assert (sent["lead_time_gap_days"], sent["sequence_tag"]) == ("60", "")
    assert "incident_marks_failure" not in sent


def test_a_preview_counts_what_is_new_and_what_is_no_longer(tenant: Tenant) -> None:
    """v1, v2, v1 is a rollback that marks v2; the new rule marks what is before `-fix`."""
    deploy(tenant, "v1", 50)
    rolled_back = deploy(tenant, "v2", 40)
    deploy(tenant, "v1", 30)
    broken = deploy(tenant, "v3", 20)
    deploy(tenant, "v3-fix", 10)
    browser = sign_in(tenant)
    added = {"static-1-id": "fix", "static-1-pattern": "-fix", "static-1-field": "version"}
    page = preview(browser, detect_rollbacks=None, **added, **{"static-1-on": "on"})
    told = page.one(class_="told").text
    assert told == "Would mark 1 of 5 in the last 12 weeks: 0 as now, 1 new, 1 no longer."
    links = [each["href"] for each in page.one(aria_labelledby="preview").all("a")]
    assert f"/deployments/{broken}" in links
    assert f"/deployments/{rolled_back}" in links
    assert given(tenant) == {}


def test_what_was_tried_is_saved_and_then_holds(tenant: Tenant) -> None:
    deploy(tenant, "v1", 3)
    rolled_back = deploy(tenant, "v2", 2)
    deploy(tenant, "v1", 1)
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    assert tenant.get(rolled_back)["change_failure"] is True
    browser = sign_in(tenant)
    answer = save(browser, preview(browser, detect_rollbacks=None))
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?saved=1,0,3")
    assert given(tenant) == {"detect_rollbacks": False}
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    assert tenant.get(rolled_back)["change_failure"] is False
    status = browser.page(answer.headers["location"]).one(role="status").text
    assert status.startswith("Rules saved: 1 → 0 of 3 marked in the last 12 weeks.")


def test_a_preview_of_nothing_is_the_page(tenant: Tenant) -> None:
    """An address whose form was cut off leads to the rules as they are."""
    page = sign_in(tenant).page(f"{PATH}?preview=1")
    assert page.all(aria_labelledby="preview") == []
    assert page.all("input", name="detect_rollbacks")[0].attributes.get("checked") is not None


def test_deployments_before_the_last_weeks_are_not_counted(tenant: Tenant) -> None:
    deploy(tenant, "v1", 13 * WEEK / HOUR)
    deploy(tenant, "v2", 1)
    assert "of 1 in the last 12 weeks" in preview(sign_in(tenant)).one(class_="told").text


def test_a_service_keeps_as_its_own_only_what_differs(tenant: Tenant) -> None:
    deploy(tenant, "v1", 1)
    browser = sign_in(tenant)
    save(browser, preview(browser, service="web", lead_time_gap_days="0", sequence_tag="region"))
    assert given(tenant, "web") == {"lead_time_gap_days": 0, "sequence_tag": "region"}
    save(browser, preview(browser, service="web", lead_time_gap_days="", sequence_tag=""))
    save(browser, preview(browser, service="web", rollback_lookback="5"))
    assert given(tenant, "web") == {"rollback_lookback": 5}
    save(browser, preview(browser, service="web", rollback_lookback=""))
    assert given(tenant, "web") == {}


def test_the_team_stays_when_rules_are_saved(tenant: Tenant) -> None:
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    store.settings.put(
        org, {"team": "Shop", "path_globs": ["web/**"]}, "web", actor=TESTER
    ).result()
    browser = sign_in(tenant)
    save(browser, preview(browser, service="web", incident_marks_failure="on"))
    assert given(tenant, "web") == {
        "team": "Shop",
        "path_globs": ["web/**"],
        "incident_marks_failure": True,
    }


def test_a_rule_that_is_switched_off_is_still_there_to_be_switched_on(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    save(browser, preview(browser, **{"static-0-on": None}))
    assert given(tenant) == {"static_rules": []}
    sent = fields_of(browser.page(PATH))
    assert sent["static-0-id"] == "hotfix"
    assert "static-0-on" not in sent
    save(browser, preview(browser, **{"static-0-on": "on"}))
    assert given(tenant) == {}


def test_rules_are_put_in_the_order_of_their_places(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    first = {"static-1-id": "first", "static-1-pattern": "x", "static-1-field": "version"}
    page = preview(browser, **first, **{"static-1-order": "1", "static-0-order": "2"})
    save(browser, page)
    assert [rule["id"] for rule in given(tenant)["static_rules"]] == ["first", "hotfix"]


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"static-0-pattern": "a(?=b)"}, "static-0-pattern", "at character 2, look-around"),
        ({"static-0-pattern": "("}, "static-0-pattern", "is not a regular expression"),
        ({"linked-0-pattern": "x"}, "linked-0-pattern", "must have exactly one of"),
        ({"static-0-id": ""}, "static-0-id", "must be a text of 1 to"),
        ({"rollback_lookback": "many"}, "rollback_lookback", "integer from 1"),
        ({"rollback_lookback": "0"}, "rollback_lookback", "integer from 1"),
        ({"lead_time_gap_days": "-1"}, "lead_time_gap_days", "must be an integer from 0"),
        ({"sequence_tag": "region:eu"}, "sequence_tag", "must be the key of a custom tag"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(
    tenant: Tenant, changes: dict[str, str], field: str, said: str
) -> None:
    page = preview(sign_in(tenant), 400, **changes)
    wrong = page.one(aria_invalid="true")
    assert wrong["name"] == field
    assert said in page.one(id=wrong["aria-describedby"]).text
    assert fields_of(page)[field] == changes[field]
    assert not [form for form in page.one("main").all("form") if form["method"] == "post"]


def test_a_rule_without_a_field_is_told_so(tenant: Tenant) -> None:
    page = preview(sign_in(tenant), 400, **{"static-0-field": None})
    assert "at least one field" in page.one(id="static-0-field-problem").text


def test_what_is_wrong_is_not_saved_past_the_preview(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    fields = {"static-0-id": "x", "static-0-pattern": "(", "static-0-on": "on"}
    answer = browser.post(PATH, {**fields, "lead_time_clock": "author_time"})
    assert answer.status_code == 400
    assert given(tenant) == {}


def test_hostile_names_and_patterns_are_only_text(tenant: Tenant) -> None:
    deploy(tenant, HOSTILE, 2)
    deploy(tenant, "x", 1)
    browser = sign_in(tenant)
    page = preview(browser, **{"static-0-pattern": "x", "static-0-field": "version"})
    assert HOSTILE in page.one(aria_labelledby="preview").text
    save(browser, preview(browser, **{"static-0-id": HOSTILE, "static-0-pattern": HOSTILE}))
    assert given(tenant)["static_rules"][0]["id"] == HOSTILE
    assert fields_of(browser.page(PATH))["static-0-pattern"] == HOSTILE


def test_whoever_may_not_change_settings_may_try_rules_alone(tenant: Tenant) -> None:
    deploy(tenant, "v1", 1)
    browser = sign_in(tenant, "dora_metrics_read")
    page = preview(browser)
    assert page.one(class_="told").text
    assert not [form for form in page.one("main").all("form") if form["method"] == "post"]
    assert browser.post(PATH, fields_of(page)).status_code == 403


def test_nothing_is_saved_for_a_form_of_another_server(tenant: Tenant) -> None:
    assert (
        sign_in(tenant).post(PATH, {"rollback_lookback": "5"}, headers=FROM_ELSEWHERE).status_code
        == 403
    )
    assert given(tenant) == {}


def test_another_organisation_is_neither_tried_nor_changed(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    deploy(other_tenant, "v1", 2)
    browser = sign_in(tenant)
    page = preview(browser, rollback_lookback="5")
    assert "There are no deployments" in page.one(class_="told").text
    save(browser, page)
    assert given(other_tenant) == {}
