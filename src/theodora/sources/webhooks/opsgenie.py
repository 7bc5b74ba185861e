"""Webhooks of Opsgenie, and of Jira Service Management, which took its alerts over."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import IncidentFact, IncidentStatus, WebhookFact
from theodora.sources.webhooks.incidents import MAX_NAME, counted, services_of
from theodora.sources.webhooks.payload import (
    instant_at,
    needed_text,
    object_at,
    objects_at,
    text_at,
    texts_at,
    value_at,
)

_STATUSES: Mapping[str, IncidentStatus | None] = {
    "Create": "active",
    **dict.fromkeys(("Acknowledge", "UnAcknowledge", "UpdatePriority", "UpdateMessage"), None),
    "Close": "resolved",
    "Delete": "removed",
}
"""By the action. Others can follow the end, such as a note, so they say nothing of the state."""
OPSGENIE_EVENTS = tuple(_STATUSES)


def read_opsgenie(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not Opsgenie's."""
    action = needed_text(delivery.payload, "action")
    if action not in _STATUSES:
        return Ignored(f"the action {action} does not change an alert")
    alert = object_at(delivery.payload, "alert")
    status, created_at_ns = _STATUSES[action], instant_at(alert, "createdAt")
    at_ns = created_at_ns if status == "active" else instant_at(alert, "updatedAt")
    if at_ns is None:
        return Ignored("the alert does not have the time of its change")
    entity = text_at(alert, "entity") if status == "active" else None
    service = _detail(alert, "service") or entity
    fact = IncidentFact(
        at_ns=at_ns,
        number=needed_text(alert, "alertId"),
        status=status,
        began_at_ns=created_at_ns,
        services=services_of([[text_at(delivery.payload, "integrationName"), service]], settings),
        env=settings.env_of(_detail(alert, "env") or _detail(alert, "environment")),
        team=next(_teams(alert), None),
        name=text_at(alert, "message", most=MAX_NAME),
        severity=_priority(alert),
    )
    if status != "active" and not (fact.services or fact.team):
        # Opsgenie sends details with the first message alone: this one adds to it.
        return [replace(fact, began_at_ns=None)]
    return counted(fact, settings)


def _detail(alert: JsonObject, name: str) -> str | None:
    """A detail of an alert, or its tag `name:value`."""
    tags = (tag.partition(":") for tag in texts_at(alert, "tags"))
    tagged = (value.strip() for key, _, value in tags if key == name)
    return text_at(alert, "details", name) or next((tag for tag in tagged if tag), None)


def _teams(alert: JsonObject) -> Iterator[str]:
    for responder in objects_at(alert, "responders"):
        name = text_at(responder, "name")
        if name and text_at(responder, "type") == "team":
            yield name


def _priority(alert: JsonObject) -> str | None:
    """Such as P3, which some messages write as 3."""
    value = value_at(alert, "priority")
    return f"P{value}" if isinstance(value, int) else text_at(alert, "priority")
