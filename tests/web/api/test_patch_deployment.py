"""Verdicts by hand: patching by id and by version, remediations, and deleting."""

from typing import Any

import pytest

from asking import DEPLOYMENT, DEPLOYMENTS, PATCH_TYPE, SHOPIST, Tenant

START = 1693491974
ROLLBACK = {"type": "rollback", "id": "the-remedy-of-it"}


def deployed(
    tenant: Tenant, version: str, second: int = 0, lasting: int = 10, **attributes: Any
) -> str:
    """The id of a deployment of this version, so many seconds after the first."""
    return tenant.create(
        {
            **SHOPIST,
            "version": version,
            "started_at": START + second,
            "finished_at": START + second + lasting,
            **attributes,
        }
    )


def judge(tenant: Tenant, id_: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """What is said of the deployment after this patch."""
    answer = tenant.patch(id_, attributes)
    assert (answer.status_code, answer.content) == (202, b'{"data":null}')
    return verdict(tenant, id_)


def verdict(tenant: Tenant, id_: str) -> dict[str, Any]:
    """The same from get and from list."""
    got = tenant.get(id_)
    [listed] = [found["attributes"] for found in tenant.found() if found["id"] == id_]
    assert got == listed
    names = ("change_failure", "remediation", "recovery_time_sec")
    return {name: got[name] for name in names if name in got}


FAILED = {"change_failure": True}
SOUND = {"change_failure": False}


def test_a_verdict_is_in_the_next_read(tenant: Tenant) -> None:
    id_ = deployed(tenant, "v1")
    assert judge(tenant, id_, FAILED) == FAILED
    assert judge(tenant, id_, SOUND) == SOUND
    assert tenant.ids(query="change_failure:false") == [id_]
    assert tenant.ids(query="change_failure:true") == []


@pytest.mark.parametrize("path", [DEPLOYMENTS, DEPLOYMENT])
def test_either_path_patches(tenant: Tenant, path: str) -> None:
    id_ = deployed(tenant, "v1")
    document = {"data": {"type": PATCH_TYPE, "attributes": FAILED}}
    assert tenant.ask("PATCH", f"{path}/{id_}", json=document).status_code == 202
    assert verdict(tenant, id_) == FAILED


@pytest.mark.parametrize("path", [DEPLOYMENTS, DEPLOYMENT])
def test_either_path_patches_by_version(tenant: Tenant, path: str) -> None:
    id_ = deployed(tenant, "v1")
    named = {"service": "shopist", "env": "production", "version": "v1"}
    document = {"data": {"type": PATCH_TYPE, "attributes": {**named, **FAILED}}}
    answer = tenant.ask("PATCH", path, json=document)
    assert (answer.status_code, answer.content) == (202, b'{"data":null}')
    assert verdict(tenant, id_) == FAILED


def test_a_patch_sets_what_it_names_and_keeps_the_rest(tenant: Tenant) -> None:
    remedy = deployed(tenant, "v0", 100)
    id_ = deployed(tenant, "v1")
    remediation = {"type": "rollback", "id": remedy}
    expected = {**FAILED, "remediation": remediation, "recovery_time_sec": 100}
    assert judge(tenant, id_, {**FAILED, "remediation": remediation}) == expected
    assert judge(tenant, id_, {}) == expected
    assert judge(tenant, id_, {"change_failure": None, "remediation": None}) == expected
    assert judge(tenant, id_, FAILED) == expected
    assert judge(tenant, id_, {"remediation": {**remediation, "type": "rollforward"}}) == {
        **expected,
        "remediation": {**remediation, "type": "rollforward"},
    }


def test_a_deployment_that_did_not_fail_has_no_remediation(tenant: Tenant) -> None:
    id_ = deployed(tenant, "v1")
    judge(tenant, id_, {**FAILED, "remediation": ROLLBACK})
    assert judge(tenant, id_, SOUND) == SOUND
    assert judge(tenant, id_, FAILED) == FAILED


def test_a_remediation_sent_along_with_no_failure_is_ignored(tenant: Tenant) -> None:
    id_ = deployed(tenant, "v1")
    assert judge(tenant, id_, {**SOUND, "remediation": ROLLBACK}) == SOUND
    assert judge(tenant, id_, FAILED) == FAILED


@pytest.mark.parametrize("id_of_remedy", ["eG42zNIkVjM", "x", "not a form of id/é"])
def test_an_unknown_remediation_is_returned_as_sent(tenant: Tenant, id_of_remedy: str) -> None:
    id_ = deployed(tenant, "v1")
    remediation = {"type": "rollforward", "id": id_of_remedy}
    found = judge(tenant, id_, {**FAILED, "remediation": remediation})
    assert found == {**FAILED, "remediation": {"id": id_of_remedy, "type": "rollforward"}}


def test_a_remedy_that_comes_later_tells_the_time_to_it(tenant: Tenant) -> None:
    id_ = deployed(tenant, "v1")
    judge(tenant, id_, {**FAILED, "remediation": ROLLBACK})
    assert "recovery_time_sec" not in verdict(tenant, id_)
    deployed(tenant, "v0", 50, id=ROLLBACK["id"])
    assert verdict(tenant, id_)["recovery_time_sec"] == 50
    deployed(tenant, "v0", 70, id=ROLLBACK["id"])
    assert verdict(tenant, id_)["recovery_time_sec"] == 70
    assert tenant.delete(ROLLBACK["id"]).status_code == 202
    assert verdict(tenant, id_) == {**FAILED, "remediation": ROLLBACK}


@pytest.mark.parametrize(("second", "recovery"), [(0, 0), (1, 1), (-1, None)])
def test_there_is_no_time_to_a_remedy_that_finished_before(
    tenant: Tenant, second: int, recovery: int | None
) -> None:
    id_ = deployed(tenant, "v1")
    remedy = deployed(tenant, "v0", second)
    found = judge(tenant, id_, {**FAILED, "remediation": {"type": "rollback", "id": remedy}})
    assert found.get("recovery_time_sec") == recovery
    assert found["remediation"]["id"] == remedy


def test_a_version_is_looked_up_when_it_is_read(tenant: Tenant) -> None:
    id_ = deployed(tenant, "v1")
    remediation = {"type": "rollback", "version": "v0"}
    assert judge(tenant, id_, {**FAILED, "remediation": remediation}) == FAILED

    def remedied_by(remedy: str, recovery: int) -> dict[str, Any]:
        linked = {"id": remedy, "type": "rollback"}
        return {**FAILED, "remediation": linked, "recovery_time_sec": recovery}

    first = deployed(tenant, "v0", 20)
    assert verdict(tenant, id_) == remedied_by(first, 20)
    later = deployed(tenant, "v0", 40)
    assert verdict(tenant, id_) == remedied_by(later, 40)
    deployed(tenant, "v0", 60, env="staging")
    deployed(tenant, "v0", 60, service="other")
    deployed(tenant, "v00", 60)
    assert verdict(tenant, id_) == remedied_by(later, 40)
    assert tenant.delete(later).status_code == 202
    assert verdict(tenant, id_) == remedied_by(first, 20)
    assert tenant.delete(first).status_code == 202
    assert verdict(tenant, id_) == FAILED


def test_a_deployment_is_not_its_own_remedy_by_version(tenant: Tenant) -> None:
    id_ = deployed(tenant, "v1")
    assert (
        judge(tenant, id_, {**FAILED, "remediation": {"type": "rollback", "version": "v1"}})
        == FAILED
    )
    again = deployed(tenant, "v1", 30)
    assert verdict(tenant, id_)["remediation"]["id"] == again


def test_of_remedies_that_finished_together_the_greatest_id_counts(tenant: Tenant) -> None:
    id_ = deployed(tenant, "v1")
    for own_id in ("remedy-000000001", "remedy-000000003", "remedy-000000002"):
        deployed(tenant, "v0", 10, id=own_id)
    judge(tenant, id_, {**FAILED, "remediation": {"type": "rollback", "version": "v0"}})
    assert verdict(tenant, id_)["remediation"]["id"] == "remedy-000000003"


def test_a_remedy_that_changes_its_version_is_one_no_more(tenant: Tenant) -> None:
    id_ = deployed(tenant, "v1")
    deployed(tenant, "v0", 10, id="remedy-000000001")
    judge(tenant, id_, {**FAILED, "remediation": {"type": "rollback", "version": "v0"}})
    assert verdict(tenant, id_)["remediation"]["id"] == "remedy-000000001"
    deployed(tenant, "v2", 10, id="remedy-000000001")
    assert verdict(tenant, id_) == FAILED


BY_VERSION = {"service": "shopist", "env": "production", "version": "v1", **FAILED}


def test_of_one_version_the_deployment_that_finished_last_is_patched(tenant: Tenant) -> None:
    others = [
        deployed(tenant, "v1", 0),
        deployed(tenant, "v1", 60, lasting=1),
        deployed(tenant, "v1", 99, env="staging"),
        deployed(tenant, "v1", 99, service="other"),
        deployed(tenant, "v2", 99),
        deployed(tenant, "v1", 99, env=None),
    ]
    last = deployed(tenant, "v1", 30, lasting=60)
    assert tenant.patch_by_version(BY_VERSION).status_code == 202
    assert verdict(tenant, last) == FAILED
    assert all(tenant.get(other)["change_failure"] is not True for other in others)


def test_of_one_version_finished_together_the_greatest_id_is_patched(tenant: Tenant) -> None:
    for own_id in ("deployment-00001", "deployment-00003", "deployment-00002"):
        deployed(tenant, "v1", id=own_id)
    assert tenant.patch_by_version(BY_VERSION).status_code == 202
    assert tenant.ids(query="change_failure:true") == ["deployment-00003"]


@pytest.mark.parametrize(
    "other", [{"service": "SHOPIST"}, {"env": "staging"}, {"version": "v"}, {"version": "v1*"}]
)
def test_a_version_that_is_not_stored_is_not_found(tenant: Tenant, other: dict[str, str]) -> None:
    deployed(tenant, "v1")
    asked = {**BY_VERSION, **other}
    answer = tenant.patch_by_version(asked)
    assert answer.status_code == 404
    [error] = answer.json()["errors"]
    assert error == {
        "status": "404",
        "title": "Not Found",
        "detail": f'deployment of service "{asked["service"]}" in env "{asked["env"]}" '
        f'with version "{asked["version"]}" does not exist',
    }


def test_a_deployment_that_is_not_stored_is_not_found(tenant: Tenant) -> None:
    answers = [
        tenant.ask("GET", f"{DEPLOYMENTS}/0123456789abcdef"),
        tenant.patch("0123456789abcdef", FAILED),
        tenant.delete("0123456789abcdef"),
    ]
    for answer in answers:
        assert answer.status_code == 404
        assert answer.json() == {
            "errors": [
                {"status": "404", "title": "Not Found", "detail": "deployment does not exist"}
            ]
        }


def test_the_id_in_a_patch_may_be_left_out_or_is_that_of_the_path(tenant: Tenant) -> None:
    id_ = deployed(tenant, "v1")
    for data in ({}, {"id": None}, {"id": id_}):
        document = {"data": {**data, "type": PATCH_TYPE, "attributes": {}}}
        assert tenant.ask("PATCH", f"{DEPLOYMENTS}/{id_}", json=document).status_code == 202
    for wrong in ("other", id_.upper() + "x", 7, "", [id_]):
        document = {"data": {"id": wrong, "type": PATCH_TYPE, "attributes": {}}}
        answer = tenant.ask("PATCH", f"{DEPLOYMENTS}/{id_}", json=document)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["source"] == {"pointer": "/data/id"}


@pytest.mark.parametrize("path", [DEPLOYMENT, DEPLOYMENTS])
def test_deleting_is_once_and_for_all(tenant: Tenant, path: str) -> None:
    id_, other = deployed(tenant, "v1"), deployed(tenant, "v2")
    answer = tenant.delete(id_, path)
    assert (answer.status_code, answer.content) == (202, b"")
    assert "content-type" not in answer.headers
    assert tenant.delete(id_, path).status_code == 404
    assert tenant.ask("GET", f"{DEPLOYMENTS}/{id_}").status_code == 404
    assert tenant.ids() == [other]
    assert tenant.ids(query="version:v1") == []


def test_a_deleted_deployment_sent_again_is_a_new_one(tenant: Tenant) -> None:
    id_ = deployed(tenant, "v1")
    created_at = tenant.get(id_)["created_at"]
    judge(tenant, id_, FAILED)
    tenant.delete(id_)
    assert deployed(tenant, "v1") == id_
    assert tenant.get(id_)["created_at"] > created_at
    assert tenant.get(id_)["change_failure"] is not True
