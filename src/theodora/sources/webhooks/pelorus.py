"""Events for the webhook exporter of Pelorus: deployments and failures of applications."""

from collections.abc import Mapping, Sequence

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import (
    DeploymentFact,
    IncidentFact,
    IncidentStatus,
    WebhookFact,
)
from theodora.sources.webhooks.payload import needed_instant, needed_text, number_at, text_at
from theodora.sources.webhooks.readers import Reader, reader_of

_FAILURES: Mapping[str, IncidentStatus] = {"created": "active", "resolved": "resolved"}


def read_pelorus(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not Pelorus's."""
    read = reader_of(delivery, "X-Pelorus-Event", _READERS, "deployments or failures")
    if isinstance(read, Ignored):
        return read
    return read(delivery.payload, settings)


def _deployment(payload: JsonObject, settings: SourceSettings) -> Sequence[WebhookFact]:
    app, namespace = needed_text(payload, "app"), needed_text(payload, "namespace")
    return [
        DeploymentFact(
            at_ns=needed_instant(payload, "timestamp"),
            number=f"{namespace}/{app}:{number_at(payload, 'timestamp')}",
            status="succeeded",
            service=settings.service_of(app),
            env=settings.env_for(namespace),
            version=text_at(payload, "image_sha"),
        )
    ]


def _commit(_: JsonObject, __: SourceSettings) -> Ignored:
    return Ignored("it names no repository, so its commit cannot be found")


def _failure(payload: JsonObject, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    app, event = needed_text(payload, "app"), needed_text(payload, "failure_event")
    if event not in _FAILURES:
        return Ignored(f"the event {event} does not change a failure")
    service = settings.service_of(app)
    return [
        IncidentFact(
            at_ns=needed_instant(payload, "timestamp"),
            number=f"{app}:{needed_text(payload, 'failure_id')}",
            status=_FAILURES[event],
            services=(service,) if service else (),
            env=settings.env_of(None),
        )
    ]


_READERS: Mapping[str, Reader] = {
    "deploytime": _deployment,
    "committime": _commit,
    "failure": _failure,
}
PELORUS_EVENTS = tuple(event for event, read in _READERS.items() if read is not _commit)
"""Values of the header X-Pelorus-Event that it understands."""
