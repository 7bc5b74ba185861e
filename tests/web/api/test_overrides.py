"""Verdicts by hand as a resource of their own: with a reason, a history and a way back."""

from typing import Any

import pytest

from actors import TESTER
from asking import DEPLOYMENTS, PATCH_TYPE, Tenant, assert_refused, problem

TYPE = "dora_deployment_verdict"
HOUR = 3_600
MOST = 'attribute "failure_ids" must have'


def deploy(tenant: Tenant, version: str, hour: int, service: str = "web") -> str:
    at = 1_700_000_000 + hour * HOUR
    return tenant.create(
        {"service": service, "version": version, "started_at": at, "finished_at": at}
    )


def put(tenant: Tenant, id_: str, **attributes: Any) -> Any:
    document = {"data": {"type": TYPE, "attributes": attributes}}
    return tenant.ask("PUT", f"{DEPLOYMENTS}/{id_}/verdict", json=document)


def said(tenant: Tenant, id_: str) -> dict[str, Any]:
    answer = tenant.ask("GET", f"{DEPLOYMENTS}/{id_}/verdict")
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert (data["id"], data["type"]) == (id_, TYPE)
    return data["attributes"]


def take_back(tenant: Tenant, id_: str) -> Any:
    return tenant.ask("DELETE", f"{DEPLOYMENTS}/{id_}/verdict")


def derive(tenant: Tenant) -> None:
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)


