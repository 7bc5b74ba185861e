"""The overview: the numbers are the engine's, every one leads on, and nothing is hidden."""

import csv
import io
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from actors import TESTER
from asking import FAILURE, SHOPIST, Tenant
from databases import ON_EACH, ON_SQLITE
from theodora.events import Deployment
from theodora.web.pages.overview import FIRST_ROWS, PAGE_ROWS
from visiting import Element, sign_in

pytestmark = ON_SQLITE
"""What pages read is tested on each kind of database where it is read: here what they show."""

HOUR = 3600


def deployed(tenant: Tenant, hours_ago: float, **attributes: Any) -> str:
    at = int(time.time() - hours_ago * HOUR)
    own = {"started_at": at - 60, "finished_at": at, **attributes}
    return tenant.create({**SHOPIST, "git": None, **own})


def a_busy_month(tenant: Tenant) -> None:
    """Service web: v1, v2 that is rolled back after two hours, v1 again; service search: one."""
    for hours, version in ((50, "v1"), (30, "v2"), (28, "v1")):
        deployed(tenant, hours, service="web", team="storefront", version=version)
    deployed(tenant, 20, service="search", team="discovery")
    deployed(tenant, 10, service="web", env="staging")
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)


def cards(page: Element) -> dict[str, str]:
    return {card.one("h3").text: card.text for card in page.all("article")}


def rows(page: Element) -> dict[str, Element]:
    table = page.one("table", class_="big")
    return {row.one("th").one("a").text: row for row in table.one("tbody").all("tr")}


def test_the_five_metrics_say_what_they_are_made_of(tenant: Tenant) -> None:
    a_busy_month(tenant)
    page = sign_in(tenant).page("/?query=env:production&range=4w")
    found = cards(page)
    assert list(found) == [
        "Deployment frequency",
        "Change lead time",
        "Failed deployment recovery",
        "Change failure rate",
        "Deployment rework rate",
    ]
    assert "4 deployments in" in found["Deployment frequency"]
    assert "no lead times in this period" in found["Change lead time"]
    assert (
        "2\u202fh" in found["Failed deployment recovery"]
        or "2 h" in (found["Failed deployment recovery"])
    )
    assert "median of 1 failure" in found["Failed deployment recovery"]
    assert "25.0 %" in found["Change failure rate"]
    assert "1 of 4 evaluated" in found["Change failure rate"]
    assert "1 of 4 evaluated" in found["Deployment rework rate"]


def test_every_number_leads_to_the_deployments_behind_it(tenant: Tenant) -> None:
    a_busy_month(tenant)
    page = sign_in(tenant).page("/?range=4w")
    links = [card.one("p", class_="of").one("a")["href"] for card in page.all("article")[:1]]
    links += [card.one("p", class_="of").one("a")["href"] for card in page.all("article")[2:]]
    asked = [dict(parse_qsl(urlsplit(link).query)) for link in links]
    assert all(urlsplit(link).path == "/deployments" for link in links)
    assert all(each["range"] == "4w" for each in asked)
    counts = [len(tenant.ids(query=each.get("query", "env:production"))) for each in asked]
    assert counts[0] == 4


def test_services_are_rows_that_lead_on(tenant: Tenant) -> None:
    a_busy_month(tenant)
    found = rows(sign_in(tenant).page("/"))
    assert list(found) == ["web", "search"]
    assert found["web"].one("th").one("a")["href"] == "/services/web"
    assert "1 of 3" in found["web"].text
    assert "no failures" in found["search"].text


def test_no_team_and_one_called_so_lead_to_their_own_deployments(tenant: Tenant) -> None:
    for team, version in ((None, "v1"), ("(none)", "v2"), ("(none)", "v3")):
        deployed(tenant, 20, team=team, version=version)
    found = rows(sign_in(tenant).page("/?group_by=team"))
    assert list(found) == ['"(none)"', "(none)"]
    links = [row.one("th").one("a")["href"] for row in found.values()]
    queries = [dict(parse_qsl(urlsplit(link).query))["query"] for link in links]
    assert queries == ['is:production team:"(none)"', "is:production _missing_:team"]


