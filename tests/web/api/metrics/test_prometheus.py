"""`/metrics/dora`: the metrics of the last days, as a Prometheus server reads them."""

import time
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from actors import TESTER
from asking import FAILURE, Tenant, make_key, make_tenant, server_in_process
from databases import ON_SQLITE
from theodora.app import Built
from theodora.web.http.exposition import OPENMETRICS

PATH = "/metrics/dora"
HOUR_NS = 3_600 * 10**9


def deploy(tenant: Tenant, version: str, hours_ago: int, **attributes: Any) -> str:
    at = time.time_ns() - hours_ago * HOUR_NS
    event = {"service": "web", "env": "production", "version": version, **attributes}
    return tenant.create({**event, "started_at": at, "finished_at": at})


def scrape(tenant: Tenant, **parameters: str) -> dict[tuple[str, ...], float]:
    """Samples by name, service, environment and quantile, as far as they have them."""
    answer = tenant.ask("GET", PATH, params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(answer.text))
    assert {
        family.name.endswith("_time_seconds")
        or family.name.endswith("_restore_seconds"): family.type
        for family in families
    } == {True: "summary", False: "gauge"}
    assert all(family.documentation for family in families)
    labels = ("service", "env", "quantile", "source")
    return {
        (
            sample.name.removeprefix("theodora_dora_"),
            *(sample.labels[name] for name in labels if name in sample.labels),
        ): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_scrape_gives_the_metrics_of_every_service(tenant: Tenant):
    for version, hours_ago in (("v1", 4), ("v2", 3), ("v1", 2)):
        deploy(tenant, version, hours_ago)
    deploy(tenant, "v1", 1, service="pay")
    deploy(tenant, "v1", 1, env="staging")
    deploy(tenant, "v0", 24 * 40)
    started = time.time_ns() - 2 * HOUR_NS
    failure = {"services": ["web"], "env": "production", "started_at": started}
    tenant.create({**failure, "finished_at": started + HOUR_NS}, FAILURE)
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    samples = scrape(tenant)
    web = {
        name: value
        for (name, *labels), value in samples.items()
        if labels[:2] == ["web", "production"] and len(labels) == 2
    }
    assert (
        web.items()
        >= {
            "deployments": 3,
            "deployments_per_day": 3 / 28,
            "lead_time_commits": 0,
            "change_failure_ratio": 1 / 3,
            "failed_deployments": 1,
            "evaluated_deployments": 3,
            "pending_deployments": 0,
            "recovered_deployments": 1,
            "unresolved_deployments": 0,
            "deployment_rework_ratio": 1 / 3,
            "rework_deployments": 1,
            "restored_incidents": 1,
            "open_incidents": 0,
        }.items()
    )
    recovery = "failed_deployment_recovery_time_seconds"
    found = [samples[recovery, "web", "production", each] for each in ("0.5", "0.95")]
    assert found == pytest.approx([3600, 3600], abs=1)
    assert samples["incident_time_to_restore_seconds", "web", "production", "0.5"] == 3600
    assert samples["deployments", "pay", "production"] == 1
    assert samples["window_seconds",] == 28 * 86_400
    assert samples["groups_left_out",] == 0
    assert not [name for name in samples if "staging" in name]
    assert samples["source_silent", "api"] == 0
    received = samples["source_last_received_timestamp_seconds", "api"]
    assert time.time() - 60 < received <= time.time()


def test_what_has_no_value_has_no_sample(tenant: Tenant):
    deploy(tenant, "v1", 1)
    samples = scrape(tenant)
    assert ("change_lead_time_seconds", "web", "production", "0.5") not in samples
    assert ("change_failure_ratio", "web", "production") not in samples
    assert samples["pending_deployments", "web", "production"] == 1


def test_the_window_may_be_chosen(tenant: Tenant):
    for version, days_ago in (("v1", 1), ("v2", 10)):
        deploy(tenant, version, 24 * days_ago)
    assert scrape(tenant, days="7")["deployments", "web", "production"] == 1
    assert scrape(tenant, days="14")["deployments", "web", "production"] == 2


@ON_SQLITE
@pytest.mark.parametrize("days", ["", "0", "-1", "1.5", "367", "many", "٣"])
def test_a_window_that_is_none_is_refused(tenant: Tenant, days: str):
    answer = tenant.ask("GET", PATH, params={"days": days})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"] == {"parameter": "days"}


def test_an_unknown_parameter_is_refused(tenant: Tenant):
    answer = tenant.ask("GET", PATH, params={"window": "7"})
    assert answer.json()["errors"][0]["source"] == {"parameter": "window"}


def test_an_application_key_as_bearer_token_is_enough(tenant: Tenant):
    """So Prometheus is configured, which sends one credential."""
    deploy(tenant, "v1", 1)
    token = tenant.keys["DD-APPLICATION-KEY"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = tenant.client.get(PATH, headers=headers)
    assert answer.status_code == 200
    assert (
        'theodora_dora_deployments{env="production",service="web",team="(none)"} 1.0' in answer.text
    )


def test_nobody_else_may_scrape(shared_server: tuple[Built, TestClient], tenant: Tenant):
    built, client = shared_server
    assert client.get(PATH).status_code == 403
    other = make_key(built, tenant.organisation, "application", "dora_metrics_write")
    answer = client.get(PATH, headers={"Authorization": f"Bearer {other}"})
    assert answer.status_code == 403


def test_organisations_are_scraped_apart(shared_server: tuple[Built, TestClient], tenant: Tenant):
    deploy(make_tenant(*shared_server), "v1", 1)
    assert not [name for name in scrape(tenant) if "web" in name]


def test_many_services_are_cut_to_those_with_most_deployments(tmp_path: Any):
    with server_in_process(tmp_path, prometheus_groups="2") as server:
        tenant = make_tenant(*server)
        for number, name in enumerate(("few", "some", "most")):
            for version in range(number + 1):
                deploy(tenant, f"v{version}", version + 1, service=name)
        samples = scrape(tenant)
    shown = {labels[0] for name, *labels in samples if name == "deployments"}
    assert shown == {"some", "most"}
    assert samples["groups_left_out",] == 1


def test_no_service_and_one_called_so_are_told_apart(tenant: Tenant):
    deploy(tenant, "v1", 1, service="(none)")
    started = time.time_ns() - HOUR_NS
    tenant.create({"team": "core", "env": "production", "started_at": started}, FAILURE)
    samples = scrape(tenant)
    assert samples["deployments", '"(none)"', "production"] == 1
    assert samples["open_incidents", "(none)", "production"] == 1


def test_hostile_names_are_escaped(tenant: Tenant):
    name = 'a"b\\c {x="y"} 1'
    deploy(tenant, "v1", 1, service=name)
    assert scrape(tenant)["deployments", name, "production"] == 1


def test_deployments_are_counted_by_team(tenant: Tenant):
    for version, team in (("v1", "core"), ("v2", "core"), ("v3", "web")):
        deploy(tenant, version, 1, team=team)
    text = tenant.ask("GET", PATH).text
    for team, count in (("core", 2), ("web", 1)):
        labels = f'env="production",service="web",team="{team}"'
        assert f"theodora_dora_deployments{{{labels}}} {count}.0\n" in text


def test_a_client_that_prefers_it_gets_openmetrics(tenant: Tenant):
    deploy(tenant, "v1", 1)
    answer = tenant.ask("GET", PATH, headers={"Accept": "application/openmetrics-text"})
    assert answer.headers["content-type"] == OPENMETRICS
    assert answer.headers["vary"] == "Accept"
    assert answer.text.endswith("# EOF\n")
    names = {family.name for family in openmetrics_families(answer.text)}
    assert {"theodora_dora_deployments", "theodora_dora_source_silent"} <= names
