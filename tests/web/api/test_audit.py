"""The audit log over the API."""

import csv
import io
from typing import Any

import pytest

from actors import TESTER
from asking import Tenant, make_key
from databases import ON_SQLITE
from theodora.storage.access.audit import AuditQuery
from theodora.storage.access.permissions import READ, READ_AUDIT
from visiting import sign_in

pytestmark = ON_SQLITE

PATH = "/api/v2/audit"


@pytest.fixture
def logged(tenant: Tenant) -> Tenant:
    """A tenant with three entries of its own beside those of its keys."""
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    for number in range(3):
        after = {"events": number, "text": "=1+1"}
        store.audit.note(org, "data.exported", f"{number}.jsonl", after=after, actor=TESTER)
    store.audit.note(org, "store.repaired", "backup.tar", actor=TESTER).result()
    return tenant


def asked(tenant: Tenant, **parameters: object) -> list[dict[str, Any]]:
    answer = tenant.ask("GET", PATH, params=parameters)
    assert answer.status_code == 200, answer.text
    return [each["attributes"] for each in answer.json()["data"]]


def test_entries_are_listed_page_by_page(logged: Tenant) -> None:
    everything = asked(logged)
    assert [each["target"] for each in everything][:4] == [
        *("backup.tar", "2.jsonl", "1.jsonl", "0.jsonl"),
    ]
    assert everything[1] == {
        **everything[1],
        "actor": {"kind": "person", "name": "tester", "id": "", "address": ""},
        "action": "data.exported",
        "before": None,
        "after": {"events": 2, "text": "=1+1"},
        "outcome": "done",
    }
    paged, cursor = [], ""
    for _ in everything:
        answer = logged.ask("GET", PATH, params={"limit": 2, "cursor": cursor})
        paged += [each["attributes"] for each in answer.json()["data"]]
        cursor = answer.headers.get("X-Next-Cursor", "")
        if not cursor:
            break
    assert paged == everything


def test_entries_are_found_by_filters(logged: Tenant) -> None:
    assert len(asked(logged, action="data")) == 3
    assert [each["target"] for each in asked(logged, target="1.jsonl")] == ["1.jsonl"]
    assert len(asked(logged, actor="tester", action="store.repaired")) == 1
    assert asked(logged, outcome="refused") == asked(logged, to="2026-01-01") == []
    assert len(asked(logged, **{"from": "2026-01-01"})) == len(asked(logged))


def test_the_log_is_a_csv_file_too(logged: Tenant) -> None:
    answer = logged.ask("GET", PATH, params={"format": "csv", "action": "data"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = [*csv.DictReader(io.StringIO(answer.text))]
    assert [row["target"] for row in rows] == ["2.jsonl", "1.jsonl", "0.jsonl"]
    store = logged.built.store
    org = store.keys.organisation(logged.organisation)
    assert rows[0]["hash"] == store.audit.entries(org, AuditQuery(target="2.jsonl"))[0].hash


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"cursor": "x"},
        {"from": "yesterday"},
        {"outcome": "maybe"},
        {"format": "xml"},
        {"colour": "x"},
    ],
)
def test_parameters_that_cannot_be_read_are_refused(
    tenant: Tenant, parameters: dict[str, str]
) -> None:
    answer = tenant.ask("GET", PATH, params=parameters)
    assert answer.status_code == 400
    [name] = parameters
    assert answer.json()["errors"][0]["source"]["parameter"] == name


def test_only_a_key_with_the_permission_reads_it(tenant: Tenant) -> None:
    for permission, status in ((READ, 403), (READ_AUDIT, 200)):
        key = make_key(tenant.built, tenant.organisation, "application", permission)
        answer = tenant.ask("GET", PATH, headers={"DD-APPLICATION-KEY": key})
        assert answer.status_code == status


def test_a_search_is_read_by_the_api_the_page_and_the_command(tenant: Tenant) -> None:
    org = tenant.built.store.keys.organisation(tenant.organisation)
    for name in ("one", "two"):
        tenant.built.store.audit.note(org, "data.exported", name, actor=TESTER).result()
    answer = tenant.ask("GET", PATH, params={"query": "target:tw* action:data.*"})
    assert [each["attributes"]["target"] for each in answer.json()["data"]] == ["two"]
    refused = tenant.ask("GET", PATH, params={"query": "service:web"})
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["source"] == {"parameter": "query"}
    browser = sign_in(tenant)
    page = browser.get("/settings/audit?search=target%3Atw*").text
    assert ">two<" in page
    assert ">one<" not in page
    assert 'name="search" value="target:tw*"' in page
    assert browser.get("/settings/audit?search=service%3Aweb").status_code == 400
