"""The explorer: search, facets, days, paging, CSV and what to do when nothing is found."""

import asyncio
import csv
import io
import json
import re
import shlex
import threading
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import TESTER
from asking import DEPLOYMENTS, SHOPIST, Tenant, make_tenant
from databases import ON_EACH, ON_SQLITE
from settling import in_every_state
from theodora.errors import Invalid, Problem
from theodora.events import Deployment
from theodora.query import Equals, Exists, Not, all_of, any_of, parse, resolve
from theodora.web.pages.parts.clauses import Choices, clauses_of, joined, text_of
from theodora.web.pages.shell.errors import locate_problem
from visiting import Element, sign_in

pytestmark = ON_SQLITE
"""What pages read is tested on each kind of database where it is read: here what they show."""

START = 1_693_440_000
"""2023-08-31, midnight in UTC."""
PERIOD = "from=2023-08-01T00:00Z&to=2023-10-01T00:00Z"
PAGE = f"/deployments?query=&{PERIOD}"

HOSTILE = (
    "</bdi><script>alert(1)</script>",
    "\u202eevil\u2066",
    "W" * 255,
    "日本語🚀👩‍👩‍👧" * 20,
    "\"quoted\" 'and' \\back",
    "a b:c (d) [e TO f] *?",
    "-AND",
)


def deploy(tenant: Tenant, at: int = 0, **attributes: Any) -> str:
    """A deployment that finished `at` seconds after the start of the first day."""
    begun = START + at - 60
    return tenant.create(
        {"service": "web", "started_at": begun, "finished_at": START + at, **attributes}
    )


def rows(page: Element) -> list[str]:
    return [
        each.all("a")[0]["href"].rpartition("/")[2].partition("?")[0]
        for each in page.one("table", class_="ex-t").all("tr")
        if each.all("td")
    ]


def query_of(href: str) -> str:
    return parse_qs(urlsplit(href).query, keep_blank_values=True).get("query", [""])[0]


def choice(page: Element, name: str) -> Element:
    (found,) = [
        each
        for each in page.one("aside", class_="facets").all("li")
        if each.all("bdi")[0].text == name
    ]
    return found


def test_deployments_stand_newest_first_in_groups_of_days(tenant: Tenant) -> None:
    old, new = deploy(tenant, 3_600), deploy(tenant, 90_000, version="v2")
    page = sign_in(tenant).page(PAGE)
    assert rows(page) == [new, old]
    days = [each.text for each in page.all("tr", class_="dayrow")]
    assert days == ["Friday 1 September 2023 1 shown", "Thursday 31 August 2023 1 shown"]
    assert page.one("p", class_="cnt").text == "2 deployments of 2 in this period"


def test_columns_and_facets_have_the_words_of_people(tenant: Tenant) -> None:
    deploy(tenant, 1)
    page = sign_in(tenant).page(PAGE)
    assert column_names(page) == [
        *("Finished", "Service", "Version", "Verdict"),
        *("Commits", "Lead time", "Took", "Fix"),
    ]
    assert "Verdict" in [legend.text for legend in page.all("legend")]


def column_names(page: Element) -> list[str]:
    return [head.text for head in page.one("table", class_="big").one("thead").all("th")]


def test_columns_are_chosen_without_script_and_kept_by_every_link_to_the_list(
    tenant: Tenant,
) -> None:
    deploy(tenant, 1, team="shop", custom_tags=["region:eu", "region:us"], env="staging")
    browser = sign_in(tenant)
    (link,) = [a for a in browser.page(f"{PAGE}&limit=25").all("a") if a.text == "Columns"]
    form = browser.page(link["href"]).one("form", class_="columns")
    fields = [(each["name"], each["value"]) for each in form.all("input", type="hidden")]
    boxes = [(each["name"], each["value"]) for each in form.all("input", type="checkbox")]
    fields += [each for each in boxes if each[1] in {"team", "avg_review_time"}]
    page = browser.page(f"/deployments?{urlencode([*fields, ('columns', '@region, @zone')])}")
    assert column_names(page) == ["Finished", "Service", "Team", "Review", "region", "zone"]
    row = page.one("table", class_="ex-t").all("tr")[-1]
    assert [cell.text for cell in row.all("td")][1:] == ["shop", "—", "eu, us", "—"]
    assert "limit=25" in page.one("table").one("thead").all("a")[0]["href"]
    into = choice(page, "staging").all("a")[0]["href"]
    assert column_names(browser.page(into)) == column_names(page)
    kept = page.one("form", class_="scope").one("input", name="columns")["value"]
    assert kept == "finished_at,service,team,avg_review_time,@region,@zone"
    assert "columns" not in page.one("nav", aria_label="Main").one("a", data_key="f")["href"]


