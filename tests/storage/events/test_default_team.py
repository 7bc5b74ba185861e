"""The team of an event: its own if it was sent with one, else that of its services."""

import time

import pytest

from actors import TESTER
from settling import in_every_state
from theodora.events import Deployment, Failure
from theodora.query import parse, sort_key
from theodora.query.fields import Kind
from theodora.storage import Organisation, Selection, Store
from theodora.storage.events import default_team

pytestmark = in_every_state


def deployment(name: str, service: str = "web", team: str | None = None) -> Deployment:
    return Deployment(id=name, service=service, team=team, started_at_ns=1, finished_at_ns=2)


def failure(name: str, *services: str, team: str | None = None) -> Failure:
    return Failure(id=name, services=services, team=team, started_at_ns=1)


def add(store: Store, org: Organisation, *events: Deployment | Failure) -> None:
    for event in events:
        if isinstance(event, Deployment):
            store.deployments.add(org, event, 1, actor=TESTER).result()
        else:
            store.failures.add(org, event, 1, actor=TESTER).result()


def give(store: Store, org: Organisation, service: str, team: str | None) -> None:
    store.settings.put(org, {"team": team} if team else {}, service, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)


def teams(store: Store, org: Organisation) -> dict[str, str | None]:
    return {event.id: event.team for event in store.deployments.everything(org)}


def found(store: Store, org: Organisation, query: str) -> list[str]:
    sort = sort_key("team", Kind.DEPLOYMENT)
    assert sort
    selection = Selection(query=parse(query), sort=sort, descending=False, limit=10)
    return [event.id for event in store.deployments.select(org, selection)]


def team_of_failure(store: Store, org: Organisation, id_: str) -> str | None:
    """Asked of a failure once everything that was set has taken effect."""
    while store._database.read(
        lambda cursor: cursor.execute("SELECT 1 FROM stale_teams").fetchone()
    ):
        # Upkeep comes between writes.
        time.sleep(0.005)
    return store.failures.get(org, id_).team


def test_an_event_without_a_team_gets_that_of_its_service(store: Store, org: Organisation):
    give(store, org, "web", "storefront")
    add(store, org, deployment("d1"), deployment("d2", team="guests"), deployment("d3", "pay"))
    assert teams(store, org) == {"d1": "storefront", "d2": "guests", "d3": None}
    assert found(store, org, "team:storefront") == ["d1"]
    assert found(store, org, "team:*") == ["d2", "d1"]
    assert found(store, org, "-team:*") == ["d3"]
    assert found(store, org, "STOREFRONT") == ["d1"]
    assert found(store, org, "*") == ["d2", "d1", "d3"]


def test_a_change_of_the_setting_takes_effect_on_what_is_stored(store: Store, org: Organisation):
    add(store, org, deployment("d1"), deployment("d2", team="guests"))
    give(store, org, "web", "storefront")
    assert teams(store, org) == {"d1": "storefront", "d2": "guests"}
    assert found(store, org, "team:storefront") == ["d1"]
    give(store, org, "web", "shop")
    assert teams(store, org) == {"d1": "shop", "d2": "guests"}
    assert found(store, org, "team:storefront") == []
    assert found(store, org, "shop") == ["d1"]
    give(store, org, "web", None)
    assert teams(store, org) == {"d1": None, "d2": "guests"}


def test_the_team_that_is_sent_wins_and_one_left_out_gives_way(store: Store, org: Organisation):
    give(store, org, "web", "storefront")
    add(store, org, deployment("d1", team="guests"))
    assert teams(store, org) == {"d1": "guests"}
    add(store, org, deployment("d1"))
    assert teams(store, org) == {"d1": "storefront"}
    assert (
        store.deployments.add(org, deployment("d1"), 2, actor=TESTER).result().outcome
        == "unchanged"
    )
    add(store, org, deployment("d1", team="storefront"))
    give(store, org, "web", "shop")
    assert teams(store, org) == {"d1": "storefront"}


def test_a_service_wins_over_the_organisation(store: Store, org: Organisation):
    give(store, org, "", "everybody")
    give(store, org, "web", "storefront")
    add(store, org, deployment("d1"), deployment("d2", "pay"), failure("f1", "pay"))
    assert teams(store, org) == {"d1": "storefront", "d2": "everybody"}
    give(store, org, "", "nobody")
    assert teams(store, org) == {"d1": "storefront", "d2": "nobody"}
    assert team_of_failure(store, org, "f1") == "nobody"


def test_a_failure_has_the_team_that_all_its_services_have(store: Store, org: Organisation):
    add(store, org, failure("f1", "web"), failure("f2", "web", "pay"))
    add(store, org, failure("f3", "web", team="guests"), failure("f4", team="guests"))
    give(store, org, "web", "storefront")
    assert team_of_failure(store, org, "f1") == "storefront"
    assert team_of_failure(store, org, "f2") is None
    give(store, org, "pay", "storefront")
    assert team_of_failure(store, org, "f2") == "storefront"
    give(store, org, "pay", "payments")
    assert team_of_failure(store, org, "f2") is None
    assert team_of_failure(store, org, "f3") == team_of_failure(store, org, "f4") == "guests"


def test_many_failures_get_their_team_some_at_a_time(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(default_team, "_AT_ONCE", 25)
    waiting = [store.failures.add(org, failure(f"f{n}", "web"), 1, actor=TESTER) for n in range(60)]
    for each in waiting:
        each.result()
    give(store, org, "web", "storefront")
    assert team_of_failure(store, org, "f59") == "storefront"
    assert {each.team for each in store.failures.everything(org)} == {"storefront"}


def test_another_organisation_has_teams_of_its_own(store: Store, org: Organisation):
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    give(store, other, "web", "storefront")
    give(store, other, "", "everybody")
    add(store, org, deployment("d1"))
    assert teams(store, org) == {"d1": None}
    assert [each.name for each in store.settings.services(org)] == ["web"]
    assert [each.given for each in store.settings.services(org)] == [{}]
