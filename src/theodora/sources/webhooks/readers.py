"""Readers of one event each, found by the header that names the event."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import WebhookFact

Reader: TypeAlias = Callable[[JsonObject, SourceSettings], Sequence[WebhookFact] | Ignored]


def reader_of(
    delivery: Delivery, header: str, readers: Mapping[str, Reader], subject: str
) -> Reader | Ignored:
    """The reader of the delivery's event, or why there is none; `subject` is what they read."""
    event = delivery.headers.get(header.lower(), "")
    if not event:
        return Ignored(f"it has no header {header}")
    return readers.get(event) or Ignored(f"{event} says nothing about {subject}")
