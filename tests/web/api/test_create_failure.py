"""Creating failures: ids, identities, resolving, and what comes back."""

import uuid

import pytest

from asking import FAILURE, FAILURES, Tenant

DOWN = {
    "services": ["shopist"],
    "started_at": 1707842944500000000,
    "finished_at": 1707842964500000000,
    "env": "production",
    "team": "backend",
    "version": "v1.12.07",
    "name": "Webserver is down failing all requests",
    "severity": "SEV-1",
    "git": {
        "commit_sha": "66adc9350f2cc9b250b69abddab733dd55e1a588",
        "repository_url": "https://github.com/organization/example-repository",
        "repository_id": "github.com/organization/example-repository",
    },
    "custom_tags": ["language:java", "region:us-east-1"],
}
OPEN = {name: value for name, value in DOWN.items() if name != "finished_at"}


def created(tenant: Tenant, attributes: dict[str, object]) -> str:
    return tenant.create(attributes, FAILURE)


def stored(tenant: Tenant, id_: str) -> dict[str, object]:
    return tenant.get(id_, FAILURES)


def count(tenant: Tenant) -> int:
    return len(tenant.found(FAILURES))


def test_every_attribute_comes_back_as_it_was_sent_and_in_the_documented_order(
    tenant: Tenant,
) -> None:
    answer = stored(tenant, created(tenant, DOWN))

    assert list(answer) == [*DOWN, "time_to_restore", "source", "created_at"]
    assert isinstance(answer.pop("created_at"), int)
    assert answer == {**DOWN, "time_to_restore": 20, "source": "api"}


def test_what_is_not_sent_is_left_out(tenant: Tenant) -> None:
    answer = stored(tenant, created(tenant, {"team": "backend", "started_at": 1707842944}))

    assert set(answer) == {"team", "started_at", "source", "created_at"}


def test_the_former_name_of_the_operation_does_the_same(tenant: Tenant) -> None:
    assert tenant.create(DOWN, "/api/v2/dora/incident") == created(tenant, DOWN)
    assert count(tenant) == 1


def test_one_service_may_be_sent_as_a_string(tenant: Tenant) -> None:
    alone = {"service": "shopist", "started_at": 1707842944}

    assert stored(tenant, created(tenant, alone))["services"] == ["shopist"]


def test_an_array_of_services_goes_before_a_string(tenant: Tenant) -> None:
    both = {"service": "other", "services": ["shopist"], "started_at": 1707842944}

    assert stored(tenant, created(tenant, both))["services"] == ["shopist"]


def test_an_id_that_the_client_gives_is_kept(tenant: Tenant) -> None:
    id_ = "incident:2024-02-13.1"

    assert created(tenant, {**DOWN, "id": id_}) == id_
    assert created(tenant, {**DOWN, "id": id_, "name": "Another name"}) == id_
    assert stored(tenant, id_)["name"] == "Another name"
    assert count(tenant) == 1


def test_a_failure_sent_without_an_id_replaces_one_of_its_identity_whatever_its_id(
    tenant: Tenant,
) -> None:
    id_ = created(tenant, {**DOWN, "id": "incident:2024-02-13.1"})

    assert created(tenant, {**DOWN, "name": "Another name"}) == id_
    assert stored(tenant, id_)["name"] == "Another name"


def test_an_id_that_the_server_gives_is_a_uuid_of_version_5(tenant: Tenant) -> None:
    assert uuid.UUID(created(tenant, DOWN)).version == 5


@pytest.mark.parametrize(
    "again",
    [
        {"started_at": 1707842944500},
        {"team": "frontend"},
        {"version": "v2"},
        {"name": "Another name"},
        {"severity": "SEV-2"},
        {"git": None},
        {"custom_tags": []},
        {"finished_at": 1707842999},
    ],
    ids=lambda again: next(iter(again)),
)
def test_a_failure_of_the_same_identity_replaces_the_former(
    tenant: Tenant, again: dict[str, object]
) -> None:
    first = created(tenant, DOWN)
    before = stored(tenant, first)

    assert created(tenant, {**DOWN, **again}) == first
    assert count(tenant) == 1
    assert stored(tenant, first)["created_at"] == before["created_at"]