def test_columns_that_are_not_there_are_named_and_the_list_is_shown(tenant: Tenant) -> None:
    id_ = deploy(tenant, 1)
    page = sign_in(tenant).page(f"{PAGE}&columns=env,<b>,nothing")
    assert "There are no columns <b>, nothing." in page.one("p", role="status").text
    assert column_names(page) == ["Finished", "Service", "Environment"]
    assert rows(page) == [id_]


def test_columns_sort_the_list_by_what_it_can_be_sorted_by(tenant: Tenant) -> None:
    deploy(tenant, 1, custom_tags=["region:eu"])
    page = sign_in(tenant).page(f"{PAGE}&columns=avg_merge_time,failed_by,@region")
    sorting = [
        parse_qs(urlsplit(link["href"]).query).get("sort", [""])[0]
        for head in page.one("table").one("thead").all("th")
        for link in head.all("a")
    ]
    assert sorting == ["finished_at", "service", "-avg_merge_time"]


def test_a_row_leads_to_its_deployment_and_its_service(tenant: Tenant) -> None:
    id_ = deploy(tenant, 1, service="a/b", version="v1", git=SHOPIST["git"])
    browser = sign_in(tenant)
    row = browser.page(PAGE).one("table", class_="ex-t").all("tr")[-1]
    assert row.all("a")[0]["href"] == f"/deployments/{id_}"
    assert row.one("th").one("a")["href"].startswith("/services/a%2Fb")
    assert SHOPIST["git"]["commit_sha"][:7] in row.text
    assert browser.page(f"/deployments/{id_}").one("h1").text == "a/b v1"


@ON_EACH
@in_every_state
def test_a_search_narrows_the_list_and_is_kept_in_the_box(tenant: Tenant) -> None:
    deploy(tenant, 1)
    staging = deploy(tenant, 2, env="staging")
    page = sign_in(tenant).page(f"/deployments?query=env:staging&{PERIOD}")
    assert rows(page) == [staging]
    assert page.one("input", id="query")["value"] == "env:staging"
    assert page.one("p", class_="cnt").text == "1 deployment of 2 in this period"


@ON_EACH
@in_every_state
def test_facets_count_and_lead_into_the_query_and_out(tenant: Tenant) -> None:
    for number, env in enumerate(("canary", "canary", "staging")):
        deploy(tenant, number, env=env)
    browser = sign_in(tenant)
    page = browser.page(PAGE)
    assert choice(page, "canary").text == "canary 2 not"
    into = choice(page, "canary").all("a")[0]["href"]
    assert query_of(into) == "env:canary"
    narrowed = browser.page(into)
    assert choice(narrowed, "canary").all("a")[0]["aria-current"] == "true"
    assert choice(narrowed, "staging").text == "staging 1 not"
    assert query_of(choice(narrowed, "canary").all("a")[0]["href"]) == ""
    both = choice(narrowed, "staging").all("a")[0]["href"]
    assert len(rows(browser.page(both))) == 3
    left_out = choice(page, "canary").one("a", class_="not")["href"]
    assert query_of(left_out) == "-env:canary"
    assert len(rows(browser.page(left_out))) == 1


def test_a_facet_counts_what_has_no_value(tenant: Tenant) -> None:
    deploy(tenant, 1)
    deploy(tenant, 2, team="payments")
    browser = sign_in(tenant)
    without = choice(browser.page(PAGE), "no team").all("a")[0]["href"]
    assert query_of(without) == "_missing_:team"
    assert len(rows(browser.page(without))) == 1


def test_production_as_the_settings_name_it_is_a_choice_of_its_own(tenant: Tenant) -> None:
    for number, env in enumerate(("Prod", "live", "canary")):
        deploy(tenant, number, env=env)
    browser = sign_in(tenant)
    page = browser.page(f"/deployments?{PERIOD}")
    assert page.one("input", id="query")["value"] == "is:production"
    assert len(rows(page)) == 2
    assert choice(page, "production (from settings)").text == "production (from settings) 2 not"
    assert choice(page, "production (from settings)").all("a")[0]["aria-current"] == "true"
    assert choice(page, "canary").text == "canary 1 not"
    also = choice(page, "canary").all("a")[0]["href"]
    assert query_of(also) == "is:production OR env:canary"
    assert len(rows(browser.page(also))) == 3
    left_out = choice(page, "production (from settings)").one("a", class_="not")["href"]
    assert query_of(left_out) == "-is:production"
    assert len(rows(browser.page(left_out))) == 1


