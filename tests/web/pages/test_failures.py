"""Failures: the list, one of them, and closing it."""

import csv
import io
import json
from typing import Any

import pytest
from msgspec.structs import replace

from actors import TESTER
from asking import FAILURE, FAILURES, Tenant, make_tenant
from databases import ON_EACH, ON_SQLITE
from repositories import hourly_commits
from settling import in_every_state
from theodora.dora import MetricsQuery, Period
from theodora.query import parse
from theodora.sources.json_lines import failure_from_document
from theodora.storage.access.permissions import READ
from visiting import Browser, Element, sign_in

pytestmark = ON_SQLITE
"""What pages read is tested on each kind of database where it is read: here what they show."""

START = 1_693_440_000
SHAS = ["a" * 40, "b" * 40]
PERIOD = "from=2023-08-01T00:00Z&to=2023-10-01T00:00Z"
PAGE = f"/failures?query=&{PERIOD}"


def fail(tenant: Tenant, at: int = 0, **attributes: Any) -> str:
    document = {"services": ["web"], "name": "Checkout fails", "started_at": START + at}
    return tenant.create({**document, **attributes}, FAILURE)


def close(browser: Browser, id_: str, finished_at: str) -> Any:
    return browser.post(f"/failures/{id_}/close", {"finished_at": finished_at})


def test_failures_stand_newest_first_with_their_length(tenant: Tenant) -> None:
    old = fail(tenant, 0, finished_at=START + 3_600, severity="SEV-1")
    new = fail(tenant, 60, name="Search is slow", services=["search", "web"])
    browser = sign_in(tenant)
    page = browser.page(PAGE)
    rows = page.one("table", class_="big").one("tbody").all("tr")
    assert [row.one("th").one("a")["href"] for row in rows] == [
        f"/failures/{new}",
        f"/failures/{old}",
    ]
    assert "open for" in rows[0].text
    assert "search, web" in rows[0].text
    assert rows[1].all("td")[-1].text == "1 h"
    assert page.one("p", class_="cnt").text == "2 failures in this period"


def test_columns_of_failures_are_chosen(tenant: Tenant) -> None:
    fail(tenant, 0, env="staging", custom_tags=["room:7"])
    page = sign_in(tenant).page(f"{PAGE}&columns=env,@room,finished_at")
    assert [head.text for head in page.one("thead").all("th")] == [
        *("Name", "Environment", "Restored", "room"),
    ]
    (row,) = page.one("table", class_="big").one("tbody").all("tr")
    assert [cell.text for cell in row.all("td")] == ["staging", "—", "7"]
    assert [cell["data-l"] for cell in row.all("td")] == ["Environment", "Restored", "room"]


@ON_EACH
@in_every_state
def test_a_search_narrows_the_list(tenant: Tenant) -> None:
    fail(tenant)
    found = fail(tenant, 1, severity="SEV-9")
    page = sign_in(tenant).page(f"/failures?query=severity:SEV-9&{PERIOD}")
    (row,) = page.one("table", class_="big").one("tbody").all("tr")
    assert row.one("th").one("a")["href"] == f"/failures/{found}"
    nothing = sign_in(tenant).page(f"/failures?query=severity:none&{PERIOD}")
    assert "match this search" in nothing.one("div", class_="empty").text


