"""PagerDuty's webhooks: services, teams, environments, and what is ignored."""

from typing import Any

import pytest

from deliveries import Delivery, incident, reading
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings
from theodora.sources.webhooks.facts import IncidentFact, decode_fact


def told(delivery: Delivery, settings: SourceSettings = DEFAULT_SETTINGS) -> IncidentFact:
    [fact] = reading("pagerduty", delivery, settings).facts
    found = decode_fact(fact.document)
    assert isinstance(found, IncidentFact)
    return found


def test_a_service_has_the_name_that_settings_give_to_its_url_its_id_or_its_name() -> None:
    sent = incident("triggered", 1)
    assert told(sent).services == ("checkout",)
    for name in ("checkout", "P1", "https://acme.example/P1"):
        assert told(sent, SourceSettings(services={name: "web"})).services == ("web",)
    most_precise = SourceSettings(services={"checkout": "name", "https://acme.example/P1": "url"})
    assert told(sent, most_precise).services == ("url",)
    assert told(sent, SourceSettings(service="all")).services == ("all",)


def test_a_header_or_the_settings_give_the_environment() -> None:
    sent = incident("triggered", 1)
    assert told(sent).env is None
    settings = SourceSettings(env="staging")
    assert told(sent, settings).env == "staging"
    assert told(Delivery({"dd_env": "production"}, sent.payload), settings).env == "production"


def test_severity_is_the_priority_and_the_team_the_first_one() -> None:
    assert told(incident("triggered", 1)).severity is None
    given: dict[str, Any] = {"priority": {"summary": "P1"}, "teams": [{"summary": "Payments"}]}
    found = told(incident("triggered", 1, **given))
    assert (found.severity, found.team) == ("P1", "Payments")


TEAMS = {"checkout": "Shop", "cart": "Payments"}


@pytest.mark.parametrize(
    ("name", "team", "services", "own_team"),
    [
        ("checkout", "Elsewhere", ("checkout",), None),
        ("Unknown", "Payments", (), "Payments"),
        ("Payments", "", (), "Payments"),
        ("Payments", "Shop", (), "Shop"),
        ("Unknown", "Elsewhere", ("Unknown",), "Elsewhere"),
        ("Unknown", "", ("Unknown",), None),
    ],
)
def test_services_and_teams_are_matched_in_datadogs_steps(
    name: str, team: str, services: tuple[str, ...], own_team: str | None
) -> None:
    sent = incident("triggered", 1, service={"summary": name}, teams=[{"summary": team}])
    found = told(sent._replace(teams=TEAMS))
    assert (found.services, found.team) == (services, own_team)


def test_a_service_that_the_source_names_keeps_its_team() -> None:
    given: dict[str, Any] = {"teams": [{"summary": "Payments"}]}
    sent = incident("triggered", 1, **given)._replace(teams=TEAMS)
    found = told(sent, SourceSettings(services={"P1": "web"}))
    assert (found.services, found.team) == (("web",), "Payments")
    found = told(sent, SourceSettings(services={"P1": "cart"}))
    assert (found.services, found.team) == (("cart",), None)


def test_a_long_title_on_several_lines_is_cut() -> None:
    assert (
        told(incident("triggered", 1, title="Down\n" + "x" * 2_000)).name == "Down " + "x" * 1_019
    )


def test_what_has_no_state_of_an_incident_is_ignored() -> None:
    ping = Delivery({}, {"event": {"event_type": "pagey.ping", "data": {"message": "Hello"}}})
    note: dict[str, Any] = {"type": "incident_note", "id": "N1"}
    for delivery in (ping, incident("annotated", 2, **note)):
        assert reading("pagerduty", delivery).state == "ignored"
    assert reading("pagerduty", incident("triggered", 1, status="unheard")).state == "ignored"
    assert reading("pagerduty", Delivery({}, {"event": []})).state == "failed"
