"""What the search box is told may be typed next."""

from typing import Any

from asking import SHOPIST, Tenant
from settling import in_every_state
from visiting import Browser, sign_in


def asked(browser: Browser, query: str, at: int | None = None, **more: str) -> dict[str, Any]:
    parameters = {"query": query, "at": str(len(query) if at is None else at), **more}
    answer = browser.get("/complete", params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def labels(found: dict[str, Any]) -> list[str]:
    return [item["label"] for item in found["items"]]


def test_names_of_fields_are_offered_first(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    assert labels(asked(browser, "se")) == ["service"]
    assert labels(asked(browser, "@se")) == ["service"]
    item = asked(browser, "change_l")["items"][0]
    assert item["text"] == "change_lead_time:"
    assert item["about"].startswith("The mean time")


@in_every_state
def test_values_come_with_how_many_have_them(tenant: Tenant) -> None:
    for number, env in enumerate(("production", "production", "pre view")):
        tenant.create({**SHOPIST, "env": env, "version": f"v{number}"})
    browser = sign_in(tenant)
    found = asked(browser, "env:p", range="", **{"from": "2023-08-01", "to": "2023-10-01"})
    assert (found["start"], found["end"]) == (4, 5)
    assert [(item["text"], item["deployments"]) for item in found["items"]] == [
        ("production ", 2),
        ('"pre view" ', 1),
    ]


def test_values_of_the_period_alone_are_offered(tenant: Tenant) -> None:
    tenant.create(SHOPIST)
    assert asked(sign_in(tenant), "env:", range="4w")["items"] == []


def test_fixed_values_need_no_events(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    assert labels(asked(browser, "change_failure:")) == ["true", "false"]
    assert labels(asked(browser, "deployment_type:roll")) == ["rollback", "rollforward"]


def test_what_may_be_said_of_environments_is_offered(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    assert labels(asked(browser, "is")) == ["is"]
    assert asked(browser, "-is:pro")["items"] == [
        {
            "text": "production ",
            "label": "production",
            "about": "In an environment that the settings call production.",
        }
    ]
    assert labels(asked(browser, "is:x")) == []


@in_every_state
def test_tags_are_offered_by_key_and_by_value(tenant: Tenant) -> None:
    """After an `@` tags come first; a tag that is named as a field cannot be sought, and is not."""
    tenant.create({**SHOPIST, "custom_tags": ["service:x", "serial no:7", "region:eu west"]})
    browser = sign_in(tenant)
    assert labels(asked(browser, "@"))[:3] == ["region", "serial no", "service"]
    assert [item["text"] for item in asked(browser, "@ser")["items"]] == [
        "serial\\ no:",
        "service:",
    ]
    assert labels(asked(browser, "se")) == ["service", "serial no"]
    assert "about" not in asked(browser, "@region:")["items"][0]
    assert [item["text"] for item in asked(browser, "region:e")["items"]] == ['"eu west" ']
    assert asked(browser, "region:x")["items"] == []


def test_operators_follow_a_clause(tenant: Tenant) -> None:
    found = asked(sign_in(tenant), "env:a AN")
    assert labels(found) == ["AND"]
    assert (found["start"], found["end"]) == (6, 8)


def test_the_place_is_counted_in_characters(tenant: Tenant) -> None:
    """An emoji is one, whatever a browser's strings make of it."""
    found = asked(sign_in(tenant), "version:🚀 se", at=12)
    assert (found["start"], labels(found)) == (10, ["service"])


def test_whatever_is_typed_is_answered(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    for query in ('"', "((((", "env:[", "\\", "a" * 5_000, "tag:x", "-", "🚀", "finished_at:"):
        assert isinstance(asked(browser, query)["items"], list)
    for at in ("", "x", "-1", "999999", "²"):
        answer = browser.get("/complete", params={"query": "se", "at": at})
        assert labels(answer.json()) == ["service"]


def test_only_who_is_signed_in_is_told(tenant: Tenant) -> None:
    assert Browser(tenant.client).get("/complete?query=env:").status_code == 303
