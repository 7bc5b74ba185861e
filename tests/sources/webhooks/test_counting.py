"""Which deployments and incidents count: names with patterns, teams, and queries over events."""

import json
from typing import Any

import pytest

from deliveries import at, deployment, github, incident, reading, sha, status
from theodora.errors import Invalid
from theodora.events import Deployment, Failure
from theodora.sources.webhooks.counting import fold_counted
from theodora.sources.webhooks.delivery import Delivery, SourceSettings
from theodora.sources.webhooks.names import is_named, value_named
from theodora.sources.webhooks.read import decode_settings, encode_settings
from theodora.sources.webhooks.settings_lines import lines_from_settings, settings_from_lines
from theodora.sources.webhooks.table import source_named
from theodora.storage import Folded, Uncounted


def event(kind: str, delivery: Delivery, **settings: Any) -> Folded | Uncounted | None:
    """What one delivery adds up to."""
    given = SourceSettings(**settings)
    found = reading(kind, delivery, given)
    assert found.facts, found.reason
    documents = [fact.document for fact in found.facts]
    return fold_counted(given, kind, found.facts[0].thing, documents)


def deployed(ref: str = "main", env: str = "production", **settings: Any) -> Deployment:
    made = {**deployment(7, 1, 10, env), "ref": ref}
    found = event("github", status(made, "success", 11), **settings)
    assert isinstance(found, Deployment)
    return found


def failed(**settings: Any) -> Folded | Uncounted | None:
    priority = {"summary": "P2"}
    return event("pagerduty", incident("triggered", 1, priority=priority), **settings)


def run(branch: str, name: str = "deploy web") -> Delivery:
    return github(
        "workflow_run",
        workflow_run={
            "id": 5,
            "name": name,
            "head_branch": branch,
            "head_sha": sha(1),
            "event": "push",
            "conclusion": "success",
            "run_started_at": at(1),
            "updated_at": at(2),
        },
    )


def test_names_with_stars_fit_any_characters() -> None:
    assert is_named("release/1.2", ["main", "release/*"])
    assert is_named("dependabot[bot]", ["*[bot]"])
    assert not is_named("a-release/1", ["release/*"])
    assert not is_named("mainline", ["main"])
    assert not is_named(None, ["*"])
    table = {"acme/*": "any", "acme/shop": "shop", "*/cart": "cart"}
    assert value_named(table, ["acme/shop", "shop"]) == "shop"
    assert value_named(table, ["acme/cart"]) == "any", "the first pattern"
    assert value_named(table, [None, "other/cart"]) == "cart"
    assert value_named(table, ["other/shop"]) is None


def test_a_table_with_patterns_gives_service_env_and_team() -> None:
    tables = {"services": {"acme/s*": "web"}, "envs": {"prod*": "prod"}, "teams": {"w*": "Web"}}
    found = deployed(**tables)
    assert (found.service, found.env, found.team) == ("web", "prod", "Web")
    assert deployed(team="Shop").team == "Shop"
    assert deployed(team="Shop", teams={"shop": "Own"}).team == "Own"


def test_a_job_or_its_branch_gives_service_and_environment() -> None:
    tables = {"workflows": ("deploy *",), "branches": ("main", "release/*")}
    envs = {"main": "staging", "release/*": "production"}
    for branch, env in (("main", "staging"), ("release/2", "production")):
        found = event("github", run(branch), envs=envs, **tables)
        assert isinstance(found, Deployment)
        assert (found.service, found.env) == ("shop", env)
    by_job = {"services": {"deploy web": "web"}, "envs": {"deploy web": "live"}}
    found = event("github", run("main"), **by_job, **tables)
    assert isinstance(found, Deployment)
    assert (found.service, found.env) == ("web", "live")
    refused = reading("github", run("feature"), SourceSettings(**tables))
    assert refused.reason == 'the workflow ran on the branch "feature"'


def test_a_team_of_the_settings_lets_incidents_without_a_service_count() -> None:
    body = {
        "alerts": [
            {
                "status": "firing",
                "fingerprint": "f",
                "startsAt": at(1),
                "labels": {"severity": "critical"},
            }
        ]
    }
    assert reading("alertmanager", Delivery({}, body)).state == "ignored"
    found = event("alertmanager", Delivery({}, body), team="Operations")
    assert isinstance(found, Failure)
    assert (found.services, found.team) == ((), "Operations")
    named = event("pagerduty", incident("triggered", 1, teams=[{"summary": "Cart"}]), team="Ops")
    assert isinstance(named, Failure)
    assert named.team == "Cart", "what the provider says comes first"


def test_a_query_excludes_release_candidates() -> None:
    query = "NOT version:*-rc*"
    assert deployed("v1.2.0", count_deployments=query).version == "v1.2.0"
    made = {**deployment(7, 1, 10), "ref": "v1.2.0-rc1"}
    found = event("github", status(made, "success", 11), count_deployments=query)
    assert found == Uncounted("it does not match the setting count_deployments")


def test_a_query_selects_incidents_and_leaves_deployments_alone() -> None:
    assert isinstance(failed(count_failures="severity:(P1 OR P2)"), Failure)
    assert isinstance(failed(count_failures="services:checkout"), Failure)
    assert isinstance(failed(count_failures="severity:P1"), Uncounted)
    assert isinstance(failed(count_deployments="severity:P1"), Failure)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("count_failures=severity:(", "count_failures: "),
        ("count_failures=is:production", "name environments"),
        ("count_deployments=version:x", "PagerDuty reads service"),
    ],
)
def test_a_query_that_cannot_be_used_is_refused(line: str, problem: str) -> None:
    kind = source_named("pagerduty")
    assert kind is not None
    with pytest.raises(Invalid, match=problem):
        settings_from_lines(kind, [line])


def test_settings_are_the_same_as_lines_and_as_they_are_stored() -> None:
    kind = source_named("gitlab")
    assert kind is not None
    lines = [
        *("services.acme/*=shop", "envs.main=production", "team=Shop", "teams.cart=Cart"),
        *("count_deployments=NOT version:*-rc*", "count_failures=severity:high"),
    ]
    settings = settings_from_lines(kind, lines)
    assert sorted(lines_from_settings(settings)) == sorted(lines)
    assert decode_settings(encode_settings(settings)) == settings
    assert json.loads(encode_settings(settings))["count_failures"] == "severity:high"
