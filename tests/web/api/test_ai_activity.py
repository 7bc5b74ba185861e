"""Sending the use of AI coding tools: what is taken, and each rule with its text and pointer."""

import pytest

from asking import Tenant
from databases import ON_SQLITE
from theodora.events.activity import UserActivity

URL = "/api/v2/ai_impact/user_activity"
TYPE = "ai_impact_user_activity"
ATTRIBUTES = {
    "user_email": "dev@example.com",
    "day": "2026-01-31",
    "is_active": True,
    "tools": ["Claude Code"],
    "models": ["gpt-5"],
}
ENTRY = {"type": TYPE, "attributes": ATTRIBUTES}


def entry(**attributes: object) -> dict[str, object]:
    return {"type": TYPE, "attributes": {**ATTRIBUTES, **attributes}}


def stored(tenant: Tenant) -> list[UserActivity]:
    store = tenant.built.store
    return store.activity.everything(store.keys.organisation(tenant.organisation))


def problems(tenant: Tenant, data: object) -> list[tuple[str, str]]:
    answer = tenant.post(URL, json={"data": data})
    assert answer.status_code == 400, answer.text
    return [(error["detail"], error["source"]["pointer"]) for error in answer.json()["errors"]]


def test_entries_are_stored_and_answered_with_nothing(tenant: Tenant) -> None:
    day_off = entry(day="2026-02-01", is_active=False, tools=["Cursor", "GitHub Copilot"])

    answer = tenant.post(URL, json={"data": [ENTRY, day_off]})

    assert (answer.status_code, answer.content) == (200, b"")
    assert "content-type" not in answer.headers
    seen = [(one.day, one.tool, one.is_active) for one in stored(tenant)]
    assert seen == [
        ("2026-01-31", "claude_code", True),
        ("2026-02-01", "copilot", False),
        ("2026-02-01", "cursor", False),
    ]


def test_an_api_key_is_enough(tenant: Tenant) -> None:
    answer = tenant.post(URL, json={"data": [ENTRY]}, headers={"DD-APPLICATION-KEY": ""})

    assert answer.status_code == 200


def test_a_thousand_entries_are_taken(tenant: Tenant) -> None:
    data = [entry(user_email=f"dev{n}@example.com") for n in range(1000)]

    assert tenant.post(URL, json={"data": data}).status_code == 200
    assert len(stored(tenant)) == 1000


def test_of_a_document_with_one_bad_entry_nothing_is_stored(tenant: Tenant) -> None:
    assert problems(tenant, [ENTRY, entry(day="yesterday")]) == [
        (
            'entry 1: attribute "day" must be a date in the form YYYY-MM-DD',
            "/data/1/attributes/day",
        )
    ]
    assert stored(tenant) == []


@ON_SQLITE
@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (None, 'member "data" is required'),
        ({}, 'error decoding member "data": invalid type object'),
        ("x", 'error decoding member "data": invalid type string'),
        ([], 'member "data" must have between 1 and 1000 items'),
        ([ENTRY] * 1001, 'member "data" must have between 1 and 1000 items'),
    ],
    ids=["none", "object", "string", "empty", "too many"],
)
def test_an_envelope_that_breaks_a_rule_is_named(tenant: Tenant, data: object, detail: str) -> None:
    assert problems(tenant, data) == [(detail, "/data")]


@ON_SQLITE
@pytest.mark.parametrize(
    ("bad", "detail", "pointer"),
    [
        (7, 'error decoding member "data": invalid type number', ""),
        ({"attributes": ATTRIBUTES}, f'got type "" expected one of "{TYPE}"', "/type"),
        (
            {"type": "user", "attributes": {}},
            f'got type "user" expected one of "{TYPE}"',
            "/type",
        ),
        ({"type": TYPE}, 'member "attributes" is required', "/attributes"),
        (
            {"type": TYPE, "attributes": 1},
            'error decoding member "attributes": invalid type number',
            "/attributes",
        ),
    ],
)
def test_an_entry_that_breaks_a_rule_is_named(
    tenant: Tenant, bad: object, detail: str, pointer: str
) -> None:
    assert problems(tenant, [ENTRY, bad]) == [(f"entry 1: {detail}", f"/data/1{pointer}")]


@ON_SQLITE
@pytest.mark.parametrize(
    ("name", "value", "detail", "item"),
    [
        *(
            (name, None, f'attribute "{name}" is required', "")
            for name in ("user_email", "day", "is_active", "tools")
        ),
        *(
            (name, 1, f'error decoding attribute "{name}": invalid type number', "")
            for name in ("user_email", "day", "is_active", "tools", "models")
        ),
        ("is_active", "yes", 'error decoding attribute "is_active": invalid type string', ""),
        ("user_email", " ", 'attribute "user_email" is required', ""),
        *(
            ("user_email", address, 'attribute "user_email" must be an email address', "")
            for address in ("dev", "@example.com", "dev@", "a b@example.com", "a@b@c")
        ),
        *(
            ("day", day, 'attribute "day" must be a date in the form YYYY-MM-DD', "")
            for day in ("2026-02-30", "20260131", "2026-1-31", "2026-01-31T00:00:00Z", "0000-01-01")
        ),
        ("tools", [], 'attribute "tools" must have at least 1 item', ""),
        *(
            (
                name,
                ["x", " "],
                f'attribute "{name}" must have items that are not empty',
                "/1",
            )
            for name in ("tools", "models")
        ),
        ("tools", ["x", 1], 'error decoding attribute "tools": invalid type number', "/1"),
    ],
)
def test_an_attribute_that_breaks_a_rule_is_named(
    tenant: Tenant, name: str, value: object, detail: str, item: str
) -> None:
    assert problems(tenant, [ENTRY, ENTRY, entry(**{name: value})]) == [
        (f"entry 2: {detail}", f"/data/2/attributes/{name}{item}")
    ]


@ON_SQLITE
def test_the_problems_of_all_entries_are_listed_up_to_fifty(tenant: Tenant) -> None:
    bad = {"type": TYPE, "attributes": {"user_email": "dev", "models": []}}

    assert problems(tenant, [bad, ENTRY, bad])[3:5] == [
        (
            'entry 0: attribute "user_email" must be an email address',
            "/data/0/attributes/user_email",
        ),
        ('entry 2: attribute "day" is required', "/data/2/attributes/day"),
    ]
    assert len(problems(tenant, [bad] * 20)) == 50
