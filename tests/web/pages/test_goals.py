"""The page of goals, and the lines on charts."""

import time

import pytest

from asking import SHOPIST, Tenant
from databases import ON_SQLITE
from visiting import Browser, sign_in

pytestmark = ON_SQLITE


@pytest.fixture
def browser(tenant: Tenant) -> Browser:
    now_sec = int(time.time())
    for service, team in (("web", "shop"), ("api", "core")):
        for day in (20, 12, 3):
            at = now_sec - day * 86_400
            own = {"service": service, "team": team, "started_at": at - 60, "finished_at": at}
            tenant.create({**SHOPIST, "git": None, **own, "version": f"v{day}"})
    return sign_in(tenant)


def put(browser: Browser, status: int = 303, **fields: str) -> None:
    answer = browser.post("/goals", fields)
    assert answer.status_code == status, answer.text


def goals_drawn(browser: Browser, path: str) -> list[str]:
    """What the sentence above the chart of deployments says of a goal."""
    figures = browser.page(path).all("figure")
    drawn = [each for each in figures if each.all("line", class_="goal")]
    assert all("; goal " in each.one("figcaption").text for each in drawn)
    labels = [each.text for figure in drawn for each in figure.all("text", class_="gl")]
    return [label.replace("\u202f", " ").replace("\u00a0", " ") for label in labels]


def test_each_page_shows_the_goal_of_what_it_is_about(browser: Browser) -> None:
    assert goals_drawn(browser, "/") == []
    put(browser, metric="deployment_frequency", value="1 a week")
    put(browser, metric="deployment_frequency", value="2 a week", team="shop")
    put(browser, metric="deployment_frequency", value="1 a day", service="web")
    put(browser, metric="deployment_frequency", value="1.5 a week", service="web")
    assert goals_drawn(browser, "/") == ["goal 1.0 a week"]
    assert goals_drawn(browser, "/?query=team:shop") == ["goal 2.0 a week"]
    assert goals_drawn(browser, "/services/web") == ["goal 1.5 a week"]
    assert goals_drawn(browser, "/services/api") == ["goal 1.0 a week"]


def test_goals_are_listed_and_removed(browser: Browser) -> None:
    put(browser, metric="change_lead_time", value="2d", team="shop")
    put(browser, metric="change_failure_rate", value="5 %")
    table = browser.page("/goals").one("tbody")
    assert [row.one("th").text for row in table.all("tr")] == [
        "Change failure rate",
        "Change lead time",
    ]
    form = table.all("form")[1]
    fields = {each["name"]: each["value"] for each in form.all("input")}
    assert fields == {"metric": "change_lead_time", "service": "", "team": "shop"}
    assert browser.post(form["action"], fields).status_code == 303
    assert browser.post(form["action"], fields).status_code == 404
    assert len(browser.page("/goals").one("tbody").all("tr")) == 1


def test_a_value_that_is_none_is_shown_where_it_was_typed(browser: Browser) -> None:
    answer = browser.post("/goals", {"metric": "change_lead_time", "value": "soon"})
    assert answer.status_code == 400
    assert "must be a value such as 2d or 90m" in answer.text
    assert 'value="soon"' in answer.text
    put(browser, 400, metric="change_lead_time", value="2d", service="web", team="shop")


def test_readers_set_no_goals(tenant: Tenant, browser: Browser) -> None:
    reader = sign_in(tenant, "dora_metrics_read")
    assert not reader.page("/goals").one("main").all("form")
    assert reader.post("/goals", {"metric": "lead_time", "value": "2d"}).status_code == 403
