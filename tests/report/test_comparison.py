"""Small multiples: groups on one scale."""

import re
import time

import pytest

from asking import SHOPIST, Tenant
from databases import ON_SQLITE
from visiting import Element, sign_in

pytestmark = ON_SQLITE
"""What pages read is tested on each kind of database where it is read: here what they show."""

DAY = 86_400


def deployed(tenant: Tenant, days_ago: float, service: str, **attributes: object) -> None:
    at = int(time.time() - days_ago * DAY)
    own = {"service": service, "started_at": at - 60, "finished_at": at, **attributes}
    tenant.create({**SHOPIST, "git": None, "version": f"v{days_ago}", **own})


@pytest.fixture
def busy_and_quiet(tenant: Tenant) -> Tenant:
    """Ten deployments of web on a day, then one a day; one of search; none any more of old."""
    for number in range(10):
        deployed(tenant, 5 + number / 1_000, "web", team="shop", custom_tags=["language:go"])
    for days in (2, 3):
        deployed(tenant, days, "web", team="shop", custom_tags=["language:go"])
    deployed(tenant, 2.5, "search", team="discovery")
    deployed(tenant, 10, "old", team="discovery")
    return tenant


def compared(page: Element) -> dict[str, Element]:
    table = page.one("table", class_="multiples").one("tbody")
    return {row.one("th").text: row for row in table.all("tr")}


def bars(cell: Element) -> list[int]:
    """The heights of a sparkline's bars."""
    (path,) = cell.all("path", class_="sp")
    found = re.findall(r"([Vv])(-?[\d.]+)", path["d"])
    return [round(28 - float(y)) if kind == "V" else round(-float(y)) for kind, y in found]


def test_services_are_compared_on_one_scale(busy_and_quiet: Tenant) -> None:
    """A deployment of search is as high as one of web; old has none in the period."""
    page = sign_in(busy_and_quiet).page("/?range=7d&compare=service")
    found = compared(page)
    assert list(found) == ["web", "search"]
    web, search = (found[name].all("td")[0] for name in ("web", "search"))
    assert max(bars(web)) == 28
    assert max(bars(search)) == min(each for each in bars(web) if each > 1) == 3
    assert "12" in web.text
    heads = page.one("table", class_="multiples").one("thead").all("th")
    assert heads[1].text == "Deploymentsby day, 0 to 10"
    assert found["web"].one("a")["href"] == "/services/web?range=7d"
    assert not page.all("figure")


def test_teams_and_tags_are_compared_too(busy_and_quiet: Tenant) -> None:
    """Whatever the table of the page is grouped by; each group leads to its own overview."""
    browser = sign_in(busy_and_quiet)
    teams = compared(browser.page("/?range=7d&compare=team"))
    assert list(teams) == ["shop", "discovery"]
    assert teams["shop"].one("a")["href"] == "/?range=7d&query=is:production+team:shop"
    page = browser.page("/?range=7d&compare=language&group_by=team")
    tags = compared(page)
    assert list(tags) == ["go", "java"]
    assert tags["go"].one("a")["href"] == "/?range=7d&query=is:production+language:go"
    switches = page.one("nav", aria_label="Charts of").all("a")
    chosen = {each.text: each.attributes.get("aria-current", "") for each in switches}
    assert chosen == {"All": "", "Each service": "", "Each team": "", "Each language": "true"}
    assert switches[0]["href"] == "/?range=7d&group_by=team#intervals"


def test_without_deployments_a_comparison_says_so(busy_and_quiet: Tenant) -> None:
    browser = sign_in(busy_and_quiet)
    page = browser.page("/?range=24h&compare=ring&query=service:web")
    assert "No deployments in this period." in page.one("main").text
    browser.page(f"/?compare={'k' * 201}", 400)


def test_a_high_value_is_cut_off_with_a_line_and_does_not_flatten_others(tenant: Tenant) -> None:
    """Thirty deployments on one of 24 days, one on each other: the scale fits the others."""
    for days in range(24):
        for number in range(30 if days == 5 else 1):
            deployed(tenant, days + number / 10_000, "web")
    page = sign_in(tenant).page("/?range=4w&interval=day&compare=service")
    cell = compared(page)["web"].all("td")[0]
    assert set(bars(cell)) == {28}
    assert cell.one("path", class_="cut")["d"].count("M") == 1
