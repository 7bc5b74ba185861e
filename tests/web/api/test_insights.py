"""The insights operation: sentences of one organisation, with the pages that show them."""

import time
from typing import Any

import pytest

from actors import TESTER
from asking import FAILURE, Tenant
from theodora.events import Deployment
from theodora.storage import Store
from theodora.storage.engine.organisations import Organisation
from visiting import sign_in

INSIGHTS = "/api/v2/dora/insights"
DAY_NS = 86_400 * 10**9


def add(tenant: Tenant, service: str, count: int, failed: int, days_ago: float, team: str) -> None:
    """Deployments over four weeks that end so long ago; of the first some are rolled back."""
    store, org = opened(tenant)
    end_ns = time.time_ns() - int(days_ago * DAY_NS)
    undone = [f"{days_ago}.{name}{n}" for n in range(failed) for name in ("a", "b", "a")]
    versions = [*undone, *(f"{days_ago}.{number}" for number in range(count - len(undone)))]
    for number, version in enumerate(versions):
        at_ns = end_ns - 28 * DAY_NS * (count - number) // count
        event = Deployment(
            service=service,
            env="production",
            team=team,
            version=version,
            started_at_ns=at_ns,
            finished_at_ns=at_ns,
        )
        written = store.deployments.add(org, event, 1, actor=TESTER)
        if number == count - 1:
            written.result()


def opened(tenant: Tenant) -> tuple[Store, Organisation]:
    store = tenant.built.store
    return store, store.keys.organisation(tenant.organisation)


def a_search_that_fails(tenant: Tenant) -> None:
    for service, team in (("search", "discovery"), ("web", "shop"), ("pay", "shop")):
        failed = 20 if service == "search" else 1
        add(tenant, service, 84, failed, 0.5, team)
        add(tenant, service, 84, 1, 28.6, team)
    opened(tenant)[0].derivations.derive_all_queued(actor=TESTER)


def ask(tenant: Tenant, **parameters: str) -> Any:
    named = {"from": str((time.time_ns() - 28 * DAY_NS) // 10**9), **parameters}
    return tenant.ask("GET", INSIGHTS, params=named)


def sentences(tenant: Tenant, **parameters: str) -> list[str]:
    answer = ask(tenant, **parameters)
    assert answer.status_code == 200, answer.text
    found = [each["attributes"]["sentence"] for each in answer.json()["data"]]
    return [each.replace("\u202f", " ").replace("\u00a0", " ") for each in found]


def test_a_change_and_facts_are_listed(tenant: Tenant) -> None:
    a_search_that_fails(tenant)
    failure = {"services": ["web"], "name": "Down", "env": "production"}
    tenant.create({**failure, "started_at": int(time.time()) - 7_200}, FAILURE)
    answer = ask(tenant).json()
    change, fact = answer["data"]
    assert change["id"] == "change_failure_rate:search"
    attributes = change["attributes"]
    assert attributes["sentence"].startswith("search: ")
    assert "deployments failed" in attributes["sentence"]
    assert (attributes["is_change"], attributes["tone"]) == (True, "worse")
    compared = attributes["comparison"]
    assert compared["metric"] == "change_failure_rate"
    assert compared["now"]["failed"] > 10 * compared["before"]["failed"]
    assert compared["p_value"] < 0.001
    assert fact["attributes"]["sentence"] == "Down: open for 2\u202fh"
    assert fact["attributes"]["comparison"] is None
    meta = answer["meta"]
    assert (meta["group_by"], meta["query"], meta["timezone"]) == ("service", "", "UTC")
    assert meta["compared"] >= 12
    assert meta["previous"]["to"] == meta["from"]


def test_another_organisation_has_nothing_of_it(tenant: Tenant, other_tenant: Tenant) -> None:
    a_search_that_fails(tenant)
    assert sentences(other_tenant) == []


def test_every_sentence_leads_to_a_page_that_shows_it(tenant: Tenant) -> None:
    a_search_that_fails(tenant)
    browser = sign_in(tenant)
    for group_by, name in (("service", "search"), ("team", "Team discovery")):
        for query in ("", "is:production", "env:production"):
            (found,) = ask(tenant, group_by=group_by, query=query).json()["data"]
            sentence = found["attributes"]["sentence"]
            assert sentence.startswith(f"{name}: ")
            page = browser.page(found["attributes"]["path"])
            cards = [each.text for each in page.all("article")]
            share = sentence.split(": ")[1].split(" of ")[0]
            (card,) = (each for each in cards if "Change failure rate" in each)
            assert share.replace("\u202f", " ") in card.replace("\u202f", " ")


def test_teams_time_zones_and_periods_may_be_chosen(tenant: Tenant) -> None:
    a_search_that_fails(tenant)
    answer = ask(tenant, group_by="team", timezone="Asia/Tokyo", interval="day").json()
    assert [each["id"] for each in answer["data"]] == ["change_failure_rate:discovery"]
    assert answer["meta"]["timezone"] == "Asia/Tokyo"
    assert answer["meta"]["interval"] == "day"
    assert sentences(tenant, query="service:pay") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("group_by", "env"),
        ("range", "2w"),
        ("timezone", "Mars"),
        ("query", "env:("),
        ("from", "soon"),
        ("colour", "red"),
    ],
)
def test_a_wrong_parameter_is_named(tenant: Tenant, name: str, value: str) -> None:
    answer = ask(tenant, **{name: value})
    assert answer.status_code == 400
    assert name in answer.json()["errors"][0]["detail"]


def test_an_empty_store_has_no_sentence(tenant: Tenant) -> None:
    answer = ask(tenant).json()
    assert (answer["data"], answer["meta"]["compared"]) == ([], 0)


def test_silent_sources_and_what_is_not_derived_are_listed(tenant: Tenant) -> None:
    store, org = opened(tenant)
    now_ns = time.time_ns()
    for days, source in ((20, "git"), (19, "git"), (18, "git"), (17, "git"), (0.1, "api")):
        at_ns = now_ns - int(days * DAY_NS)
        event = Deployment(
            service="web", env="prod", source=source, started_at_ns=at_ns, finished_at_ns=at_ns
        )
        store.deployments.add(org, event, at_ns, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert sentences(tenant) == ["Source git: no deployment for 17 d, usually one every 1 d"]


def test_the_first_month_of_an_organisation_has_no_more_deployments_than_before(
    tenant: Tenant,
) -> None:
    add(tenant, "web", 80, 0, 0.5, "shop")
    opened(tenant)[0].derivations.derive_all_queued(actor=TESTER)
    assert sentences(tenant) == []
