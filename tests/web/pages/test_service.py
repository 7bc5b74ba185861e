"""The page of a service."""

import re
import time
from typing import Any

from actors import TESTER
from asking import SHOPIST, Tenant
from databases import ON_SQLITE
from theodora.cli.demo import load_demo
from theodora.dora import Commit
from theodora.report.reasons import rule_anchor
from visiting import Element, sign_in

pytestmark = ON_SQLITE
"""What pages read is tested on each kind of database where it is read: here what they show."""

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
    crumbs = page.one("p", class_="crumb").all("a")
    assert [each["href"] for each in crumbs] == ["/", "/#services"]
    acts = page.one("section", aria_labelledby="every").one("div", class_="acts").all("a")
    lists = [f"/deployments{form}?query=service:web+env:prod" for form in ("", ".csv")]
    assert [each["href"] for each in acts] == [*lists, "/settings/rules?service=web"]
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
    assert "not fixed yet" in row.text
    assert "open for 3" in row.text


def test_a_service_without_a_deployment_in_the_period_still_has_its_page(tenant: Tenant) -> None:
    tenant.create({**SHOPIST, "service": "web"})  # In 2023.
    page = sign_in(tenant).page("/services/web")
    assert environments(page) == {"production 0": "true"}
    assert "no deployments in" in page.all("article")[0].text
    every = page.one("section", aria_labelledby="every")
    assert not every.all("svg")
    assert "no deployments in this period" in every.text
    assert every.one("p", class_="none").text == (
        "The last one finished Thu 31 Aug 2023, 14:26. Look at a year"
    )


def test_few_deployments_are_drawn_in_months(tenant: Tenant) -> None:
    """Less than one a week, of the whole period; one more, and weeks have a row each."""
    for days in (2, 20, 200):
        deployed(tenant, 24 * days, f"v{days}")
    browser = sign_in(tenant)

    def every(range_: str) -> Element:
        page = browser.page(f"/services/web?range={range_}")
        return page.one("section", aria_labelledby="every")

    year, weeks = every("1y"), every("4w")
    assert "3 deployments, less than one a week" in year.text
    assert len(year.one("svg", class_="mosaic").all("a")) == 3
    assert "2 deployments, less than one a week" in weeks.text
    deployed(tenant, 30, "v3")
    deployed(tenant, 31, "v4")
    assert "4 deployments, one row a week, newest first" in every("4w").text


def test_a_service_without_an_environment_has_a_page(tenant: Tenant) -> None:
    deployed(tenant, 1, "v1", env=None)
    page = sign_in(tenant).page("/services/web")
    assert environments(page) == {"(none) 1": "true"}
    assert "1 deployment in" in page.all("article")[0].text


def test_no_environment_and_one_called_so_are_looked_at_apart(tenant: Tenant) -> None:
    deployed(tenant, 1, "v1", env=None)
    deployed(tenant, 2, "v2", env="(none)")
    deployed(tenant, 3, "v3", env="(none)")
    browser = sign_in(tenant)
    page = browser.page("/services/web?env=(none)")
    assert environments(page) == {'"(none)" 2': "", "(none) 1": "true"}
    other = browser.page("/services/web?env=%22(none)%22")
    assert environments(other) == {'"(none)" 2': "true", "(none) 1": ""}
    assert "2 deployments in" in other.all("article")[0].text


def test_an_unknown_service_is_not_found(tenant: Tenant) -> None:
    page = sign_in(tenant).page("/services/nothing", 404)
    assert 'service "nothing"' in page.one("main").text


def test_where_lead_time_goes_is_told_by_stage_and_by_commit(tenant: Tenant) -> None:
    """Shares of all stages add up to all; the histogram holds every commit that was measured."""
    store = tenant.built.store
    org = store.keys.ensure_organisation(tenant.organisation, 1, actor=TESTER).result()
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
    [course] = [each for each in page.all("figure") if "Lead time by stage" in each.text]
    longest = stages[shares.index(max(shares))].one("th").text.lower()
    assert f"{max(shares)} % of all time is {longest}" in course.text


def test_a_baseline_and_what_follows_a_gap_are_hollow_tiles(tenant: Tenant) -> None:
    """Neither has lead times: the first of its repository, and one after more than 60 days."""
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    shas = ["1" * 40, "2" * 40, "3" * 40]
    commits = [
        Commit(
            sha=sha,
            parents=tuple(shas[at - 1 : at] if at else ()),
            author_time_ns=at + 1,
            commit_time_ns=at + 1,
        )
        for at, sha in enumerate(shas)
    ]
    store.commits.add_commits(org, "git.example.org/web", commits, actor=TESTER).result()
    ids = [
        deployed(
            tenant,
            24 * days_ago,
            sha[:1],
            git={"commit_sha": sha, "repository_url": "https://git.example.org/web"},
        )
        for sha, days_ago in zip(shas, (75, 12, 1), strict=True)
    ]
    store.derivations.derive_all_queued(actor=TESTER)
    page = sign_in(tenant).page("/services/web")
    tiles = {
        link["href"].rpartition("/")[2]: (
            link.one("use")["href"],
            link.one("title").text.rpartition(": ")[2],
        )
        for link in page.one("svg", class_="mosaic").all("a")
    }
    assert [tiles[id_] for id_ in ids] == [
        ("#t-baseline", "OK, baseline"),
        ("#t-baseline", "OK, after a gap"),
        ("#t-ok", "OK"),
    ]
    left_out = page.one("section", aria_labelledby="each").one("p", class_="fine")
    assert left_out.text == (
        "Left out: 1 deployment came more than 60 days after the one before,"
        " and 1 deployment is the first known of its repository."
    )
    gap = sign_in(tenant).page(left_out.all("a")[0]["href"])
    assert [chip.text for chip in gap.all("td", class_="vd")] == ["OKAfter a gap"]
    explorer = sign_in(tenant).page("/deployments")
    (flags,) = [
        each for each in explorer.all("fieldset") if each.one("legend").text.startswith("Flags")
    ]
    assert [each.text for each in flags.all("li")] == [
        "Baseline 1 not",
        "After a gap 1 not",
        "Shallow clone 0 not",
    ]
    chips = [cell.text for cell in explorer.all("td", class_="vd")]
    assert chips == ["OK", "OKAfter a gap", "OKBaseline"]


def test_what_made_a_deployment_fail_is_told_and_leads_to_its_rule(tenant: Tenant) -> None:
    deployed(tenant, 3, "v1")
    deployed(tenant, 2, "v2")
    back = deployed(tenant, 1, "v1")
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    tenant.patch(back, {"change_failure": True})
    browser = sign_in(tenant)
    table = browser.page("/services/web").one("section", aria_labelledby="failed").one("tbody")
    judges = [
        next(cell for cell in row.all("td") if cell["data-l"] == "Detected by")
        for row in table.all("tr")
    ]
    assert [judge.text for judge in judges] == ["Override", "Rollback"]
    assert judges[0].all("a") == []
    link = judges[1].one("a")["href"]
    assert link == "/settings/rules?service=web#else"
    assert browser.page(link.partition("#")[0]).one(id="else")


def test_a_rule_has_a_place_of_its_own_on_the_page_of_rules(tenant: Tenant) -> None:
    page = sign_in(tenant).page("/settings/rules")
    for rule in ("revert", "hotfix"):
        assert page.one("fieldset", id=rule_anchor(rule)).one("legend").text == f"Rule {rule}"
    assert rule_anchor("my rule/ä") == "rule-my%20rule%2F%C3%A4"