def test_a_verdict_is_kept_with_who_when_and_why(tenant: Tenant):
    failed, remedy = deploy(tenant, "v1", 0), deploy(tenant, "v2", 1)
    remediation = {"type": "rollforward", "id": remedy}
    answer = put(
        tenant, failed, change_failure=True, remediation=remediation, reason="carts were lost"
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["attributes"] == said(tenant, failed)
    verdict = said(tenant, failed)["verdict"]
    assert (verdict["change_failure"], verdict["reason"]) == (True, "carts were lost")
    assert verdict["remediation"] == {**remediation, "version": None}
    assert verdict["by"]
    assert verdict["at"].endswith("Z")
    assert said(tenant, failed)["history"] == [{**verdict, "action": "given"}]
    assert tenant.get(failed)["recovery_time_sec"] == HOUR
    explained = tenant.ask("GET", f"{DEPLOYMENTS}/{failed}/explanation").json()["data"]
    assert explained["attributes"]["failure"]["override"]["reason"] == "carts were lost"


def test_without_a_verdict_there_is_none_and_no_history(tenant: Tenant):
    assert said(tenant, deploy(tenant, "v1", 0)) == {"verdict": None, "history": []}


def test_what_is_taken_back_leaves_the_rules_to_decide(tenant: Tenant):
    ids = [deploy(tenant, version, hour) for hour, version in enumerate(("v1", "v2", "v1"))]
    derive(tenant)
    before = [tenant.get(id_) for id_ in ids]
    put(tenant, ids[1], change_failure=False)
    put(tenant, ids[0], change_failure=True)
    derive(tenant)
    assert [tenant.get(id_)["change_failure"] for id_ in ids] == [True, False, False]
    assert take_back(tenant, ids[1]).status_code == 202
    assert tenant.get(ids[1]) == before[1]
    assert take_back(tenant, ids[0]).status_code == 202
    assert tenant.get(ids[0])["change_failure"] is None
    derive(tenant)
    assert [tenant.get(id_) for id_ in ids] == before
    assert said(tenant, ids[1])["verdict"] is None
    assert [act["action"] for act in said(tenant, ids[1])["history"]] == ["removed", "given"]
    assert take_back(tenant, ids[1]).status_code == 404


def test_a_remedy_named_by_a_verdict_has_its_own_type_again_afterwards(tenant: Tenant):
    failed, remedy = deploy(tenant, "v1", 0), deploy(tenant, "v2", 1)
    remediation = {"type": "rollback", "version": "v2"}
    put(tenant, failed, change_failure=True, remediation=remediation)
    derive(tenant)
    assert tenant.get(remedy)["deployment_type"] == "rollback"
    take_back(tenant, failed)
    derive(tenant)
    assert tenant.get(remedy)["deployment_type"] == "standard"
    assert tenant.get(failed)["change_failure"] is False


def test_a_verdict_takes_the_place_of_the_one_before_and_a_patch_adds_to_it(tenant: Tenant):
    failed, remedy = deploy(tenant, "v1", 0), deploy(tenant, "v2", 1)
    remediation = {"type": "rollback", "id": remedy}
    put(tenant, failed, change_failure=True, remediation=remediation, reason="first")
    put(tenant, failed, change_failure=True, reason="second")
    assert said(tenant, failed)["verdict"]["remediation"] is None
    patch = {"type": PATCH_TYPE, "attributes": {"remediation": remediation}}
    tenant.ask("PATCH", f"{DEPLOYMENTS}/{failed}", json={"data": patch})
    history = said(tenant, failed)["history"]
    assert [act["reason"] for act in history] == ["", "second", "first"]
    assert history[0]["change_failure"] is True
    assert history[0]["remediation"]["id"] == remedy


def test_a_patch_that_says_nothing_is_no_verdict(tenant: Tenant):
    id_ = deploy(tenant, "v1", 0)
    patch = {"type": PATCH_TYPE, "attributes": {}}
    assert tenant.ask("PATCH", f"{DEPLOYMENTS}/{id_}", json={"data": patch}).status_code == 202
    assert said(tenant, id_) == {"verdict": None, "history": []}


def test_a_verdict_names_the_failures_that_the_deployment_caused(tenant: Tenant):
    id_ = deploy(tenant, "v1", 0)
    put(tenant, id_, change_failure=True, failure_ids=["f-1", "f-2", "f-1"])
    assert said(tenant, id_)["verdict"]["failure_ids"] == ["f-1", "f-2"]
    explained = tenant.ask("GET", f"{DEPLOYMENTS}/{id_}/explanation").json()["data"]
    assert explained["attributes"]["failure"]["override"]["failure_ids"] == ["f-1", "f-2"]
    put(tenant, id_, change_failure=False, failure_ids=["f-1"])
    assert said(tenant, id_)["verdict"]["failure_ids"] == []
    at = "/data/attributes/failure_ids"
    wrong = [
        ("f-1", problem('error decoding attribute "failure_ids": invalid type string', at)),
        ([1], problem('error decoding attribute "failure_ids": invalid type number', f"{at}/0")),
        (["a b"], problem('attribute "failure_ids" must have ids of failures', f"{at}/0")),
        ([f"f{n}" for n in range(101)], problem(f"{MOST} at most 100 items", at)),
    ]
    for failure_ids, expected in wrong:
        assert_refused(put(tenant, id_, change_failure=True, failure_ids=failure_ids), expected)


def test_no_more_than_a_hundred_acts_are_kept(tenant: Tenant):
    id_ = deploy(tenant, "v1", 0)
    for number in range(103):
        put(tenant, id_, change_failure=number % 2 == 0, reason=str(number))
    history = said(tenant, id_)["history"]
    assert [act["reason"] for act in history] == [str(number) for number in range(102, 2, -1)]


def test_a_verdict_goes_with_its_deployment(tenant: Tenant):
    id_ = deploy(tenant, "v1", 0)
    put(tenant, id_, change_failure=True)
    tenant.ask("DELETE", f"{DEPLOYMENTS}/{id_}")
    assert deploy(tenant, "v1", 0) == id_
    assert said(tenant, id_) == {"verdict": None, "history": []}


def test_a_verdict_outlives_the_document_being_sent_again(tenant: Tenant):
    id_ = deploy(tenant, "v1", 0)
    put(tenant, id_, change_failure=True, reason="seen")
    deploy(tenant, "v1", 0)
    assert said(tenant, id_)["verdict"]["reason"] == "seen"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_of_an_unknown_deployment_nothing_can_be_said(tenant: Tenant, method: str):
    document = {"data": {"type": TYPE, "attributes": {"change_failure": True}}}
    answer = tenant.ask(
        method, f"{DEPLOYMENTS}/nowhere/verdict", json=document if method == "PUT" else None
    )
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["detail"] == "deployment does not exist"


def test_every_problem_of_a_verdict_is_told(tenant: Tenant):
    id_ = deploy(tenant, "v1", 0)
    at = "/data/attributes"
    assert_refused(
        put(tenant, id_, remediation={"type": "rollback"}, reason="x" * 1_025),
        problem('attribute "change_failure" is required', f"{at}/change_failure"),
        problem('attribute "id" or attribute "version" is required', f"{at}/remediation"),
        problem('attribute "reason" must be at most 1024 characters', f"{at}/reason"),
    )
    assert_refused(
        put(tenant, id_, change_failure=True, reason="a\x00b"),
        problem('attribute "reason" must not contain control characters', f"{at}/reason"),
    )
    assert said(tenant, id_)["verdict"] is None
