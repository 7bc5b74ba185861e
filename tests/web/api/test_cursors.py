"""Paging a list by the cursor that each page but the last answers with."""

import base64
import json
from itertools import chain
from typing import Any

import pytest

from asking import BARE, DEPLOYMENTS, FAILURE, FAILURES, Tenant

START = 1693491974
POINTER = {"pointer": "/data/attributes/cursor"}
INVALID = 'error decoding attribute "cursor": invalid cursor "{}"'
FOREIGN = (
    'attribute "cursor" must be sent with the "query", "from", "to" and "sort" of the request it '
    "was answered to"
)


@pytest.fixture
def at_once(tenant: Tenant) -> Tenant:
    """Seven deployments and seven failures that start in one instant."""
    for number in range(7):
        sent = {"started_at": START, "env": "production", "version": f"v{number}"}
        tenant.create({**BARE, **sent, "id": f"0123456789abcde{number}"})
        tenant.create({**sent, "services": ["web"], "id": f"0123456789abcde{number}"}, FAILURE)
    return tenant


def pages(tenant: Tenant, path: str = DEPLOYMENTS, **attributes: Any) -> list[list[str]]:
    """The ids of one page after another."""
    found: list[list[str]] = []
    cursor = None
    while cursor or not found:
        answer = tenant.search({**attributes, "cursor": cursor}, path)
        assert answer.status_code == 200, answer.text
        found.append([resource["id"] for resource in answer.json()["data"]])
        cursor = answer.headers.get("x-next-cursor")
    return found


@pytest.mark.parametrize("path", [DEPLOYMENTS, FAILURES])
@pytest.mark.parametrize("sort", ["-started_at", "started_at", "team", "-version"])
def test_events_of_one_instant_are_paged_one_after_another(
    at_once: Tenant, path: str, sort: str
) -> None:
    found = pages(at_once, path, limit=3, sort=sort)
    assert [len(page) for page in found] == [3, 3, 1]
    assert list(chain(*found)) == at_once.ids(path, sort=sort)


def test_there_is_a_cursor_only_where_there_is_more(at_once: Tenant) -> None:
    assert [len(page) for page in pages(at_once, limit=7)] == [7]
    assert [len(page) for page in pages(at_once, limit=6)] == [6, 1]
    assert [len(page) for page in pages(at_once, query="version:v9")] == [0]
    assert "x-next-cursor" not in at_once.search({"limit": 7}).headers


def test_pages_may_differ_in_length(at_once: Tenant) -> None:
    cursor = next_cursor(at_once, limit=2)
    assert at_once.ids(limit=4, cursor=cursor) == at_once.ids()[2:6]


def test_what_comes_in_meanwhile_moves_no_page(at_once: Tenant) -> None:
    first = at_once.ids(limit=3)
    cursor = next_cursor(at_once, limit=3)
    at_once.create({**BARE, "started_at": START + 1})
    at_once.delete(first[-1])
    assert at_once.ids(limit=1000, cursor=cursor) == [f"0123456789abcde{n}" for n in range(3, 7)]


def test_the_same_list_written_otherwise_takes_the_cursor(at_once: Tenant) -> None:
    cursor = next_cursor(at_once, limit=3, query="env:production", to=START)
    asked = {"query": '@env:"production"', "to": "2023-08-31T14:26:14Z", "sort": "-timestamp"}
    assert len(at_once.ids(cursor=cursor, **asked)) == 4


def next_cursor(tenant: Tenant, path: str = DEPLOYMENTS, **attributes: Any) -> str:
    return tenant.search(attributes, path).headers["x-next-cursor"]


def refusal(tenant: Tenant, path: str = DEPLOYMENTS, **attributes: Any) -> list[dict[str, Any]]:
    answer = tenant.search(attributes, path)
    assert answer.status_code == 400, answer.text
    return answer.json()["errors"]


@pytest.mark.parametrize(
    "other",
    [
        {"query": "env:staging"},
        {"from": START},
        {"to": START + 1},
        {"sort": "started_at"},
        {"sort": "-version"},
    ],
    ids=str,
)
def test_a_cursor_belongs_to_one_list(at_once: Tenant, other: dict[str, Any]) -> None:
    cursor = next_cursor(at_once, limit=1)
    [error] = refusal(at_once, cursor=cursor, **other)
    assert (error["detail"], error["source"]) == (FOREIGN, POINTER)


def test_a_cursor_belongs_to_one_kind_of_event(at_once: Tenant) -> None:
    [error] = refusal(at_once, FAILURES, cursor=next_cursor(at_once, limit=1))
    assert (error["detail"], error["source"]) == (FOREIGN, POINTER)


def edited(cursor: str, **places: Any) -> str:
    """A cursor as somebody might make it up: with another value or id."""
    parts = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    parts[1:] = [places.get("value", parts[1]), places.get("id_", parts[2])]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


@pytest.mark.parametrize(
    ("sort", "places"),
    [
        ("-started_at", {"value": "soon"}),
        ("-started_at", {"value": 2**64}),
        ("-started_at", {"value": [1]}),
        ("-started_at", {"id_": 1}),
        ("-started_at", {"id_": "\0"}),
        ("version", {"value": 1}),
        ("version", {"value": "\0"}),
    ],
)
def test_a_cursor_with_a_wrong_value_is_refused(
    at_once: Tenant, sort: str, places: dict[str, Any]
) -> None:
    cursor = edited(next_cursor(at_once, limit=1, sort=sort), **places)
    [error] = refusal(at_once, sort=sort, cursor=cursor)
    assert error["detail"].startswith('error decoding attribute "cursor": invalid cursor')
    assert error["source"] == POINTER


@pytest.mark.parametrize("text", ["x", "é", "bm8gY3Vyc29y", "!!!!", "W10", "eyJhIjoxfQ=="])
def test_a_text_that_is_no_cursor_is_refused(at_once: Tenant, text: str) -> None:
    [error] = refusal(at_once, cursor=text)
    assert (error["detail"], error["source"]) == (INVALID.format(text), POINTER)


def test_a_cursor_cut_short_is_refused(at_once: Tenant) -> None:
    cursor = next_cursor(at_once, limit=1)
    for length in range(1, len(cursor)):
        [error] = refusal(at_once, cursor=cursor[:length])
        assert error["detail"].startswith('error decoding attribute "cursor": invalid cursor')


def test_a_cursor_of_another_type_is_refused_beside_all_else(at_once: Tenant) -> None:
    errors = refusal(at_once, cursor=5, query="(")
    assert [error["source"]["pointer"] for error in errors] == [
        "/data/attributes/query",
        "/data/attributes/cursor",
    ]
    assert errors[1]["detail"] == 'error decoding attribute "cursor": invalid type number'


def test_an_empty_cursor_is_none(at_once: Tenant) -> None:
    assert at_once.ids(cursor=" ") == at_once.ids(cursor=None) == at_once.ids()


@pytest.mark.parametrize("form", ["unix_ns", "rfc3339"])
def test_sliding_to_pages_by_what_a_response_writes(tenant: Tenant, form: str) -> None:
    """As clients without cursors do: from the last start on, without what they have."""
    for second in range(20):
        sent = {"started_at": START + second // 2, "finished_at": START + 99}
        tenant.create({**BARE, **sent, "version": f"v{second}"})
    found: list[str] = []
    to = None
    while True:
        answer = tenant.search({"to": to, "limit": 3}, params={"timestamps": form})
        data = answer.json()["data"]
        new = [each["id"] for each in data if each["id"] not in found]
        found += new
        if not new:
            break
        to = data[-1]["attributes"]["started_at"]
    assert found == tenant.ids()
