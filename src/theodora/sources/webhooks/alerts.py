"""Alerts of Prometheus's Alertmanager and of Grafana, which sends them in the same form."""

from collections.abc import Sequence

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import IncidentFact, WebhookFact
from theodora.sources.webhooks.incidents import MAX_NAME, services_of, uncounted_reason
from theodora.sources.webhooks.payload import (
    instant_at,
    needed_instant,
    needed_text,
    object_at,
    objects_at,
    text_at,
)

ALERTS = ("firing", "resolved")
_SEVERITIES = ("critical", "page")
_UNEVALUATED = ("DatasourceNoData", "DatasourceError")
"""Alerts with which Grafana says that it cannot evaluate a rule."""


def read_alerts(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery: each alert of the group is an incident of its own.

    A group has no id that lasts: it grows, shrinks and begins again. Raises `Invalid` for alerts
    without an id or a start.
    """
    alerts = list(objects_at(delivery.payload, "alerts"))
    if not alerts:
        return Ignored("it has no list of alerts, which alone have times")
    found = [_alert(alert, settings) for alert in alerts]
    facts = [each for each in found if isinstance(each, IncidentFact)]
    reasons = dict.fromkeys(each.reason for each in found if isinstance(each, Ignored))
    return facts or Ignored("; ".join(reasons))


def alert_by_alert(payload: JsonObject) -> Sequence[JsonObject]:
    """A payload for each alert, which has the members of the alert beside those of the group."""
    alerts = [{**payload, **each, "alerts": [each]} for each in objects_at(payload, "alerts")]
    return alerts or [payload]


def _alert(alert: JsonObject, settings: SourceSettings) -> IncidentFact | Ignored:
    """One alert. Its labels never change: with others it is another alert."""
    labels = object_at(alert, "labels")
    name = text_at(labels, "alertname")
    if name == "TestAlert" and text_at(labels, "instance") == "Grafana":
        return Ignored("a test notification is no alert")
    if name in _UNEVALUATED:
        return Ignored(f"{name} says that a rule cannot be evaluated, not that a service fails")
    began_at_ns = needed_instant(alert, "startsAt")
    is_firing = needed_text(alert, "status") == "firing"
    at_ns = began_at_ns if is_firing else instant_at(alert, "endsAt")
    if at_ns is None:
        return Ignored("a resolved alert does not say when it ended")
    fact = IncidentFact(
        at_ns=at_ns,
        # What fires again has the same fingerprint and another start.
        number=f"{needed_text(alert, 'fingerprint')}-{began_at_ns // 10**9}",
        status="active" if is_firing else "resolved",
        began_at_ns=began_at_ns,
        services=services_of([[name, _label(labels, "service", "job")]], settings),
        env=settings.env_of(_label(labels, "env", "environment")),
        team=_label(labels, "team"),
        name=text_at(alert, "annotations", "summary", most=MAX_NAME) or name,
        severity=_label(labels, "severity"),
    )
    reason = uncounted_reason(fact, settings, _SEVERITIES)
    return Ignored(reason) if reason else fact


def _label(labels: JsonObject, *names: str) -> str | None:
    values = (text_at(labels, name) for name in names)
    return next((value for value in values if value), None)
