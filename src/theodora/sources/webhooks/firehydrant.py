"""FireHydrant's webhooks for incidents."""

from collections.abc import Sequence

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import IncidentFact, WebhookFact
from theodora.sources.webhooks.incidents import MAX_NAME, counted, named_at, services_of
from theodora.sources.webhooks.payload import (
    instant_at,
    needed_instant,
    needed_text,
    object_at,
    objects_at,
    text_at,
)

FIREHYDRANT_EVENTS = ("incident",)
_ENDS = ("mitigated", "resolved")
"""Milestones that end it, the first one that is known."""
_AT_WORK = ("started", "detected", "acknowledged", "investigating", "identified")
"""Milestones before those. Other names are free: they count as after an end that is known."""
_UNREAL = ("GAMEDAY", "MAINTENANCE")
"""Severities of exercises and of planned work."""


def read_firehydrant(
    delivery: Delivery, settings: SourceSettings
) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not FireHydrant's."""
    resource = needed_text(delivery.payload, "event", "resource_type")
    if resource != "incident":
        return Ignored(f"{resource} does not have the state of an incident")
    incident = object_at(delivery.payload, "data", "incident")
    severity = named_at(incident, "severity")
    if severity in _UNREAL:
        return Ignored(f"the severity {severity} is no incident")
    milestone = needed_text(incident, "current_milestone")
    times = {
        text_at(each, "type"): instant_at(each, "occurred_at")
        for each in objects_at(incident, "milestones")
    }
    end_ns = next((end for end in map(times.get, _ENDS) if end), None)
    is_over = milestone in _ENDS or (milestone not in _AT_WORK and end_ns is not None)
    fact = IncidentFact(
        at_ns=needed_instant(incident, "updated_at"),
        number=needed_text(incident, "id"),
        status="resolved" if is_over else "active",
        began_at_ns=times.get("started")
        or instant_at(incident, "started_at")
        or instant_at(incident, "created_at"),
        services=services_of(map(_names, objects_at(incident, "services")), settings),
        env=settings.env_of(_first(incident, "environments", "name")),
        team=_first(incident, "team_assignments", "team_name"),
        name=text_at(incident, "name", most=MAX_NAME),
        severity=severity,
    )
    return counted(fact, settings, ended_at_ns=end_ns)


def _names(service: JsonObject) -> Sequence[str | None]:
    return [text_at(service, name) for name in ("id", "name")]


def _first(incident: JsonObject, member: str, name: str) -> str | None:
    names = (text_at(each, name) for each in objects_at(incident, member))
    return next((name for name in names if name), None)
