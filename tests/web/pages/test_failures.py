"""Failures: the list, one of them, and closing it."""

import csv
import io
import json
from typing import Any

import pytest

from asking import FAILURE, FAILURES, Tenant, make_tenant
from settling import in_every_state
from theodora.web.http.security import READ
from visiting import Browser, sign_in

START = 1_693_440_000
PERIOD = "from=2023-08-01T00:00Z&to=2023-10-01T00:00Z"
PAGE = f"/failures?query=&{PERIOD}"


def fail(tenant: Tenant, at: int = 0, **attributes: Any) -> str:
    document = {"services": ["web"], "name": "Checkout fails", "started_at": START + at}
    return tenant.create({**document, **attributes}, FAILURE)


def close(browser: Browser, id_: str, finished_at: str) -> Any:
    return browser.post(
        f"/failures/{id_}/close", {"finished_at": finished_at}, of=f"/failures/{id_}"
    )


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


@in_every_state
def test_a_search_narrows_the_list(tenant: Tenant) -> None:
    fail(tenant)
    found = fail(tenant, 1, severity="SEV-9")
    page = sign_in(tenant).page(f"/failures?query=severity:SEV-9&{PERIOD}")
    (row,) = page.one("table", class_="big").one("tbody").all("tr")
    assert row.one("th").one("a")["href"] == f"/failures/{found}"
    nothing = sign_in(tenant).page(f"/failures?query=severity:none&{PERIOD}")
    assert "match this search" in nothing.one("div", class_="empty").text


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
    assert browser.post_bare(f"/failures/{id_}/close", {}).status_code == 403
    assert not tenant.get(id_, FAILURES).get("finished_at")


def test_another_organisations_failure_is_not_there(tenant: Tenant, shared_server: Any) -> None:
    other = make_tenant(*shared_server)
    assert sign_in(tenant).get(f"/failures/{fail(other)}").status_code == 404


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
