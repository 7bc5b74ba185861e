"""The page of a service."""

import re
import time
from typing import Any

from asking import SHOPIST, Tenant
from theodora.cli.demo import load_demo
from visiting import Element, sign_in

HOUR = 3600


def deployed(tenant: Tenant, hours_ago: float, version: str, **attributes: Any) -> str:
    at = int(time.time() - hours_ago * HOUR)
    own = {"version": version, "started_at": at - 60, "finished_at": at, **attributes}
    return tenant.create({**SHOPIST, "git": None, "service": "web", **own})


def environments(page: Element) -> dict[str, str]:
    links = page.one("nav", aria_label="Environment").all("a")
    return {link.text: link.attributes.get("aria-current", "") for link in links}


def test_a_service_shows_its_production_first(tenant: Tenant) -> None:
    for hours, env in ((5, "staging"), (4, "staging"), (3, "prod")):
        deployed(tenant, hours, f"v{hours}", env=env)
    page = sign_in(tenant).page("/services/web")
    assert page.one("h1").text == "web"
    assert environments(page) == {"prod 1": "true", "staging 2": ""}
    page = sign_in(tenant).page("/services/web?env=staging")
    assert environments(page) == {"prod 1": "", "staging 2": "true"}
    assert "2 deployments in" in page.all("article")[0].text


def test_a_failure_stands_with_its_remedy(tenant: Tenant) -> None:
    deployed(tenant, 5, "v1")
    failed = deployed(tenant, 4, "v2")
    remedy = deployed(tenant, 2.5, "v1")
    tenant.patch(
        failed, {"change_failure": True, "remediation": {"type": "rollback", "id": remedy}}
    )
    page = sign_in(tenant).page("/services/web")
    (row,) = page.one("table", class_="big").one("tbody").all("tr")
    assert row.one("th").one("a")["href"] == f"/deployments/{failed}"
    assert row.one("span", class_="c-rollback").text == "Rollback"
    assert f"/deployments/{remedy}" in [link["href"] for link in row.all("a")]
    assert "1\u202fh\u00a030\u202fmin" in "".join(row._texts())


def test_a_failure_without_a_remedy_says_for_how_long(tenant: Tenant) -> None:
    id_ = deployed(tenant, 3, "v1")
    tenant.patch(id_, {"change_failure": True})
    page = sign_in(tenant).page("/services/web")
    (row,) = page.one("table", class_="big").one("tbody").all("tr")
    assert "not remedied yet" in row.text
    assert "open for 3" in row.text


def test_a_service_without_a_deployment_in_the_period_still_has_its_page(tenant: Tenant) -> None:
    tenant.create({**SHOPIST, "service": "web"})  # In 2023.
    page = sign_in(tenant).page("/services/web")
    assert environments(page) == {"production 0": "true"}
    assert "no deployments in" in page.all("article")[0].text


def test_a_service_without_an_environment_has_a_page(tenant: Tenant) -> None:
    deployed(tenant, 1, "v1", env=None)
    page = sign_in(tenant).page("/services/web")
    assert environments(page) == {"(none) 1": "true"}
    assert "1 deployment in" in page.all("article")[0].text


def test_an_unknown_service_is_not_found(tenant: Tenant) -> None:
    page = sign_in(tenant).page("/services/nothing", 404)
    assert 'service "nothing"' in page.one("main").text


def test_where_lead_time_goes_is_told_by_stage_and_by_commit(tenant: Tenant) -> None:
    """Shares of all stages add up to all; the histogram holds every commit that was measured."""
    store = tenant.built.store
    org = store.keys.ensure_organisation(tenant.organisation, 1).result()
    load_demo(store, org)
    page = sign_in(tenant).page("/services/checkout")
    stages = page.one("section", aria_labelledby="where").one("tbody").all("tr")
    assert [row.one("th").text for row in stages][:3] == ["Code", "Review", "Merge"]
    shares = [int(re.sub(r"\D", "", row.all("td")[0].text)) for row in stages]
    assert 97 <= sum(shares) <= 103
    each = page.one("section", aria_labelledby="each")
    commits = page.all("article")[1].one("p", class_="of").text
    assert f"median of {each.one('span', class_='mu').text.split(',')[0]}" == commits
    drawn = [text.text for group in each.all("g", class_="v") for text in group.all("text")]
    total = sum(int(number.replace("\u202f", "")) for number in drawn)
    assert f"median of {total} commits" == commits


def test_the_first_deployment_ever_is_a_baseline(tenant: Tenant) -> None:
    first, later = deployed(tenant, 3, "v1"), deployed(tenant, 1, "v2")
    for id_ in (first, later):
        tenant.patch(id_, {"change_failure": False})
    page = sign_in(tenant).page("/services/web")
    tiles = {
        link["href"].rpartition("/")[2]: link.one("use")["href"]
        for link in page.one("svg", class_="mosaic").all("a")
    }
    assert tiles == {first: "#t-baseline", later: "#t-ok"}
