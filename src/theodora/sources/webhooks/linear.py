"""Linear's webhooks for issues that are incidents."""

from collections.abc import Sequence

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import IncidentFact, IncidentStatus, WebhookFact
from theodora.sources.webhooks.incidents import MAX_NAME, counted, services_of
from theodora.sources.webhooks.payload import (
    instant_at,
    needed_instant,
    needed_text,
    object_at,
    objects_at,
    text_at,
)

LINEAR_EVENTS = ("Issue",)
_LABELS = ("incident",)
_ENDS: dict[str, IncidentStatus] = {
    "completed": "resolved",
    **dict.fromkeys(("canceled", "duplicate"), "removed"),
}
"""By the type of the state: the names of states are free."""
_NO_PRIORITY = "No priority"


def read_linear(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not Linear's."""
    payload = delivery.payload
    type_ = needed_text(payload, "type")
    if type_ not in LINEAR_EVENTS:
        return Ignored(f"{type_} does not have the state of an issue")
    issue = object_at(payload, "data")
    number = needed_text(issue, "id")
    at_ns = needed_instant(payload, "createdAt")
    counting = {label.casefold() for label in settings.types or _LABELS}
    labels = {(text_at(label, "name") or "").casefold() for label in objects_at(issue, "labels")}
    if not counting & labels:
        if "labelIds" in object_at(payload, "updatedFrom"):
            return [IncidentFact(at_ns=at_ns, number=number, status="removed")]
        return Ignored("no label says that the issue is an incident")
    state, is_removed = needed_text(issue, "state", "type"), payload.get("action") == "remove"
    priority = text_at(issue, "priorityLabel")
    fact = IncidentFact(
        at_ns=at_ns,
        number=number,
        status="removed" if is_removed else _ENDS.get(state, "active"),
        began_at_ns=instant_at(issue, "createdAt"),
        services=services_of([_places(issue)], settings),
        env=settings.env_of(None),
        team=text_at(issue, "team", "name"),
        name=text_at(issue, "title", most=MAX_NAME),
        severity=None if priority == _NO_PRIORITY else priority,
    )
    return counted(fact, settings, ended_at_ns=instant_at(issue, "completedAt"))


def _places(issue: JsonObject) -> Sequence[str | None]:
    """What the settings may give a service to; Linear itself knows none."""
    return [text_at(issue, "project", "name"), text_at(issue, "team", "key"), None]
