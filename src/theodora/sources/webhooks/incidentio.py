"""incident.io's webhooks for incidents."""

from collections.abc import Iterator, Mapping, Sequence

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

INCIDENTIO_EVENTS = (
    "public_incident.incident_created_v2",
    "public_incident.incident_updated_v2",
    "public_incident.incident_status_updated_v2",
)
_STATUSES: Mapping[str, IncidentStatus] = {
    **dict.fromkeys(("live", "paused"), "active"),
    **dict.fromkeys(("learning", "closed"), "resolved"),
    **dict.fromkeys(("declined", "merged", "canceled"), "removed"),
}
"""By the category: the names of statuses are free. `triage` says that it may become an incident."""
_UNREAL = {
    "test": "a test is no incident",
    "tutorial": "a tutorial is no incident",
    "stream": "a stream is a part of another incident",
}
"""By the mode."""
_STARTS = ("impact started at", "reported at")
_END = "resolved at"


def read_incidentio(
    delivery: Delivery, settings: SourceSettings
) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not incident.io's."""
    event = needed_text(delivery.payload, "event_type")
    if event.startswith("private_incident."):
        return Ignored("of a private incident it says nothing but the id")
    if event not in INCIDENTIO_EVENTS:
        return Ignored(f"{event} does not have the state of an incident")
    data = object_at(delivery.payload, event)
    incident = object_at(data, "incident") or data
    if unreal := _UNREAL.get(text_at(incident, "mode") or ""):
        return Ignored(unreal)
    category = _category(incident, "incident_status")
    if category not in _STATUSES:
        return Ignored(f"the status {category} is none of an incident")
    status = _STATUSES[category]
    is_change = event != INCIDENTIO_EVENTS[1] and _category(data, "previous_status") != category
    times = dict(_times(incident))
    starts = (times.get(name) for name in _STARTS)
    fact = IncidentFact(
        at_ns=needed_instant(incident, "updated_at"),
        number=needed_text(incident, "id"),
        # An update that changes no status must not reopen what ended before it was written.
        status=status if status != "active" or is_change else None,
        began_at_ns=next((at_ns for at_ns in starts if at_ns), instant_at(incident, "created_at")),
        services=services_of(([name] for name in _custom(incident, "service")), settings),
        env=settings.env_of(next(_custom(incident, "environment"), None)),
        team=next(_custom(incident, "team"), None),
        name=text_at(incident, "name", most=MAX_NAME),
        severity=named_at(incident, "severity"),
    )
    return counted(fact, settings, ended_at_ns=times.get(_END))


def _category(payload: JsonObject, status: str) -> str:
    """The category of a status; where a message has none, its name."""
    found = text_at(payload, status, "category") or text_at(payload, status, "name")
    return (found or "").lower()


def _times(incident: JsonObject) -> Iterator[tuple[str, int]]:
    for each in objects_at(incident, "incident_timestamp_values"):
        name = text_at(each, "incident_timestamp", "name")
        at_ns = instant_at(each, "value", "value")
        if name and at_ns:
            yield name.lower(), at_ns


def _custom(incident: JsonObject, word: str) -> Iterator[str]:
    """The values of the custom fields whose name has this word."""
    for entry in objects_at(incident, "custom_field_entries"):
        if word not in (text_at(entry, "custom_field", "name") or "").lower():
            continue
        for value in objects_at(entry, "values"):
            name = text_at(value, "value_option", "value") or text_at(
                value, "value_catalog_entry", "name"
            )
            if name := name or text_at(value, "value_text"):
                yield name
