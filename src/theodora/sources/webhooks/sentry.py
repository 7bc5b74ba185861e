"""Sentry's webhooks for issues."""

from collections.abc import Mapping, Sequence

from theodora.events.timestamps import nanoseconds_from_integer
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import IncidentFact, IncidentStatus, WebhookFact
from theodora.sources.webhooks.incidents import MAX_NAME, counted, services_of
from theodora.sources.webhooks.payload import instant_at, needed_text, object_at, text_at

_STATUSES: Mapping[str, IncidentStatus] = {
    **dict.fromkeys(("created", "unresolved"), "active"),
    "resolved": "resolved",
    **dict.fromkeys(("archived", "ignored"), "removed"),
}
"""By the action; an archived issue was called ignored once."""
SENTRY_EVENTS = tuple(f"issue.{action}" for action in _STATUSES)
_SEVERITIES = ("fatal", "error")


def read_sentry(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not Sentry's."""
    resource = delivery.headers.get("sentry-hook-resource", "issue")
    event = f"{resource}.{needed_text(delivery.payload, 'action')}"
    if event not in SENTRY_EVENTS:
        return Ignored(f"{event} does not change when an issue is active")
    status = _STATUSES[event.partition(".")[2]]
    issue = object_at(delivery.payload, "data", "issue")
    is_new = event == SENTRY_EVENTS[0]
    began_at_ns = instant_at(issue, "firstSeen") if is_new else None
    at_ns = began_at_ns or _sent_at_ns(delivery)
    if at_ns is None:
        return Ignored("it has no header Sentry-Hook-Timestamp, and the body has no time")
    names = [text_at(issue, "project", name) for name in ("id", "name", "slug")]
    fact = IncidentFact(
        at_ns=at_ns,
        number=needed_text(issue, "id"),
        status=status,
        # An old issue that comes back did not last from the day on which it was first seen.
        began_at_ns=began_at_ns,
        services=services_of([names], settings),
        env=settings.env_of(None),
        name=text_at(issue, "title", most=MAX_NAME),
        severity=text_at(issue, "level"),
    )
    return counted(fact, settings, severities=_SEVERITIES)


def _sent_at_ns(delivery: Delivery) -> int | None:
    """When Sentry sent it, which it does at once."""
    text = delivery.headers.get("sentry-hook-timestamp", "")
    is_number = text.isascii() and text.isdigit() and len(text) < 20
    return nanoseconds_from_integer(int(text)) if is_number else None
