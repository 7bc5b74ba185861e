"""Rootly's webhooks for incidents."""

from collections.abc import Mapping, Sequence

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import IncidentFact, IncidentStatus, WebhookFact
from theodora.sources.webhooks.incidents import MAX_NAME, counted, named_at, services_of
from theodora.sources.webhooks.payload import (
    instant_at,
    needed_instant,
    needed_text,
    object_at,
    objects_at,
    text_at,
)

_DELETED = "incident.deleted"
ROOTLY_EVENTS = (
    *("incident.created", "incident.updated", "incident.mitigated", "incident.resolved"),
    *("incident.cancelled", _DELETED),
)
_STATUSES: Mapping[str, IncidentStatus] = {
    **dict.fromkeys(("started", "acknowledged"), "active"),
    **dict.fromkeys(("mitigated", "resolved", "closed"), "resolved"),
    "cancelled": "removed",
}
"""`in_triage` says that it may become an incident."""
_UNREAL = ("test", "example", "scheduled")
"""How kinds begin that are no incidents: exercises and maintenance."""


def read_rootly(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not Rootly's."""
    event = needed_text(delivery.payload, "event", "type")
    if event not in ROOTLY_EVENTS:
        return Ignored(f"{event} does not have the state of an incident")
    incident = object_at(delivery.payload, "data")
    kind = text_at(incident, "kind") or ""
    if kind.startswith(_UNREAL):
        return Ignored(f"the kind {kind} is no incident")
    status = "cancelled" if event == _DELETED else needed_text(incident, "status")
    if status not in _STATUSES:
        return Ignored(f"the status {status} is none of an incident")
    fact = IncidentFact(
        at_ns=needed_instant(delivery.payload, "event", "issued_at"),
        number=needed_text(incident, "id"),
        status=_STATUSES[status],
        began_at_ns=instant_at(incident, "started_at") or instant_at(incident, "created_at"),
        services=services_of(map(_names, objects_at(incident, "services")), settings),
        env=settings.env_of(_first(incident, "environments")),
        team=_first(incident, "groups"),
        name=text_at(incident, "title", most=MAX_NAME),
        severity=named_at(incident, "severity"),
    )
    ended_at_ns = instant_at(incident, "mitigated_at") or instant_at(incident, "resolved_at")
    return counted(fact, settings, ended_at_ns=ended_at_ns)


def _names(service: JsonObject) -> Sequence[str | None]:
    return [text_at(service, name) for name in ("id", "slug", "name")]


def _first(incident: JsonObject, member: str) -> str | None:
    names = (text_at(each, "name") for each in objects_at(incident, member))
    return next((name for name in names if name), None)
