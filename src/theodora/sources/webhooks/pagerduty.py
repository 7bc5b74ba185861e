"""PagerDuty's V3 webhooks for incidents."""

from collections.abc import Mapping, Sequence

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import IncidentFact, IncidentStatus, WebhookFact
from theodora.sources.webhooks.incidents import counted
from theodora.sources.webhooks.payload import (
    instant_at,
    needed_instant,
    needed_text,
    object_at,
    objects_at,
    text_at,
    value_at,
)

PAGERDUTY_EVENTS = (
    *("incident.triggered", "incident.acknowledged", "incident.unacknowledged"),
    *("incident.resolved", "incident.reopened", "incident.priority_updated"),
    *("incident.service_updated", "incident.incident_type.changed", "incident.escalated"),
    *("incident.delegated", "incident.reassigned"),
)
"""Those whose body has the incident as it is after the event."""

_MAX_NAME = 1_024
_STATUSES: Mapping[str, IncidentStatus] = {
    **dict.fromkeys(("triggered", "acknowledged"), "active"),
    "resolved": "resolved",
}
_MERGED = "merge_resolve_reason"
"""An incident that is resolved for this reason goes on as another one."""


def is_pagerduty(payload: JsonObject) -> bool:
    """Whether a body without anything beside it is PagerDuty's."""
    return isinstance(value_at(payload, "event", "event_type"), str)


def read_pagerduty(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not PagerDuty's."""
    event = object_at(delivery.payload, "event")
    event_type = needed_text(event, "event_type")
    incident = object_at(event, "data")
    if text_at(incident, "type") != "incident":
        return Ignored(f"{event_type} does not have the state of an incident")
    status = needed_text(incident, "status")
    if status not in _STATUSES:
        return Ignored(f"the status {status} is none of an incident")
    is_merged = text_at(incident, "resolve_reason", "type") == _MERGED
    service, team = _service_and_team(incident, delivery.teams, settings)
    return counted(
        IncidentFact(
            at_ns=needed_instant(event, "occurred_at"),
            number=needed_text(incident, "id"),
            status="removed" if is_merged else _STATUSES[status],
            began_at_ns=instant_at(incident, "created_at"),
            services=(service,) if service else (),
            env=delivery.headers.get("dd_env") or settings.env_of(None),
            team=team,
            name=text_at(incident, "title", most=_MAX_NAME),
            severity=text_at(incident, "priority", "summary"),
        ),
        settings,
    )


def _service_and_team(
    incident: JsonObject, known: Mapping[str, str], settings: SourceSettings
) -> tuple[str | None, str | None]:
    """The steps of Datadog's documentation, "Mapping PagerDuty services to Datadog services".

    Its catalogue is here what the settings say: of the source, the services by the URL, the id or
    the name that PagerDuty has for them; of the organisation, the `known` teams of services. A
    known service has the team of the settings, which the event gets without being sent with it.
    """
    names = [text_at(incident, "service", name) for name in ("html_url", "id", "summary")]
    service, summary, team = settings.service_of(*names), names[-1], _team(incident)
    if service in known:
        return service, None
    if service != summary:
        return service, team
    teams = known.values()
    of_team = next((each for each in (team, summary) if each in teams), None)
    return (None, of_team) if of_team else (summary, team)


def _team(incident: JsonObject) -> str | None:
    teams = (text_at(team, "summary") for team in objects_at(incident, "teams"))
    return next((team for team in teams if team), None)