def test_a_team_is_a_row_when_asked_for(tenant: Tenant) -> None:
    a_busy_month(tenant)
    found = rows(sign_in(tenant).page("/?group_by=team"))
    assert list(found) == ["storefront", "discovery"]
    query = dict(parse_qsl(urlsplit(found["storefront"].one("th").one("a")["href"]).query))
    assert query == {"query": "is:production team:storefront"}


@pytest.mark.parametrize(
    ("sort", "first"), [("name", "search"), ("-name", "web"), ("deployments", "search")]
)
def test_rows_are_sorted_by_the_head_of_their_column(tenant: Tenant, sort: str, first: str) -> None:
    a_busy_month(tenant)
    page = sign_in(tenant).page(f"/?sort={sort}")
    assert next(iter(rows(page))) == first
    way = "descending" if sort.startswith("-") else "ascending"
    sorted_by = page.one("th", aria_sort=way)
    turned = dict(parse_qsl(urlsplit(sorted_by.one("a")["href"]).query)).get("sort")
    assert turned == (sort[1:] if sort.startswith("-") else f"-{sort}") or turned is None


@pytest.mark.parametrize("asked", ["sort=size", "group_by=env", "levels=elite"])
def test_what_the_table_cannot_do_is_refused(tenant: Tenant, asked: str) -> None:
    a_busy_month(tenant)
    sign_in(tenant).page(f"/?{asked}", 400)


def test_a_search_that_is_none_is_shown_with_its_place(tenant: Tenant) -> None:
    tenant.create(SHOPIST)
    page = sign_in(tenant).page("/?query=env:(a", 400)
    assert page.one("input", id="query")["value"] == "env:(a"
    assert page.one("input", id="query")["aria-invalid"] == "true"
    assert "missing “)”" in page.one(role="alert").text or 'missing ")"' in (
        page.one(role="alert").text
    )
    assert page.one(role="alert").one("mark").text == "("


def test_no_event_in_the_period_is_no_zero(tenant: Tenant) -> None:
    tenant.create(SHOPIST)  # In 2023.
    page = sign_in(tenant).page("/")
    found = cards(page)
    assert "no deployments in" in found["Deployment frequency"]
    for name in ("Change failure rate", "Change lead time", "Failed deployment recovery"):
        assert "no value" in found[name]
    assert "no deployments in this period" in page.one("table", class_="big").text
    page = sign_in(tenant).page("/?query=service:nothing")
    assert "nothing in this period" in page.one("table", class_="big").text


def test_pending_verdicts_are_named_and_lead_on(tenant: Tenant) -> None:
    a_busy_month(tenant)
    text = sign_in(tenant).page("/").one("p", class_="fresh").text
    assert "Last received deployment" in text


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ("", "DORA Quick Check 2025, all industries"),
        ("quickcheck-2025-industry:technology", "DORA Quick Check 2025, Technology"),
        ("dora-2021", "Levels of 2021"),
    ],
)
def test_figures_are_compared_with_a_dated_source(tenant: Tenant, levels: str, said: str) -> None:
    a_busy_month(tenant)
    page = sign_in(tenant).page(f"/?levels={levels}")
    assert said in page.one("div", class_="five-foot").text


def test_incidents_stand_beside_the_five(tenant: Tenant) -> None:
    a_busy_month(tenant)
    now = int(time.time())
    failed = {"services": ["web"], "env": "production", "name": "down"}
    tenant.create({**failed, "started_at": now - 7200, "finished_at": now - 3600}, FAILURE)
    tenant.create({**failed, "started_at": now - 60}, FAILURE)
    foot = sign_in(tenant).page("/").one("div", class_="five-foot").text
    assert "median of 1 incident, 1 still open" in foot


