"""Jira's webhooks for issues that are incidents."""

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

_DELETED = "jira:issue_deleted"
JIRA_EVENTS = ("jira:issue_created", "jira:issue_updated", _DELETED)
_TYPES = ("Incident", "[System] Incident")
"""The second one is what Jira Service Management calls it."""
_NO_INCIDENT = ("duplicate", "declined", "won't do", "canceled", "cancelled")
"""Resolutions, in lower case, of what was no incident of its own."""


def read_jira(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not Jira's."""
    payload = delivery.payload
    event = needed_text(payload, "webhookEvent")
    if event not in JIRA_EVENTS:
        return Ignored(f"{event} does not have the state of an issue")
    number, fields = needed_text(payload, "issue", "id"), object_at(payload, "issue", "fields")
    at_ns = instant_at(payload, "timestamp") or needed_instant(fields, "updated")
    types = settings.types or _TYPES
    type_ = needed_text(fields, "issuetype", "name")
    if type_ not in types:
        if _former_type(payload) in types:
            return [IncidentFact(at_ns=at_ns, number=number, status="removed")]
        return Ignored(f"the type {type_} is no incident")
    fact = IncidentFact(
        at_ns=at_ns,
        number=number,
        status="removed" if event == _DELETED else _status(fields),
        began_at_ns=instant_at(fields, "created"),
        services=_services(fields, settings),
        env=settings.env_of(None),
        name=text_at(fields, "summary", most=MAX_NAME),
        severity=text_at(fields, "priority", "name"),
    )
    return counted(fact, settings, ended_at_ns=instant_at(fields, "resolutiondate"))


def _status(fields: JsonObject) -> IncidentStatus:
    """The category of the status decides: the names of statuses are free.

    Old servers have no categories, but the date of a resolution.
    """
    category = text_at(fields, "status", "statusCategory", "key")
    is_done = category == "done" if category else bool(text_at(fields, "resolutiondate"))
    if not is_done:
        return "active"
    resolution = text_at(fields, "resolution", "name") or ""
    return "removed" if resolution.lower() in _NO_INCIDENT else "resolved"


def _services(fields: JsonObject, settings: SourceSettings) -> tuple[str, ...]:
    """The components; without any, what the settings say of the project."""
    key = text_at(fields, "project", "key")
    components = (text_at(each, "name") for each in objects_at(fields, "components"))
    named = [[name, key, name] for name in components if name]
    return services_of(named or [[key, None]], settings)


def _former_type(payload: JsonObject) -> str | None:
    """The type that an update took from the issue."""
    changes = objects_at(payload, "changelog", "items")
    types = (text_at(each, "fromString") for each in changes if each.get("field") == "issuetype")
    return next(types, None)
