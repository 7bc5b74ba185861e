"""The wall: the last hours, open failures and what waits, refreshed without a script too."""

import time
from typing import Any

from actors import TESTER
from asking import FAILURE, SHOPIST, Tenant
from databases import ON_SQLITE
from theodora.storage.access.permissions import READ
from visiting import Element, sign_in
from web.pages.test_people import editor

pytestmark = ON_SQLITE
"""What pages read is tested on each kind of database where it is read: here what they show."""

HOUR = 3_600


def deployed(tenant: Tenant, hours_ago: float, version: str, **attributes: Any) -> str:
    at = int(time.time() - hours_ago * HOUR)
    own = {"version": version, "service": "web", "started_at": at - 60, "finished_at": at}
    return tenant.create({**SHOPIST, "git": None, **own, **attributes})


def failing(tenant: Tenant, hours_ago: float, **attributes: Any) -> str:
    at = int(time.time() - hours_ago * HOUR)
    document = {"services": ["web"], "name": "Checkout fails", "started_at": at}
    return tenant.create({**document, **attributes}, FAILURE)


def listed(page: Element, section: str) -> list[str]:
    """The versions in the table of a section."""
    rows = page.one("section", aria_labelledby=section).one("tbody").all("tr")
    return [row.one("th").one("bdi", class_="mono").text for row in rows]


def test_the_last_two_hours_of_every_environment_are_shown(tenant: Tenant) -> None:
    for hours, version, env in ((3, "v1", "production"), (1.9, "v2", "staging"), (1, "v3", "qa")):
        deployed(tenant, hours, version, env=env)
    browser = sign_in(tenant)
    assert listed(browser.page("/now"), "newest") == ["v3", "v2"]
    assert listed(browser.page("/now?query=env:qa"), "newest") == ["v3"]
    wide = browser.page("/now").one("section", aria_labelledby="newest").one("div", class_="acts")
    explorer = browser.page(wide.one("a")["href"])
    assert explorer.one("p", class_="cnt").text == "2 deployments of 2 in this period"


def test_without_a_deployment_the_last_one_is_named(tenant: Tenant) -> None:
    deployed(tenant, 5, "v1")
    newest = sign_in(tenant).page("/now").one("section", aria_labelledby="newest")
    assert newest.one("span", class_="mu").text == "none"
    assert "The last one: web v1" in newest.text


def test_an_open_failure_is_linked_to_its_cause_from_the_wall(tenant: Tenant) -> None:
    """Then its causes are named instead of the deployments to choose from."""
    deployed(tenant, 4, "v1")
    cause = deployed(tenant, 3, "v2")
    failing(tenant, 9, name="Over", finished_at=int(time.time() - 8 * HOUR))
    failure = failing(tenant, 2)
    browser = sign_in(tenant)
    page = browser.page("/now")
    assert page.one("title").text.startswith("1 open · Now")
    (alarm,) = page.all("article")
    assert "open for 2 h" in alarm.text.replace("\u202f", " ")
    choices = alarm.one("ul").all("li")
    assert choices[0].one("a")["href"] == f"/deployments/{cause}"
    form = choices[0].one("form")
    assert form["action"] == f"/failures/{failure}/link"
    fields = {each["name"]: each["value"] for each in form.all("input")}
    assert browser.post(form["action"], fields).status_code == 303
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    page = browser.page("/now")
    (alarm,) = page.all("article")
    assert "Caused by web v2" in alarm.text
    assert not alarm.all("form")
    assert listed(page, "unfixed") == ["v2"]


def test_readers_choose_no_cause(tenant: Tenant) -> None:
    deployed(tenant, 3, "v2")
    failing(tenant, 2)
    page = sign_in(tenant, READ).page("/now")
    assert len(page.all("article")) == 1
    assert not page.one("main").all("form")


def test_an_editor_chooses_causes_of_her_teams_failures_among_their_deployments(
    tenant: Tenant,
) -> None:
    for hours, team in ((2, "payments"), (1, "web")):
        deployed(tenant, 3, f"v of {team}", team=team)
        failing(tenant, hours, name=f"Down for {team}", team=team)
    page = editor(tenant, "editor", "payments").page("/now")
    named = {each.one("h3").text: each.all("form") for each in page.all("article")}
    assert {name: len(forms) for name, forms in named.items()} == {
        "Down for payments": 1,
        "Down for web": 0,
    }


def test_what_has_no_verdict_is_shown_for_a_week(tenant: Tenant) -> None:
    deployed(tenant, 30 * 24, "v1", git=SHOPIST["git"])
    deployed(tenant, 5, "v2", git=SHOPIST["git"])
    assert listed(sign_in(tenant).page("/now"), "pending-verdicts") == ["v2"]


def test_it_refreshes_until_it_is_told_not_to(tenant: Tenant) -> None:
    """By the browser itself where there is no script, which else does so by this attribute."""
    browser = sign_in(tenant)
    page = browser.page("/now?query=team:web")
    assert page.one("noscript").one("meta")["content"] == "30"
    assert page.one("div", id="wall")["data-seconds"] == "30"
    link = page.one("div", class_="head").one("a")
    assert link["href"] == "/now?query=team:web&refresh=off"
    still = browser.page(link["href"])
    assert not still.all("noscript")
    assert "data-seconds" not in still.one("div", id="wall").attributes
    assert still.one("div", class_="head").one("a")["href"] == "/now?query=team:web"