@pytest.mark.parametrize(
    "other",
    [
        {"started_at": 1707842944500000001},
        {"env": "staging"},
        {"services": ["shopist", "api-service"]},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_failure_of_another_identity_is_another_failure(
    tenant: Tenant, other: dict[str, object]
) -> None:
    assert created(tenant, DOWN) != created(tenant, {**DOWN, **other})
    assert count(tenant) == 2


def test_the_order_of_services_is_kept_but_does_not_make_another_failure(
    tenant: Tenant,
) -> None:
    first = created(tenant, {**DOWN, "services": ["shopist", "api-service"]})

    assert created(tenant, {**DOWN, "services": ["api-service", "shopist", "shopist"]}) == first
    assert stored(tenant, first)["services"] == ["api-service", "shopist"]


def test_without_services_the_team_tells_failures_apart(tenant: Tenant) -> None:
    backend, frontend = (
        created(tenant, {"team": team, "started_at": 1707842944}) for team in ("backend", "web")
    )

    assert backend != frontend


def test_sending_it_again_with_an_end_resolves_a_failure(tenant: Tenant) -> None:
    id_ = created(tenant, OPEN)
    assert {"finished_at", "time_to_restore"}.isdisjoint(stored(tenant, id_))

    assert created(tenant, DOWN) == id_

    answer = stored(tenant, id_)
    assert (answer["finished_at"], answer["time_to_restore"]) == (1707842964500000000, 20)


def test_resolving_replaces_the_document_as_a_whole(tenant: Tenant) -> None:
    id_ = created(tenant, OPEN)
    end = {name: DOWN[name] for name in ("services", "env", "started_at", "finished_at")}

    assert created(tenant, end) == id_

    assert {"name", "severity", "team", "git", "custom_tags"}.isdisjoint(stored(tenant, id_))


@pytest.mark.parametrize("path", ["failure", "failures"])
def test_a_deleted_failure_is_gone_and_may_come_again(tenant: Tenant, path: str) -> None:
    id_ = created(tenant, DOWN)
    url = f"/api/v2/dora/{path}/{id_}"

    answer = tenant.ask("DELETE", url)
    again = tenant.ask("DELETE", url)

    assert (answer.status_code, answer.content) == (202, b"")
    assert again.status_code == 404
    assert again.json() == {
        "errors": [{"status": "404", "title": "Not Found", "detail": "failure does not exist"}]
    }
    assert tenant.ask("GET", f"{FAILURES}/{id_}").status_code == 404
    assert created(tenant, DOWN) == id_


INCIDENT = {**OPEN, "id": "incident-0000001"}


def test_one_id_for_failures_of_several_services_keeps_every_one(tenant: Tenant) -> None:
    others = [{**INCIDENT, "services": [name]} for name in ("pay", "web")]
    first, *ids = (created(tenant, each) for each in (INCIDENT, *others))
    assert first == INCIDENT["id"]
    assert len({first, *ids}) == 3
    resolved = {"finished_at": DOWN["finished_at"]}
    assert [created(tenant, {**each, **resolved}) for each in others] == ids
    assert sorted(tenant.ids(FAILURES)) == sorted([first, *ids])
    assert created(tenant, {**INCIDENT, "env": "staging"}) not in {first, *ids}


def test_a_failure_that_spreads_to_more_services_stays_one(tenant: Tenant) -> None:
    first = created(tenant, INCIDENT)
    other = created(tenant, {**INCIDENT, "services": ["pay"]})
    assert created(tenant, {**INCIDENT, "services": ["pay"], "severity": "SEV-2"}) == other
    assert created(tenant, {**INCIDENT, "services": ["shopist", "web"]}) == first
    assert created(tenant, {**INCIDENT, "services": ["web"]}) == first
    assert created(tenant, {**INCIDENT, "services": ["web", "pay"]}) == first
    assert created(tenant, {**INCIDENT, "services": ["pay"]}) == other
    of_team = {name: value for name, value in INCIDENT.items() if name != "services"}
    assert created(tenant, of_team) == first
    assert len(tenant.ids(FAILURES)) == 2
