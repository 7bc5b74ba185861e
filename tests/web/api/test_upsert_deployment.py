"""Sending deployments again: what replaces what, and what survives."""

import itertools
import uuid
from typing import Any

import pytest

from actors import TESTER
from asking import DEPLOYMENTS, DERIVED, SHOPIST, Tenant
from theodora.events.attributes import read_deployment

OWN_ID = {"id": "chosen-by-client"}


def sent(tenant: Tenant, id_: str) -> dict[str, Any]:
    """What was sent of a stored deployment."""
    own = {"source", "created_at", "duration"}
    found = {name: value for name, value in tenant.get(id_).items() if name not in DERIVED | own}
    if "git" in found:
        found["git"].pop("repository_id")
    return found


def test_an_id_follows_from_organisation_and_identity(tenant: Tenant) -> None:
    uuid_of_org = tenant.ask("GET", "/api/v2/validate").json()["data"]["id"]
    assert uuid.UUID(uuid_of_org).version == 4
    identity = read_deployment(SHOPIST).identity(uuid_of_org)
    assert tenant.create(SHOPIST) == identity[:16]


@pytest.mark.parametrize("own_id", [{}, OWN_ID])
def test_sending_again_changes_nothing(tenant: Tenant, own_id: dict[str, str]) -> None:
    id_ = tenant.create({**SHOPIST, **own_id})
    before = tenant.everything()
    assert [tenant.create({**SHOPIST, **own_id}) for _ in range(3)] == [id_] * 3
    assert [tenant.get(id_)["created_at"]] == [before[0]["attributes"]["created_at"]]
    assert tenant.ids() == [id_]
    assert sent(tenant, id_) == SHOPIST


CHANGES = {
    "service": "other",
    "env": "staging",
    "team": None,
    "version": None,
    "started_at": 1693491973000000000,
    "finished_at": 1693491985000000000,
    "git": {"commit_sha": "f" * 40, "repository_url": "https://example.com/a"},
    "custom_tags": ["other:tag"],
}
IDENTITY = {"service", "env", "version", "started_at", "finished_at", "git"}


PLACE = {"service", "env"}
"""Within one service and env an id of a client stands for one event."""


@pytest.mark.parametrize("name", sorted(CHANGES.keys() - PLACE))
def test_with_an_id_everything_is_as_newly_sent(tenant: Tenant, name: str) -> None:
    id_ = tenant.create({**SHOPIST, **OWN_ID})
    created_at = tenant.get(id_)["created_at"]
    changed = {**SHOPIST, **OWN_ID, name: CHANGES[name]}
    assert tenant.create(changed) == id_
    expected = {key: value for key, value in changed.items() if value is not None and key != "id"}
    assert sent(tenant, id_) == expected
    assert tenant.get(id_)["created_at"] == created_at
    assert tenant.ids() == [id_]


@pytest.mark.parametrize("name", CHANGES)
def test_without_an_id_the_same_identity_is_replaced_and_another_is_another(
    tenant: Tenant, name: str
) -> None:
    id_ = tenant.create(SHOPIST)
    again = tenant.create({**SHOPIST, name: CHANGES[name]})
    assert (again != id_) == (name in IDENTITY)
    assert len(tenant.ids()) == (2 if name in IDENTITY else 1)


def test_what_was_replaced_is_no_longer_found(tenant: Tenant) -> None:
    tenant.create({**SHOPIST, **OWN_ID})
    tenant.create({**SHOPIST, **OWN_ID, "version": "v2", "custom_tags": ["new:tag"]})
    assert tenant.ids(query="version:v1.12.07") == []
    assert tenant.ids(query="language:java") == []
    assert tenant.ids(query="version:v2 new:tag") == [OWN_ID["id"]]


def test_without_an_id_the_event_of_the_same_identity_is_replaced_whatever_its_id(
    tenant: Tenant,
) -> None:
    id_ = tenant.create({**SHOPIST, **OWN_ID})
    assert tenant.create({**SHOPIST, "team": "other"}) == id_
    assert tenant.ids() == [id_]
    assert tenant.get(id_)["team"] == "other"


def test_of_several_with_the_same_identity_the_latest_received_is_replaced(tenant: Tenant) -> None:
    ids = [f"chosen-by-client-{letter}" for letter in "bca"]
    for id_ in ids:
        tenant.create({**SHOPIST, "id": id_})
    assert tenant.create(SHOPIST) == ids[-1]
    tenant.create({**SHOPIST, "id": ids[0]})
    assert tenant.create(SHOPIST) == ids[0]
    assert len(tenant.ids()) == 3