def test_facets_of_verdicts_find_failed_and_pending(tenant: Tenant) -> None:
    failed, pending = deploy(tenant, 1), deploy(tenant, 2)
    tenant.patch(failed, {"change_failure": True})
    browser = sign_in(tenant)
    page = browser.page(PAGE)
    assert choice(page, "Failed").text == "Failed 1 not"
    assert rows(browser.page(choice(page, "Failed").all("a")[0]["href"])) == [failed]
    assert rows(browser.page(choice(page, "Pending").all("a")[0]["href"])) == [pending]


ENV = resolve("env")
VALUES = ("a", "b", 'c d"', "-x", "")
CLAUSES = [Equals(ENV, each) if each else Not(Exists(ENV)) for each in VALUES]

queries = st.sampled_from(
    [
        *("", "env:a", "env:(a OR b)", "-env:a", "env:(a OR b) -env:b team:x", "_missing_:env"),
        *("env:a OR team:x", "env:a*", "env:[a TO b]", "web", "_exists_:env", "-(env:a team:x)"),
    ]
)


@given(queries, st.sampled_from(CLAUSES))
def test_what_is_chosen_is_chosen_until_it_is_taken_out(text: str, clause: Any) -> None:
    """Whatever else the query says; and what it prints is read back as the same."""
    choices = Choices(parse(text or "*"), ENV)
    once = Choices(choices.toggled(clause), ENV)
    assert once.is_chosen(clause) != choices.is_chosen(clause)
    assert not once.is_excluded(clause) or choices.is_chosen(clause)
    for query in (once.query, choices.without(clause), choices.others):
        assert parse(text_of(query) or "*") == query


@given(queries, st.sampled_from(CLAUSES))
def test_what_is_left_out_is_left_out_until_it_is_not(text: str, clause: Any) -> None:
    """And never chosen at the same time."""
    choices = Choices(parse(text or "*"), ENV)
    once = Choices(choices.without(clause), ENV)
    assert once.is_excluded(clause) != choices.is_excluded(clause)
    assert not once.is_chosen(clause)


def test_clauses_come_apart_and_together() -> None:
    query = parse("env:a team:x web")
    assert joined(clauses_of(query)) == query
    assert clauses_of(joined(())) == ()
    assert text_of(joined(())) == ""


