"""Listing failures: windows, searches over arrays, order, and forms of instants."""

import pytest

from asking import FAILURE, FAILURES, Tenant
from settling import in_every_state

HOUR = 3_600
NOON = 1707825600
"""2024-02-13T12:00:00Z."""

FAILURES_SENT: dict[str, dict[str, object]] = {
    "checkout-down-01": {
        "services": ["shopist", "api-service"],
        "env": "production",
        "team": "backend",
        "name": "Webserver is down failing all requests",
        "severity": "SEV-1",
        "started_at": NOON,
        "finished_at": NOON + HOUR,
        "custom_tags": ["region:us-east-1"],
    },
    "slow-search-0002": {
        "services": ["search"],
        "env": "production",
        "severity": "SEV-3",
        "name": "Search is slow",
        "started_at": NOON + HOUR,
        "finished_at": NOON + 3 * HOUR,
    },
    "open-incident-03": {
        "team": "platform",
        "env": "staging",
        "started_at": NOON + 2 * HOUR,
    },
}
FIRST, SECOND, THIRD = FAILURES_SENT


@pytest.fixture(autouse=True)
def _world(tenant: Tenant) -> None:
    for id_, attributes in FAILURES_SENT.items():
        tenant.create({"id": id_, **attributes}, FAILURE)


def test_without_a_word_the_newest_come_first(tenant: Tenant) -> None:
    assert tenant.ids(FAILURES) == [THIRD, SECOND, FIRST]


@in_every_state
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("service:shopist", [FIRST]),
        ("services:api-service", [FIRST]),
        ("service:(search OR shopist)", [SECOND, FIRST]),
        ("-service:shopist", [THIRD, SECOND]),
        ("-service:*", [THIRD]),
        ("service:*", [SECOND, FIRST]),
        ("service:s*", [SECOND, FIRST]),
        ("severity:(SEV-1 OR SEV-2)", [FIRST]),
        ("webserver down", [FIRST]),
        ('"webserver down"', []),
        ("-severity:*", [THIRD]),
        ("time_to_restore:>1h", [SECOND]),
        ("time_to_restore:[1h TO 2h]", [SECOND, FIRST]),
        ("-time_to_restore:*", [THIRD]),
        ("region:us-east-1", [FIRST]),
        ("env:production -team:backend", [SECOND]),
        ("finished_at:<2024-02-13T14:00:00Z", [FIRST]),
    ],
)
def test_a_search_finds(tenant: Tenant, query: str, expected: list[str]) -> None:
    assert tenant.ids(FAILURES, query=query) == expected


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"from": "2024-02-13T13:00:00Z"}, [THIRD, SECOND]),
        ({"to": "2024-02-13T13:00:00Z"}, [SECOND, FIRST]),
        ({"from": "2024-02-13T13:00:00Z", "to": "2024-02-13T14:00:00+01:00"}, [SECOND]),
        ({"from": "2024-02-14T00:00:00Z", "to": "2024-02-13T00:00:00Z"}, []),
    ],
)
def test_a_window_is_on_the_start_with_both_ends_in_it(
    tenant: Tenant, window: dict[str, str], expected: list[str]
) -> None:
    assert tenant.ids(FAILURES, **window) == expected


@in_every_state
@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("started_at", [FIRST, SECOND, THIRD]),
        ("severity", [FIRST, SECOND, THIRD]),
        ("-severity", [SECOND, FIRST, THIRD]),
        ("-time_to_restore", [SECOND, FIRST, THIRD]),
        ("time_to_restore", [FIRST, SECOND, THIRD]),
        ("name", [SECOND, FIRST, THIRD]),
        ("id", [FIRST, THIRD, SECOND]),
        ("-@finished_at", [SECOND, FIRST, THIRD]),
    ],
)
def test_failures_without_a_value_come_last_either_way(
    tenant: Tenant, sort: str, expected: list[str]
) -> None:
    assert tenant.ids(FAILURES, sort=sort) == expected


def test_a_limit_cuts_the_list(tenant: Tenant) -> None:
    assert tenant.ids(FAILURES, limit=1) == [THIRD]


@pytest.mark.parametrize(
    ("parameters", "agent", "started_at"),
    [
        ({}, "", NOON * 10**9),
        ({}, "datadog-api-client-python/2.57.0", NOON * 10**9),
        ({}, "datadog-api-client-python/2.58.0", "2024-02-13T12:00:00Z"),
        ({"timestamps": "rfc3339"}, "", "2024-02-13T12:00:00Z"),
        ({"timestamps": "unix_ns"}, "datadog-api-client-python/2.62.0", NOON * 10**9),
    ],
)
def test_instants_come_in_the_form_that_the_client_reads(
    tenant: Tenant, parameters: dict[str, str], agent: str, started_at: object
) -> None:
    answer = tenant.ask(
        "GET", f"{FAILURES}/{FIRST}", params=parameters, headers={"User-Agent": agent}
    )

    assert answer.json()["data"]["attributes"]["started_at"] == started_at
    assert answer.headers["vary"] == "User-Agent"