def test_the_table_of_intervals_holds_every_interval(tenant: Tenant) -> None:
    a_busy_month(tenant)
    page = sign_in(tenant).page("/?range=12w")
    intervals = page.one("table", class_="mini").one("tbody").all("tr")
    assert len(intervals) == 12
    assert intervals[-1].one("th").text.endswith("(partial, to now)")
    assert sum(int(row.all("td")[0].text) for row in intervals) == 4


def test_the_csv_has_every_row_unrounded(tenant: Tenant) -> None:
    a_busy_month(tenant)
    answer = sign_in(tenant).get("/services.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "services.csv" in answer.headers["content-disposition"]
    found = {row["service"]: row for row in csv.DictReader(io.StringIO(answer.text))}
    assert found.keys() == {"web", "search"}
    assert found["web"]["deployments"] == "3"
    assert float(found["web"]["failure_rate"]) == 1 / 3
    assert found["search"]["recovery_p50_sec"] == ""


def test_a_name_that_a_spreadsheet_would_run_is_made_harmless(tenant: Tenant) -> None:
    deployed(tenant, 1, service="=1+1")
    text = sign_in(tenant).get("/services.csv").text
    assert "'=1+1," in text


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a/b c?d#e%2F",
    "\u202eevil\u202c",
    "界" * 60,
    "🦄{{7*7}}{% raise %}",
    'quo"te\\back',
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_and_nothing_else(tenant: Tenant, name: str) -> None:
    id_ = deployed(tenant, 1, service=name, team=name, version=name, source=name)
    stored = tenant.get(id_)["service"]
    browser = sign_in(tenant)
    for path in ("/", "/?group_by=team"):
        answer = browser.get(path)
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text
        assert "\u202e" not in answer.text
    link = rows(browser.page("/"))
    (row,) = link.values()
    page = browser.page(row.one("th").one("a")["href"])
    assert page.one("h1").text.replace("�", "") == " ".join(
        stored.replace("\u202e", "").replace("\u202c", "").split()
    )


@ON_EACH
def test_a_service_that_fell_silent_says_since_when(tenant: Tenant) -> None:
    a_busy_month(tenant)
    tenant.create({**SHOPIST, "service": "old"})  # In 2023.
    tenant.create({**SHOPIST, "service": "elsewhere", "env": "staging"})
    found = rows(sign_in(tenant).page("/"))
    assert list(found) == ["web", "search", "old"]
    assert "no deployments in this period · last one Thu 31 Aug 2023" in found["old"].text
    by_words = rows(sign_in(tenant).page("/?query=old"))
    assert list(by_words) == ["old"]
    assert by_words["old"].text == f"{found['old'].text} · look at a year"
    assert found["old"].one("small").text == SHOPIST["team"]


def test_without_a_deployment_in_the_period_a_year_is_offered(tenant: Tenant) -> None:
    """For the first row alone, as no other has any then."""
    deployed(tenant, 100 * 24, service="web")
    deployed(tenant, 100 * 24, service="search")
    browser = sign_in(tenant)
    offers = browser.page("/").all("a", href="/?range=1y")
    assert [each.text for each in offers if "look" in each.text] == ["look at a year"]
    deployed(tenant, 5, service="web")
    assert "look at a year" not in browser.page("/").one("main").text


def test_the_table_counts_silent_services_apart(tenant: Tenant) -> None:
    """One row is not "no services"."""
    tenant.create({**SHOPIST, "service": "old"})  # In 2023.
    browser = sign_in(tenant)

    def counted() -> str:
        return browser.page("/").one("section", aria_labelledby="services").all("span")[0].text

    assert counted() == "1 service without deployments in this period"
    deployed(tenant, 5, service="web")
    assert counted() == "1 service, and 1 service without deployments in this period"


def a_worse_search(tenant: Tenant) -> None:
    """Each second deployment of search fails and is rolled back; before, none did."""
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    now_ns = time.time_ns()
    for number in range(168):
        undone = number >= 84 and number % 3
        at_ns = now_ns - (168 - number) * 8 * HOUR * 10**9
        for service in ("search", "web"):
            version = "ab"[number % 2] if undone and service == "search" else f"v{number}"
            event = Deployment(
                service=service,
                env="production",
                team="red",
                version=version if version != "b" else f"v{number - 1}",
                started_at_ns=at_ns,
                finished_at_ns=at_ns,
            )
            written = store.deployments.add(org, event, 1, actor=TESTER)
    written.result()
    store.derivations.derive_all_queued(actor=TESTER)


def insights(page: Element) -> dict[str, list[Element]]:
    """The sentences below each head."""
    panels = page.all("section", aria_label="Insights")
    return {part.one("h2").text: part.all("li") for panel in panels for part in panel.all("div")}


def test_what_changed_is_on_top_and_leads_to_a_page_that_shows_it(tenant: Tenant) -> None:
    a_worse_search(tenant)
    browser = sign_in(tenant)
    found = insights(browser.page("/?range=4w"))["What changed"]
    (sentence,) = (each for each in found if "deployments failed" in each.text)
    assert sentence.text.startswith("search: ")
    share = sentence.text.split(": ")[1].split(" of ")[0]
    shown = cards(browser.page(sentence.one("a")["href"]))
    assert share in shown["Change failure rate"]
    assert sentence.text.split(", ")[1] in shown["Change failure rate"]


def test_what_needs_you_is_beside_it(tenant: Tenant) -> None:
    deployed(tenant, 20, service="web", version="v1")
    started = int(time.time()) - 7_200
    failure = {"services": ["web"], "name": "<b>Down", "env": "production", "started_at": started}
    id_ = tenant.create(failure, FAILURE)
    browser = sign_in(tenant)
    page = browser.page("/")
    found = insights(page)
    assert list(found) == ["What needs you"]
    texts = [each.text for each in found["What needs you"]]
    assert texts == ["<b>Down: open for 2 h", "Verdicts: 1 deployment pending"]
    links = [each.one("a")["href"] for each in found["What needs you"]]
    assert links[0] == f"/failures/{id_}"
    assert "open for 2 h" in browser.page(links[0]).one("main").text
    assert len(browser.page(links[1]).one("tbody").all("th")) >= 1
    # The line about freshness does not repeat it.
    assert "pending" not in page.one("p", class_="fresh").text


def test_several_open_failures_lead_to_the_list_of_them_however_old(tenant: Tenant) -> None:
    deployed(tenant, 20, service="web")
    for days in (300, 3):
        started = int(time.time()) - days * 24 * HOUR
        tenant.create({"services": ["web"], "env": "production", "started_at": started}, FAILURE)
    browser = sign_in(tenant)
    sentence = insights(browser.page("/"))["What needs you"][0]
    assert sentence.text == "Failures: 2 are open, the oldest for 300 d: web"
    listed = browser.page(sentence.one("a")["href"]).one("main").text
    assert listed.count("open for") == 2
    # Neither those of other searches, nor those that started after the period.
    assert insights(browser.page("/?query=env:staging")) == {}
    (one,) = insights(
        browser.page("/?from=2020-01-01&to=" + str(int(time.time()) - 100 * 24 * HOUR))
    )["What needs you"]
    assert one.text == "web: open for 300 d"


def test_failed_deployments_without_a_fix_lead_to_their_list(tenant: Tenant) -> None:
    for hours, version in ((50, "v1"), (30, "v2"), (28, "v1"), (20, "v3"), (10, "v4")):
        id_ = deployed(tenant, hours, service="web", version=version)
        if version in {"v3", "v4"}:
            assert tenant.patch(id_, {"change_failure": True}).status_code == 202
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    browser = sign_in(tenant)
    (sentence,) = insights(browser.page("/"))["What needs you"]
    expected = "Failed deployments: 2 have no fix yet, the oldest for 20 h: web v3"
    assert sentence.text == expected
    listed = browser.page(sentence.one("a")["href"]).one("main").text
    assert "v3" in listed
    assert "v4" in listed


def test_with_nothing_to_report_there_is_no_panel(tenant: Tenant) -> None:
    a_busy_month(tenant)
    assert insights(sign_in(tenant).page("/?range=4w")) == {}


def test_silent_sources_and_what_is_not_derived_are_on_top(tenant: Tenant) -> None:
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    now_ns = time.time_ns()
    for days in (20, 19, 18, 17, 16):
        at_ns = now_ns - days * 24 * HOUR * 10**9
        event = Deployment(
            service="web", env="production", source="git", started_at_ns=at_ns, finished_at_ns=at_ns
        )
        store.deployments.add(org, event, at_ns, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    browser = sign_in(tenant)
    (sentence,) = insights(browser.page("/"))["What needs you"]
    assert sentence.text == "Source git: no deployment for 16 d, usually one every 1 d"
    assert "git" in browser.page(sentence.one("a")["href"]).one("main").text


def deploy_each(tenant: Tenant, names: Iterable[str]) -> None:
    store, at = tenant.built.store, time.time_ns() - HOUR * 10**9
    org = store.keys.organisation(tenant.organisation)
    added = [
        store.deployments.add(
            org,
            Deployment(service=name, env="production", started_at_ns=at, finished_at_ns=at),
            at,
            actor=TESTER,
        )
        for name in names
    ]
    for each in added:
        each.result()
    store.derivations.derive_all_queued(actor=TESTER)


def test_a_table_of_many_services_is_paged_and_has_each_once(tenant: Tenant) -> None:
    names = [f"service-{number:02d}" for number in range(PAGE_ROWS + FIRST_ROWS)]
    deploy_each(tenant, names)
    browser = sign_in(tenant)
    page = browser.page("/?sort=name")
    assert list(rows(page)) == names[:FIRST_ROWS]
    assert page.all("figure")
    first = browser.page(page.one("p", class_="more").one("a")["href"])
    assert list(rows(first)) == names[:PAGE_ROWS]
    assert not first.all("figure")
    pager = first.one("nav", aria_label="Pages")
    assert f"1 to {PAGE_ROWS} of {len(names)}" in pager.text
    second = browser.page(pager.one("a", rel="next")["href"])
    assert list(rows(second)) == names[PAGE_ROWS:]
    pages = second.one("nav", aria_label="Pages")
    assert not pages.all("a", rel="next")
    assert list(rows(browser.page(pages.one("a", rel="prev")["href"]))) == names[:PAGE_ROWS]


def test_a_service_is_found_by_a_part_of_its_name(tenant: Tenant) -> None:
    deploy_each(tenant, ["checkout-api", "Checkout-web", "search"])
    browser = sign_in(tenant)
    assert not browser.page("/").all("input", id="named"), "all are shown"
    found = browser.page("/?named=checkOUT&sort=name")
    assert list(rows(found)) == ["checkout-api", "Checkout-web"]
    assert found.one("input", id="named")["value"] == "checkOUT"
    assert "2 of 3 services" in found.one("main").text
    nothing = browser.page("/?named=<b>")
    assert "no service of this period has “<b>” in its name" in nothing.one("table").text
    assert len(rows(browser.page(nothing.one("td", class_="none").one("a")["href"]))) == 3


def test_metrics_without_values_take_no_room_for_a_chart(tenant: Tenant) -> None:
    """Beside those that have some, and where none has any."""
    deployed(tenant, 24 * 20, service="web")
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    browser = sign_in(tenant)
    page = browser.page("/?range=4w")
    assert [each.one("h3").text for each in page.all("figure")] == [
        "Deployments",
        "Failures and rework",
    ]
    undrawn = page.one("dl", class_="undrawn").all("div")
    assert [each.text for each in undrawn] == [
        "Change lead timeno lead times in this period",
        "Failed deployment recoveryno failures",
    ]
    quiet = browser.page("/?range=7d")
    assert not quiet.all("figure")
    assert len(quiet.one("dl", class_="undrawn").all("div")) == 4