@ON_EACH
@in_every_state
def test_pages_follow_one_another_without_gap_or_overlap(tenant: Tenant) -> None:
    """Sixty deployments of which many finished in the same second, older and newer again."""
    ids = [deploy(tenant, number // 7, version=f"v{number}") for number in range(60)]
    browser = sign_in(tenant)
    expected = tenant.ids(query="*", sort="-finished_at")
    assert sorted(expected) == sorted(ids)
    first = browser.page(f"{PAGE}&limit=25")
    pages = [first]
    while older := [a for a in pages[-1].all("a", rel="next") if "before=" in a["href"]]:
        pages.append(browser.page(older[0]["href"]))
    assert [id_ for page in pages for id_ in rows(page)] == expected
    back = pages[-1]
    found = rows(back)
    while newer := [a for a in back.all("a", rel="prev") if "after=" in a["href"]]:
        back = browser.page(newer[0]["href"])
        found = rows(back) + found
    assert found == expected


def test_a_page_says_where_it_goes(tenant: Tenant) -> None:
    for number in range(26):
        deploy(tenant, number * 3_600)
    pager = sign_in(tenant).page(f"{PAGE}&limit=25").one("nav", class_="pager")
    assert pager.one("a", rel="next").text == "Older than Thu 31 Aug 2023, 01:00 →"


@ON_EACH
@in_every_state
@pytest.mark.parametrize("order", ["finished_at", "-change_lead_time", "service", "-duration"])
def test_the_list_is_sorted_as_asked(tenant: Tenant, order: str) -> None:
    for number, service in enumerate(("b", "a", "c")):
        deploy(tenant, number, service=service, started_at=START - 100 * number - 9)
    page = sign_in(tenant).page(f"{PAGE}&sort={order}")
    assert rows(page) == tenant.ids(query="*", sort=order)
    head = page.one("table", class_="ex-t").all("th", aria_sort="descending")
    assert len(head) == order.startswith("-")


@pytest.mark.parametrize(
    "wrong", ["sort=nonsense", "limit=7", "limit=x", "before=x", "after=1", f"before={10**19},x"]
)
def test_what_cannot_be_asked_is_said(tenant: Tenant, wrong: str) -> None:
    page = sign_in(tenant).page(f"{PAGE}&{wrong}", 400)
    assert wrong.partition("=")[0] in page.one("main").text


def test_a_bad_query_is_answered_with_its_place_and_a_way_out(tenant: Tenant) -> None:
    page = sign_in(tenant).page("/deployments?query=env:(a", 400)
    assert page.one("input", id="query")["value"] == "env:(a"
    alert = page.one("div", role="alert")
    assert "at character 5" in alert.text
    assert alert.all("a")[0].text == "env:(a)"
    assert query_of(alert.all("a")[0]["href"]) == "env:(a)"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("env:(a OR b", "env:(a OR b)"),
        ('service:"a b', 'service:"a b"'),
        ("env:", "env:*"),
        ("env:a )", "env:a"),
        ("duration:[1 TO 5", "duration:[1 TO 5]"),
    ],
)
def test_a_query_is_suggested_for_one_with_a_small_mistake(text: str, meant: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(text)
    problem = locate_problem(
        Invalid(Problem(str(refused.value.problems[0].detail), ("query",))), text
    )
    assert problem
    assert problem.repair == meant


def test_a_bar_leads_to_its_day(tenant: Tenant) -> None:
    deploy(tenant, 3_600)
    other = deploy(tenant, 90_000)
    browser = sign_in(tenant)
    bars = browser.page(PAGE).one("svg", class_="flush").all("a")
    assert [each.one("title").text for each in bars] == [
        "Thu 31 Aug 2023: 1 deployment, 1 pending",
        "Fri 1 Sep 2023: 1 deployment, 1 pending",
    ]
    assert rows(browser.page(bars[1]["href"])) == [other]


@ON_EACH
def test_nothing_found_says_which_clause_is_to_blame(tenant: Tenant) -> None:
    deploy(tenant, 1, env="staging", team="x")
    browser = sign_in(tenant)
    page = browser.page(f"/deployments?query=env:staging+team:y&{PERIOD}")
    (way,) = page.one("div", class_="empty").all("li")
    assert way.text == "Without team:y there is 1. Drop it"
    assert query_of(way.one("a")["href"]) == "env:staging"
    dead = browser.page(f"/deployments?query=env:q+team:y&{PERIOD}").one("div", class_="empty")
    assert "Nothing at all in this period matches env:q, nor team:y." in dead.text
    empty = browser.page("/deployments?query=&range=4w").one("div", class_="empty")
    assert empty.one("h2").text == "No deployments in this period"


def test_remedies_name_each_other(tenant: Tenant) -> None:
    failed, remedy = deploy(tenant, 1, version="v2"), deploy(tenant, 3_601, version="v1")
    tenant.patch(
        failed, {"change_failure": True, "remediation": {"id": remedy, "type": "rollback"}}
    )
    page = sign_in(tenant).page(PAGE)
    (cell,) = [each for each in page.all("td", class_="rem") if each.text]
    assert cell.text == "rolled back after 1 h"
    assert cell.one("a")["href"] == f"/deployments/{remedy}"


def _deploy_many(tenant: Tenant, count: int) -> None:
    """Three in each second."""
    store = tenant.built.store
    org = store.keys.ensure_organisation(tenant.organisation, 1, actor=TESTER).result()
    added = [
        store.deployments.add(
            org,
            Deployment(id=f"{number:05}", service="web", started_at_ns=at, finished_at_ns=at),
            at,
            actor=TESTER,
        )
        for number in range(count)
        for at in ((START + number // 3) * 10**9,)
    ]
    for each in added:
        each.result()


@ON_EACH
@in_every_state
def test_the_csv_is_the_whole_list(tenant: Tenant) -> None:
    ids = [deploy(tenant, number, custom_tags=["k:=1+1"], team="=cmd") for number in range(30)]
    browser = sign_in(tenant)
    acts = browser.page(f"{PAGE}&limit=25").all("div", class_="acts")[0]
    link = acts.all("a")[0]["href"]
    answer = browser.get(link)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    read = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id"] for row in read] == list(reversed(ids))
    assert read[0]["service"] == "web"
    assert read[0]["team"] == "'=cmd"
    assert read[0]["finished_at"].endswith("Z")


def test_the_csv_has_no_end_but_that_of_the_list(tenant: Tenant) -> None:
    """More than ten thousand rows, each once, sent while they are read; in order of time."""
    _deploy_many(tenant, 10_500)
    answer = sign_in(tenant).get(f"/deployments.csv?query=&{PERIOD}&sort=-duration")
    assert "content-length" not in answer.headers
    assert any(each.name.startswith("download") for each in threading.enumerate())
    read = list(csv.DictReader(io.StringIO(answer.text)))
    assert len({row["id"] for row in read}) == len(read) == 10_500
    times = [row["finished_at"] for row in read]
    assert times == sorted(times, reverse=True)


def test_the_csv_is_whole_though_the_request_has_a_body(tenant: Tenant) -> None:
    """What the client sends while the list goes out is no sign that it has left."""
    _deploy_many(tenant, 2_000)
    browser = sign_in(tenant)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/deployments.csv",
        "raw_path": b"/deployments.csv",
        "query_string": f"query=&{PERIOD}".encode(),
        "headers": [(b"cookie", cookies.encode())],
    }
    body = [{"type": "http.request", "body": b"x", "more_body": True} for _ in range(9)]
    sent: list[bytes] = []

    async def receive() -> Any:
        return body.pop() if body else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    assert browser.client.portal is not None
    browser.client.portal.call(browser.client.app, scope, receive, send)

    assert len(list(csv.DictReader(io.StringIO(b"".join(sent).decode())))) == 2_000


def test_the_api_request_gives_the_same_list(tenant: Tenant) -> None:
    """Copied into a shell, whatever the query holds."""
    deploy(tenant, 1, env="it's")
    deploy(tenant, 2, env="other")
    deploy(tenant, 90 * 86_400, env="it's")
    page = sign_in(tenant).page(f"/deployments?query=env:%22it's%22&{PERIOD}")
    words = shlex.split(page.one("details", class_="api").one("pre").text.replace("\\ ", " "))
    body = json.loads(words[words.index("-d") + 1])
    answer = tenant.post(DEPLOYMENTS, json=body)
    assert answer.status_code == 200, answer.text
    assert [each["id"] for each in answer.json()["data"]] == rows(page)
    assert len(rows(page)) == 1


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_break_no_page(tenant: Tenant, name: str) -> None:
    """As names of everything, in rows, facets, titles, links and searches."""
    name = name[:190]
    id_ = deploy(tenant, 1, service=name, env=name, team=name, version=name)
    browser = sign_in(tenant)
    page = browser.page(PAGE)
    assert rows(page) == [id_]
    assert not [each for each in page.all("script") if "src" not in each.attributes]
    assert "\u202e" not in page.text
    for facet in page.one("aside", class_="facets").all("li")[:3]:
        found = browser.page(facet.all("a")[0]["href"])
        assert rows(found) == [id_]
    assert browser.page(f"/deployments/{id_}").all("h1")


def test_a_very_long_query_is_refused_with_a_page(tenant: Tenant) -> None:
    page = sign_in(tenant).page("/deployments?query=" + "a" * 5_000, 400)
    assert "at most 4096 characters" in page.one("main").text


def test_a_long_query_makes_no_long_page(tenant: Tenant) -> None:
    """Links that would repeat it again and again are left out, and the page says so."""
    for number in range(30):
        deploy(tenant, number * 86_400, env=f"e{number}")
    query = "+OR+".join(f"env:e{number}" for number in range(300))
    answer = sign_in(tenant).get(f"/deployments?query={query}&{PERIOD}")
    assert answer.status_code == 200
    assert "too long for filters" in answer.text
    assert len(answer.content) < 60 * len(query)


def test_only_the_own_organisation_is_shown(tenant: Tenant, shared_server: Any) -> None:
    other = make_tenant(*shared_server)
    deploy(other, 1, service="theirs")
    page = sign_in(tenant).page(PAGE)
    assert "theirs" not in page.text


def test_a_query_of_two_fields_keeps_the_meaning_of_both() -> None:
    """A facet's link leaves alone what it is not about."""
    query = parse("env:a OR team:x")
    added = Choices(query, ENV).toggled(Equals(ENV, "b"))
    assert added == all_of((query, Equals(ENV, "b")))
    assert Choices(parse("env:(a OR b)"), ENV).toggled(Equals(ENV, "c")) == any_of(
        [Equals(ENV, each) for each in "abc"]
    )


def test_labels_are_words_and_not_names_in_the_code(tenant: Tenant) -> None:
    deploy(tenant, 1, version="v1")
    main = sign_in(tenant).page(PAGE).one("main")
    labels = [each.text for tag in ("th", "h2", "h3", "legend") for each in main.all(tag)]
    assert "Verdict" in labels
    assert not [label for label in labels if re.search(r"\b[A-Z][a-z]+[A-Z]", label)]