def test_an_id_that_a_client_has_taken_is_not_given_to_another_event(tenant: Tenant) -> None:
    id_ = tenant.create(SHOPIST)
    tenant.create({**SHOPIST, "id": id_, "version": "another"})
    other = tenant.create(SHOPIST)
    assert other != id_
    assert tenant.create(SHOPIST) == other
    assert tenant.get(id_)["version"] == "another"
    assert len(tenant.ids()) == 2


def test_a_replacement_keeps_a_verdict_by_hand(tenant: Tenant) -> None:
    id_ = tenant.create(SHOPIST)
    remediation = {"id": "unknown-remedy", "type": "rollforward"}
    tenant.patch(id_, {"change_failure": True, "remediation": remediation})
    tenant.create({**SHOPIST, "team": "other"})
    found = tenant.get(id_)
    assert (found["team"], found["change_failure"]) == ("other", True)
    assert found["remediation"] == remediation


def test_two_deployments_of_one_second_that_differ_in_version_are_two(tenant: Tenant) -> None:
    ids = {tenant.create({**SHOPIST, "version": version}) for version in ("a", "b", None)}
    assert len(ids) == len(tenant.ids()) == 3


def test_a_blank_id_is_no_id(tenant: Tenant) -> None:
    ids = {tenant.create({**SHOPIST, "id": blank}) for blank in (None, "", "  ")}
    assert len(ids) == 1


def test_a_get_after_a_create_sees_it_every_time(tenant: Tenant) -> None:
    for number in range(30):
        id_ = tenant.create({**SHOPIST, "version": str(number)})
        assert tenant.ask("GET", f"{DEPLOYMENTS}/{id_}").status_code == 200
        assert tenant.ids(query=f"version:{number}") == [id_]


RELEASE = [{**SHOPIST, **OWN_ID, "service": service} for service in ("web", "api", "jobs")]


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
def test_one_id_for_several_services_keeps_every_event_in_any_order(
    tenant: Tenant, order: tuple[int, ...]
) -> None:
    ids = {place: tenant.create(RELEASE[place]) for place in order}
    assert ids[order[0]] == OWN_ID["id"]
    uuid_of_org = tenant.ask("GET", "/api/v2/validate").json()["data"]["id"]
    for place in order[1:]:
        assert ids[place] == read_deployment(RELEASE[place]).identity(uuid_of_org)[:16]
    assert {place: tenant.create(RELEASE[place]) for place in reversed(order)} == ids
    assert sorted(tenant.ids()) == sorted(ids.values())
    assert {tenant.get(ids[place])["service"] for place in order} == {"web", "api", "jobs"}


def test_an_event_that_got_another_id_is_found_by_the_one_it_came_with(tenant: Tenant) -> None:
    web, api, _ = RELEASE
    tenant.create(web)
    id_ = tenant.create(api)
    assert tenant.create({**api, "version": "v2"}) == id_
    assert tenant.get(id_)["version"] == "v2"
    assert tenant.create({**api, "env": "staging"}) not in {id_, OWN_ID["id"]}
    tenant.ask("DELETE", f"{DEPLOYMENTS}/{OWN_ID['id']}")
    assert tenant.create({**api, "version": "v3"}) == id_
    assert tenant.create(web) == OWN_ID["id"]


def test_an_id_made_from_an_identity_is_not_taken_from_another_event(tenant: Tenant) -> None:
    web, api, jobs = RELEASE
    tenant.create(web)
    made = tenant.create(api)
    tenant.ask("DELETE", f"{DEPLOYMENTS}/{made}")
    tenant.create({**jobs, "id": made})
    other = tenant.create(api)
    assert other not in {made, OWN_ID["id"]}
    assert tenant.create(api) == other
    assert tenant.get(made)["service"] == "jobs"


def test_without_an_id_the_event_that_got_another_one_is_replaced(tenant: Tenant) -> None:
    web, api, _ = RELEASE
    plain = {name: value for name, value in api.items() if name != "id"}
    sent_plain = tenant.create(plain)
    tenant.create(web)
    assert tenant.create(api) == sent_plain
    assert tenant.create(plain) == sent_plain
    assert tenant.create({**api, "version": "v2"}) == sent_plain
    assert len(tenant.ids()) == 2


def test_writes_of_one_commit_see_each_other(tenant: Tenant) -> None:
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    events = [read_deployment(event) for event in [*RELEASE, *RELEASE]]
    placed = [
        each.result()
        for each in [store.deployments.add(org, event, 1, actor=TESTER) for event in events]
    ]
    assert [each.outcome for each in placed] == ["added"] * 3 + ["unchanged"] * 3
    assert len({each.now.event.id for each in placed}) == 3
