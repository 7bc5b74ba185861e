"""Settings over HTTP: set, shown, tried before they hold."""

import time
from typing import Any

import pytest

from actors import TESTER
from asking import DEPLOYMENT, Tenant
from settling import in_every_state
from theodora.dora import Commit

HOUR = 3_600
START = 1_700_000_000
TIMES = {"author_time_ns": START * 10**9, "commit_time_ns": START * 10**9}
SETTINGS = "/api/v2/dora/settings"
WEB = f"{SETTINGS}/services/web"


def document(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "dora_settings", "attributes": attributes}}


def deploy(tenant: Tenant, version: str, hour: int, **members: Any) -> str:
    at = START + hour * HOUR
    described = {"service": "web", "version": version, "started_at": at, "finished_at": at}
    return tenant.create(described | members, DEPLOYMENT)


def test_a_service_inherits_what_it_does_not_set(tenant: Tenant):
    assert tenant.ask("PUT", SETTINGS, json=document(rollback_lookback=5)).status_code == 200
    answer = tenant.ask("PUT", WEB, json=document(lead_time_clock="commit_time"))
    attributes = answer.json()["data"]["attributes"]
    assert attributes["given"] == {"lead_time_clock": "commit_time"}
    assert attributes["effective"]["rollback_lookback"] == 5
    assert attributes["effective"]["lead_time_clock"] == "commit_time"
    assert tenant.ask("GET", WEB).json() == answer.json()


@in_every_state
def test_a_change_derives_anew(tenant: Tenant):
    ids = [deploy(tenant, version, hour) for hour, version in enumerate(("v1", "v2", "v1"))]
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    assert tenant.get(ids[1])["change_failure"] is True
    tenant.ask("PUT", WEB, json=document(detect_rollbacks=False))
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    assert tenant.get(ids[1])["change_failure"] is False


@in_every_state
@pytest.mark.parametrize("path", [SETTINGS, WEB])
def test_a_preview_shows_what_would_change_and_changes_nothing(tenant: Tenant, path: str):
    ids = [deploy(tenant, version, hour) for hour, version in enumerate(("v1", "v2", "v1"))]
    answer = tenant.ask("POST", f"{path}/preview", json=document(detect_rollbacks=False))
    preview = answer.json()["data"]["attributes"]
    assert (preview["deployments"], preview["failed_now"], preview["failed_then"]) == (3, 1, 0)
    assert [each["id"] for each in preview["first"]] == ids[1:]
    assert preview["first"][0]["now"]["change_failure"] is True
    assert preview["first"][0]["then"]["change_failure"] is False
    assert tenant.ask("GET", path).json()["data"]["attributes"]["given"] == {}


def test_the_gap_after_which_lead_times_end_is_set_by_service_and_previewed(tenant: Tenant):
    commits = [
        Commit(sha=str(n) * 40, parents=(str(n - 1) * 40,) * bool(n), **TIMES) for n in range(2)
    ]
    store, url = tenant.built.store, "https://github.com/acme/web"
    org = store.keys.organisation(tenant.organisation)
    store.commits.add_commits(org, "github.com/acme/web", commits, actor=TESTER).result()
    _, later = (
        deploy(tenant, f"v{n}", n * 24 * 3, git={"commit_sha": str(n) * 40, "repository_url": url})
        for n in range(2)
    )
    store.derivations.derive_all_queued(actor=TESTER)
    assert tenant.get(later)["change_lead_time"] == 3 * 24 * HOUR
    answer = tenant.ask("POST", f"{WEB}/preview", json=document(lead_time_gap_days=2))
    (differing,) = answer.json()["data"]["attributes"]["first"]
    assert (differing["id"], differing["then"]["change_lead_time"]) == (later, None)
    tenant.ask("PUT", WEB, json=document(lead_time_gap_days=2))
    store.derivations.derive_all_queued(actor=TESTER)
    assert "change_lead_time" not in tenant.get(later)
    assert tenant.ids(query="lead_time_status:gap") == [later]
    tenant.ask("PUT", WEB, json=document(lead_time_gap_days=0))
    store.derivations.derive_all_queued(actor=TESTER)
    assert tenant.get(later)["change_lead_time"] == 3 * 24 * HOUR


def test_a_service_may_be_divided_where_the_organisation_is_not_and_the_other_way(tenant: Tenant):
    tenant.ask("PUT", SETTINGS, json=document(sequence_tag="region"))
    tenant.ask("PUT", WEB, json=document(sequence_tag=None))
    effective = [
        tenant.ask("GET", path).json()["data"]["attributes"]["effective"]["sequence_tag"]
        for path in (SETTINGS, WEB, f"{SETTINGS}/services/pay")
    ]
    assert effective == ["region", None, "region"]


def test_a_wrong_rule_is_refused_with_its_place(tenant: Tenant):
    rule = {"id": "slow", "fields": ["version"], "pattern": "fix(?=ed)"}
    answer = tenant.ask("PUT", WEB, json=document(static_rules=[rule]))
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["source"]["pointer"] == "/data/attributes/static_rules/0/pattern"
    assert "at character 4, look-around is not supported" in error["detail"]


HOSTILE = (
    "(.{0,20}){0,20}!",
    "(a+)+$",
    "(a|a)*$",
    "((a*)*)*b",
    "(x+x+)+y",
    r"(\w*\s?)*!",
    "(.*)*!",
)


@pytest.mark.parametrize("pattern", HOSTILE)
def test_no_pattern_keeps_a_preview_or_a_change_waiting(tenant: Tenant, pattern: str):
    """Whether it is refused or used, on a text made for it."""
    deploy(tenant, "a" * 255, 0)
    rules = [
        {"id": "slow", "fields": ["version"], "pattern": pattern},
        {"id": "slower", "fields": ["version", "pr_title"], "pattern": f"({pattern})+x"},
    ]
    given = document(static_rules=rules)
    for method, path in (("POST", f"{SETTINGS}/preview"), ("PUT", SETTINGS)):
        began = time.thread_time()
        assert tenant.ask(method, path, json=given).status_code in {200, 400}
        assert time.thread_time() - began < 1
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)


def test_aliases_are_set_for_the_organisation_and_a_circle_is_refused_with_its_place(
    tenant: Tenant,
):
    aliases = {"https://git.example.com/old/app.git": "github.com/acme/app"}
    answer = tenant.ask("PUT", SETTINGS, json=document(repository_aliases=aliases))
    shown = {"git.example.com/old/app": "github.com/acme/app"}
    attributes = answer.json()["data"]["attributes"]
    assert attributes["given"] == {"repository_aliases": shown}
    assert (
        tenant.ask("GET", WEB).json()["data"]["attributes"]["effective"]["repository_aliases"]
        == shown
    )
    circle = {"a.example/a": "b.example/b", "b.example/b": "a.example/a"}
    answer = tenant.ask("PUT", SETTINGS, json=document(repository_aliases=circle))
    assert answer.status_code == 400
    places = [error["source"]["pointer"] for error in answer.json()["errors"]]
    assert places == [
        f"/data/attributes/repository_aliases/{name}.example~1{name}" for name in "ab"
    ]
    answer = tenant.ask("PUT", WEB, json=document(repository_aliases=aliases))
    assert answer.status_code == 400
