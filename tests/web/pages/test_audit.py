"""The page of the audit log: who may see it, what it shows and finds, and its CSV file."""

import csv
import io
from typing import Any

import pytest

from actors import TESTER
from asking import Tenant, make_tenant
from databases import ON_SQLITE
from theodora.storage.access.permissions import READ, READ_AUDIT
from visiting import Browser, Element, sign_in

pytestmark = ON_SQLITE

PATH = "/settings/audit"
TRAP = "<script>alert(1)</script>\x1b"


def note(tenant: Tenant, target: str, after: dict[str, Any] | None = None) -> None:
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    store.audit.note(org, "data.exported", target, after=after, actor=TESTER).result()


def rows(page: Element) -> list[Element]:
    return page.one("table", class_="big").one("tbody").all("tr")


def targets(browser: Browser, parameters: str) -> list[str]:
    return [row.one("td", data_l="Target").text for row in rows(browser.page(PATH + parameters))]


def test_an_entry_says_who_did_what_when_and_what_differs(tenant: Tenant) -> None:
    after = {"events": 3, "file": TRAP, "long": "x" * 300}
    note(tenant, TRAP, after)
    answer = sign_in(tenant, READ, READ_AUDIT).get(PATH)
    assert TRAP not in answer.text
    assert "\x1b" not in answer.text
    row = rows(sign_in(tenant).page(f"{PATH}?action=data"))[0]
    assert row.one("th").text == "Events, figures or the audit log were exporteddata.exported"
    assert row.one("td", data_l="Who").text == "testerperson"
    assert row.one("td", data_l="Outcome").text == "done"
    assert [each.text for each in row.all("li")] == [
        "events: none → 3",
        "file: none → <script>alert(1)</script>␛",
        f"long: none → {'x' * 200}…",
    ]


def test_of_many_changes_some_are_shown(tenant: Tenant) -> None:
    note(tenant, "many.jsonl", {f"{number}": number for number in range(25)})
    shown = rows(sign_in(tenant).page(f"{PATH}?action=data"))[0].all("li")
    assert [each.text for each in shown][19:] == ["19: none → 19", "5 more in the CSV file"]


def test_entries_are_filtered_and_a_refusal_has_its_reason(tenant: Tenant) -> None:
    for number in range(2):
        note(tenant, f"{number}.jsonl")
    browser = sign_in(tenant)
    assert targets(browser, "?action=data&actor=tester") == ["1.jsonl", "0.jsonl"]
    assert targets(browser, "?target=0.jsonl&from=2026-01-01") == ["0.jsonl"]
    sign_in(tenant, READ).get(PATH)
    (refused,) = rows(browser.page(f"{PATH}?outcome=refused"))
    assert refused.one("td", data_l="Outcome").text == f"refusedit lacks {READ_AUDIT}"
    zone = "America/New_York"
    page = browser.page(f"{PATH}?actor=nobody&action=key.created&to=2026-01-01&timezone={zone}")
    assert page.one(class_="empty").one("h2").text == "No entries match these filters"
    assert page.one("input", name="to")["value"] == "2026-01-01T00:00"
    assert page.one("input", name="timezone")["value"] == zone
    chosen = [each.text for each in page.all("option") if "selected" in each.attributes]
    assert chosen == ["key.created"]


@pytest.mark.parametrize("parameters", ["outcome=maybe", "before=x", "from=yesterday"])
def test_a_filter_that_cannot_be_read_is_named(tenant: Tenant, parameters: str) -> None:
    for path in (PATH, f"{PATH}.csv"):
        page = sign_in(tenant).page(f"{path}?{parameters}", 400)
        assert page.one("ul", class_="dots").text.startswith(parameters.partition("=")[0])


def test_older_entries_are_on_further_pages_and_all_are_in_the_csv_file(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theodora.web.pages.audit.MAX_AUDIT_ENTRIES", 7)
    written = [f"={number}" for number in range(60)]
    for target in written:
        note(tenant, target)
    browser = sign_in(tenant)
    page = browser.page(f"{PATH}?action=data.exported")
    found = [row.one("td", data_l="Target").text for row in rows(page)]
    older = browser.page(page.one("a", rel="next")["href"])
    found += [row.one("td", data_l="Target").text for row in rows(older)]
    assert found == written[::-1]
    assert not older.all("a", rel="next")
    assert older.one("a", rel="prev")["href"] == f"{PATH}?action=data.exported"
    answer = browser.get(older.one("a", href=f"{PATH}.csv?action=data.exported")["href"])
    assert "audit.csv" in answer.headers["content-disposition"]
    read = [*csv.DictReader(io.StringIO(answer.text))]
    # An apostrophe keeps spreadsheets from reading a formula.
    assert [row["target"] for row in read] == [f"'{target}" for target in written[::-1]]


def test_the_log_of_another_organisation_is_not_shown(tenant: Tenant) -> None:
    other = make_tenant(tenant.built, tenant.client)
    note(other, "theirs.jsonl")
    note(tenant, "ours.jsonl")
    browser = sign_in(tenant)
    for path in (PATH, f"{PATH}.csv", f"{PATH}?action=data", f"{PATH}.csv?actor=tester"):
        text = browser.get(path).text
        assert "ours.jsonl" in text
        assert "theirs.jsonl" not in text


@pytest.mark.parametrize("path", [PATH, f"{PATH}.csv"])
def test_without_the_permission_there_is_neither_page_nor_tab(tenant: Tenant, path: str) -> None:
    note(tenant, "ours.jsonl")
    browser = sign_in(tenant, READ)
    answer = browser.get(path)
    assert answer.status_code == 403
    assert READ_AUDIT in answer.text
    assert "ours.jsonl" not in answer.text
    links = browser.page("/settings/keys").one("nav", aria_label="Settings").all("a")
    assert PATH not in [each["href"] for each in links]
    assert sign_in(tenant, READ_AUDIT).get(path).status_code == 403