@ON_EACH
@in_every_state
def test_pages_follow_one_another(tenant: Tenant) -> None:
    for number in range(30):
        fail(tenant, number // 3, name=f"{number}", env=f"{number}")
    browser = sign_in(tenant)
    found: list[str] = []
    path = f"{PAGE}&limit=25"
    while path:
        page = browser.page(path)
        rows = page.one("table", class_="big").one("tbody").all("tr")
        found += [row.one("th").one("a")["href"].rpartition("/")[2] for row in rows]
        path = next((a["href"] for a in page.all("a", rel="next") if "before=" in a["href"]), "")
    assert found == tenant.ids(FAILURES, query="*", sort="-started_at")
    assert len(found) == 30


def test_a_failure_names_its_deployment_and_how(tenant: Tenant) -> None:
    at = {"started_at": START - 100, "finished_at": START - 60}
    id_ = tenant.create({"service": "web", "version": "v7", **at})
    by_version = fail(tenant, 0, version="v7")
    by_tag = fail(tenant, 5, custom_tags=[f"deployment_id:{id_}"])
    alone = fail(tenant, 9, services=["other"])
    browser = sign_in(tenant)
    for failure, how in ((by_version, "the same version"), (by_tag, "names the id")):
        linked = browser.page(f"/failures/{failure}").all("section")[0]
        assert linked.all("a")[0]["href"].startswith(f"/deployments/{id_}")
        assert how in linked.text
    assert "names no known deployment" in browser.page(f"/failures/{alone}").all("section")[0].text


def test_closing_says_when_it_was_over(tenant: Tenant) -> None:
    id_ = fail(tenant)
    browser = sign_in(tenant)
    answer = close(browser, id_, "2023-08-31T01:30")
    assert answer.status_code == 303
    page = browser.page(answer.headers["location"])
    assert "restored after 1 h 30 min" in page.one("p", class_="sub").text
    assert page.one("p", role="status").text == "Closed: restored after 1 h 30 min."
    assert tenant.get(id_, FAILURES)["finished_at"]
    assert len(tenant.ids(FAILURES)) == 1


def reopen(tenant: Tenant, *periods: tuple[int, int | None], **attributes: Any) -> str:
    """A failure that was imported with these periods, in seconds from the start."""
    line = {
        "services": ["web"],
        "started_at": START + periods[0][0],
        "finished_at": periods[-1][1] and START + periods[-1][1],
        "periods": [
            {"started_at": START + began, "finished_at": ended and START + ended}
            for began, ended in periods
        ],
        **attributes,
    }
    store = tenant.built.store
    organisation = store.keys.organisation(tenant.organisation)
    added = store.failures.add(
        organisation, failure_from_document(line), START * 10**9, actor=TESTER
    )
    return added.result().now.event.id


def test_a_reopened_failure_shows_its_periods(tenant: Tenant) -> None:
    id_ = reopen(tenant, (0, 3_600), (7_200, 9_000))
    page = sign_in(tenant).page(f"/failures/{id_}")
    assert "restored after 1 h 30 min" in page.one("p", class_="sub").text
    facts = page.one("aside").text
    assert "Active 1" in facts
    assert "Active 2" in facts
    assert "It was reopened." in facts
    once = sign_in(tenant).page(f"/failures/{fail(tenant, 9, finished_at=START + 10)}")
    assert "Active 1" not in once.one("aside").text


def test_closing_a_reopened_failure_ends_its_last_period(tenant: Tenant) -> None:
    id_ = reopen(tenant, (0, 3_600), (7_200, None))
    browser = sign_in(tenant)
    refused = close(browser, id_, "2023-08-31T01:30")
    assert refused.status_code == 400
    assert "cannot be before the last time it was reopened" in refused.text
    assert close(browser, id_, "2023-08-31T02:30").status_code == 303
    assert tenant.get(id_, FAILURES)["time_to_restore"] == 3_600 + 1_800


@ON_EACH
@in_every_state
def test_metrics_count_the_times_when_a_failure_was_active(tenant: Tenant) -> None:
    reopen(tenant, (0, 3_600), (7_200, 9_000))
    reopen(tenant, (0, 60), (600, None), services=["search"])
    store = tenant.built.store
    assert tenant.ids(FAILURES, query="time_to_restore:5400") != []
    assert tenant.ids(FAILURES, query="time_to_restore:9000") == []
    assert len(tenant.ids(FAILURES, query="_missing_:finished_at")) == 1
    period = Period(START * 10**9, (START + 10**6) * 10**9)
    question = MetricsQuery(period=period, as_of_ns=period.end_ns)
    organisation = store.keys.organisation(tenant.organisation)
    report = store.metrics.report(organisation, question, parse("*"))
    restored = report.overall.total.incident_time_to_restore
    assert (restored.n, restored.p50, restored.open) == (1, 5_400.0, 1)


def test_the_api_replaces_a_reopened_failure_as_a_whole(tenant: Tenant) -> None:
    id_ = reopen(tenant, (0, 3_600), (7_200, 9_000), id="an-outage-of-the-web")
    sent = fail(tenant, 0, id=id_, finished_at=START + 9_000)
    assert sent == id_
    assert tenant.get(id_, FAILURES)["time_to_restore"] == 9_000


@pytest.mark.parametrize("wrong", ["", "nonsense", "2023-08-30T23:59", "2999-01-01T00:00"])
def test_an_end_that_cannot_be_is_refused(tenant: Tenant, wrong: str) -> None:
    id_ = fail(tenant)
    browser = sign_in(tenant)
    answer = close(browser, id_, wrong)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert not tenant.get(id_, FAILURES).get("finished_at")


def test_who_may_only_read_cannot_close(tenant: Tenant) -> None:
    id_ = fail(tenant)
    browser = sign_in(tenant, READ)
    assert "dora_metrics_write" in browser.page(f"/failures/{id_}").text
    assert close(browser, id_, "2023-08-31T01:30").status_code == 403
    assert browser.post(f"/failures/{id_}/close", {}).status_code == 403
    assert not tenant.get(id_, FAILURES).get("finished_at")


def test_another_organisations_failure_is_not_there(tenant: Tenant, shared_server: Any) -> None:
    other = make_tenant(*shared_server)
    assert sign_in(tenant).get(f"/failures/{fail(other)}").status_code == 404


@ON_EACH
@in_every_state
def test_the_csv_and_the_json_are_the_same_events(tenant: Tenant) -> None:
    id_ = fail(tenant, services=["a", "b"])
    browser = sign_in(tenant)
    (row,) = csv.DictReader(io.StringIO(browser.get(f"/failures.csv?query=&{PERIOD}").text))
    assert (row["id"], row["service"], row["finished_at"]) == (id_, "a b", "")
    assert json.loads(browser.get(f"/failures/{id_}?as=json").text)["data"]["id"] == id_


@pytest.mark.parametrize("name", ["</h1><script>alert(1)</script>", "\u202eevil", "日本🚀" * 60])
def test_hostile_names_break_no_page(tenant: Tenant, name: str) -> None:
    id_ = fail(tenant, name=name, services=[name[:100]], severity=name[:100])
    browser = sign_in(tenant)
    for path in (PAGE, f"/failures/{id_}"):
        page = browser.page(path)
        assert "\u202e" not in page.text
        assert not [each for each in page.all("script") if "src" not in each.attributes]


def deploy(tenant: Tenant, minutes_before: int, **attributes: Any) -> str:
    at = START - 60 * minutes_before
    times = {"started_at": at - 30, "finished_at": at}
    return tenant.create({"service": "web", "version": f"v{minutes_before}", **times, **attributes})


def link(browser: Browser, failure: str, deployment: str, **fields: str) -> Any:
    return browser.post(f"/failures/{failure}/link", {"deployment": deployment, **fields})


@ON_EACH
def test_the_latest_deployment_before_it_is_suggested_and_marks_nothing(tenant: Tenant) -> None:
    hour, latest = (deploy(tenant, minutes, env="production") for minutes in (60, 20))
    deploy(tenant, 10, service="other", env="production")
    deploy(tenant, 9, env="staging")
    later = deploy(tenant, -5, env="production")
    page = sign_in(tenant).page(f"/failures/{fail(tenant, env='production')}")
    rows = page.one("section", aria_labelledby="ne").one("tbody").all("tr")
    assert [row.one("form").one("input")["value"] for row in rows] == [latest, hour]
    assert ["suggested" in row.text for row in rows] == [True, False]
    assert "20 min before it" in rows[0].text
    meanwhile = page.one("section", aria_labelledby="me").one("tbody")
    assert later in meanwhile.all("a")[0]["href"]
    assert not any(tenant.get(each)["change_failure"] for each in (hour, latest))


@ON_EACH
def test_a_deployment_is_linked_and_the_link_undone(tenant: Tenant) -> None:
    deployment, id_ = deploy(tenant, 20), fail(tenant)
    browser = sign_in(tenant)
    answer = link(browser, id_, deployment)
    assert answer.status_code == 303
    page = browser.page(answer.headers["location"])
    assert "counts as failed" in page.one("p", role="status").text
    linked = page.one("section", aria_labelledby="li")
    assert "linked it on" in linked.text
    assert "No others." in page.one("section", aria_labelledby="ne").text
    assert tenant.get(deployment)["change_failure"] is True
    verdict = browser.page(f"/deployments/{deployment}")
    said = verdict.one("p", class_="lead")
    assert "marked it failed" in said.text
    assert "as the cause of Checkout fails" in said.text
    assert said.one("a")["href"] == f"/failures/{id_}"
    form = linked.one("form")
    fields = {field["name"]: field["value"] for field in form.all("input")}
    answer = browser.post(form["action"], fields)
    assert "Link undone" in browser.page(answer.headers["location"]).one("p", role="status").text
    assert tenant.get(deployment)["change_failure"] is not True
    assert link(browser, id_, deployment, undo="yes").status_code == 404


@ON_EACH
def test_correcting_the_verdict_keeps_the_link_and_undoing_brings_it_back(tenant: Tenant) -> None:
    deployment, id_ = deploy(tenant, 20), fail(tenant)
    browser = sign_in(tenant)
    link(browser, id_, deployment)

    def corrected(verdict: str) -> Any:
        """Sends the form of the page as a browser does, and shows the page that follows."""
        form = browser.page(f"/deployments/{deployment}").one("form", class_="form")
        hidden = {each["name"]: each["value"] for each in form.all("input", type="hidden")}
        answer = browser.post(form["action"], {**hidden, "verdict": verdict, "reason": "seen"})
        return browser.page(answer.headers["location"])

    corrected("failed")
    linked = browser.page(f"/failures/{id_}").one("section", aria_labelledby="li")
    assert len(linked.all("form")) == 1
    undo = corrected("not_failed").one("div", class_="saved").one("form")
    assert "no known deployment" in browser.page(f"/failures/{id_}").text
    browser.post(undo["action"], {each["name"]: each["value"] for each in undo.all("input")})
    assert len(browser.page(f"/failures/{id_}").one("section", aria_labelledby="li").all("form"))
    answer = browser.post(
        f"/deployments/{deployment}/verdict",
        {"verdict": "failed", "type": "rollback", "failures": "an/id"},
    )
    assert answer.status_code == 400


def test_who_may_only_read_cannot_link(tenant: Tenant, shared_server: Any) -> None:
    deployment, id_ = deploy(tenant, 20), fail(tenant)
    browser = sign_in(tenant, READ)
    assert "Caused it" not in browser.page(f"/failures/{id_}").text
    assert link(browser, id_, deployment).status_code == 403
    other = make_tenant(*shared_server)
    theirs = deploy(other, 20)
    assert link(sign_in(tenant), id_, theirs).status_code == 404
    assert link(sign_in(tenant), fail(other), deployment).status_code == 404
    assert tenant.get(deployment)["change_failure"] is not True


def markdown(page: Element) -> list[str]:
    text = "".join(page.one("pre", class_="copy")._texts())
    return text.replace("\u202f", " ").replace("\u00a0", " ").splitlines()


def test_a_failure_can_be_copied_as_markdown(tenant: Tenant) -> None:
    repository = "github.com/acme/shop"
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    commits = hourly_commits(SHAS, (START - 7_200) * 10**9)
    commits[1] = replace(commits[1], subject="Add *carts*")
    store.commits.add_commits(org, repository, commits, actor=TESTER).result()
    for at, version, sha in ((60, "v1", SHAS[0]), (3_600, "v2", SHAS[1])):
        git = {"commit_sha": sha, "repository_url": f"https://{repository}"}
        at_sec = {"started_at": START + at - 60, "finished_at": START + at}
        id_ = tenant.create({"service": "web", "version": version, "git": git, **at_sec})
    name = "*Pay* <b>fails</b> | [x](y)"
    failed = fail(
        tenant, 7_200, name=name, severity="SEV_1", version="v2", finished_at=START + 7_260
    )
    store.derivations.derive_all_queued(actor=TESTER)
    page = sign_in(tenant).page(f"/failures/{failed}")
    assert markdown(page) == [
        r"**\*Pay\* &lt;b&gt;fails&lt;/b&gt; \| \[x\](y)** (SEV\_1): restored after 1 min",
        "- Service: web",
        "- Started Thu 31 Aug 2023, 02:00 UTC",
        "- Restored Thu 31 Aug 2023, 02:01 UTC",
        f"- Linked deployment: **web v2 ({SHAS[1][:7]})**, finished 1 h before it",
        "  - 1 commit",
        r"    - Add \*carts\*",
        f"  - Changes: https://{repository}/compare/{SHAS[0]}...{SHAS[1]}",
        f"  - http://testserver/deployments/{id_}",
        f"- http://testserver/failures/{failed}",
    ]


def test_the_markdown_of_an_open_failure_is_bounded(tenant: Tenant) -> None:
    services = [f"s{number}" for number in range(12)]
    failed = fail(tenant, 60, services=services, team="shop")
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    for number in range(5):
        at_sec = {"started_at": START + number, "finished_at": START + number}
        id_ = tenant.create({"service": "s0", "version": f"v{number}", **at_sec})
        store.verdicts.link(org, id_, failed, now_ns=1, actor=TESTER).result()
    lines = markdown(sign_in(tenant).page(f"/failures/{failed}"))
    assert lines[0].startswith("**Checkout fails**: open for ")
    assert lines[1].endswith("s8, s9 and 2 more")
    assert lines[2] == "- Team: shop"
    assert len([line for line in lines if line.startswith("- Linked deployment")]) == 3
    assert "- And 2 more linked deployments" in lines
