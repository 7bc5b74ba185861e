"""The explanation of a deployment over HTTP, and at the command line."""

import json
from typing import Any

from click.testing import CliRunner

from actors import TESTER
from asking import DEPLOYMENTS, PATCH_TYPE, SHOPIST, Tenant
from theodora.cli import main

HOUR_NS = 3_600 * 10**9


def deploy(tenant: Tenant, version: str, hour: int) -> str:
    at = SHOPIST["started_at"] + hour * HOUR_NS
    return tenant.create(
        {"service": "web", "version": version, "started_at": at, "finished_at": at}
    )


def explained(tenant: Tenant, id_: str) -> dict[str, Any]:
    answer = tenant.ask("GET", f"{DEPLOYMENTS}/{id_}/explanation")
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert (data["type"], data["id"]) == ("dora_deployment_explanation", id_)
    return data["attributes"]


def test_a_rollback_is_explained_on_either_side(tenant: Tenant):
    first, failed, back = (deploy(tenant, v, at) for at, v in enumerate(("v1", "v2", "v1")))
    of_failed, of_back = explained(tenant, failed), explained(tenant, back)
    assert of_failed["preceding"]["id"] == first
    assert of_failed["failure"]["change_failure"] is True
    assert of_failed["failure"]["decided_by"] == "rollback"
    assert of_failed["failure"]["recovery_time"] == 3_600
    assert [link["remediation_id"] for link in of_failed["failure"]["marked_by"]] == [back]
    assert of_back["type"]["deployment_type"] == "rollback"
    outcomes = {rule["rule"]: rule["outcome"] for rule in of_back["type"]["rules"]}
    assert outcomes == {
        "explicit": "not_stated",
        "rollback": "fired",
        "revert": "skipped",
        "conventional-revert": "skipped",
        "hotfix": "skipped",
    }
    (match,) = of_back["type"]["rules"][1]["matches"]
    assert (match["field"], match["text"], match["failed_id"]) == ("version", "v1", failed)


def test_a_rollback_that_a_tag_tells_of_is_explained(tenant: Tenant):
    first = deploy(tenant, "v1", 0)
    at = SHOPIST["started_at"] + HOUR_NS
    back = tenant.create(
        {
            "service": "web",
            "version": "v2",
            "started_at": at,
            "finished_at": at,
            "custom_tags": ["deployment_type:rollback"],
        }
    )
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    assert tenant.get(first)["remediation"] == {"id": back, "type": "rollback"}
    assert tenant.get(back)["deployment_type"] == "rollback"
    assert explained(tenant, first)["failure"]["decided_by"] == "explicit"
    (link,) = explained(tenant, back)["type"]["remedied"]
    assert (link["rule"], link["text"]) == ("explicit", "deployment_type:rollback")


def test_what_was_said_by_hand_is_told_with_who_and_when(tenant: Tenant):
    id_ = deploy(tenant, "v1", 1)
    document = {"type": PATCH_TYPE, "attributes": {"change_failure": True}}
    tenant.ask("PATCH", f"{DEPLOYMENTS}/{id_}", json={"data": document})
    failure = explained(tenant, id_)["failure"]
    assert failure["decided_by"] == "override"
    assert failure["override"]["by"]
    assert failure["override"]["at"].endswith("Z")


def test_what_is_missing_is_named(tenant: Tenant):
    assert "commit_sha" in explained(tenant, deploy(tenant, "v1", 1))["missing"][0]
    with_commit = tenant.create(SHOPIST)
    (missing,) = explained(tenant, with_commit)["missing"]
    assert "the commits of github.com/organization/example-repository" in missing
    assert explained(tenant, with_commit)["lead_time"]["status"] == "unknown_commits"


def test_an_unknown_deployment_has_no_explanation(tenant: Tenant):
    assert tenant.ask("GET", f"{DEPLOYMENTS}/nowhere/explanation").status_code == 404


def test_the_command_tells_the_same(tenant: Tenant, shared_database: str):
    back = [deploy(tenant, v, at) for at, v in enumerate(("v1", "v2", "v1"))][-1]
    command = ["explain", back, "--org", tenant.organisation, "--database", shared_database]
    in_json = CliRunner().invoke(main, [*command, "--format", "json"])
    assert json.loads(in_json.output) == explained(tenant, back)
    in_text = CliRunner().invoke(main, command)
    assert "Deployment type: rollback" in in_text.output
    assert 'version "v1"' in in_text.output
