"""Stories of deliveries: the events that they add up to, in whatever order they come in."""

from collections.abc import Mapping, Sequence
from random import Random

from deliveries import Delivery, reading
from theodora.events import Deployment, Failure
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings
from theodora.sources.webhooks.fold import fold
from theodora.storage import Folded


def events_of(
    kind: str, story: Sequence[Delivery], settings: SourceSettings = DEFAULT_SETTINGS
) -> Mapping[str, Folded]:
    """The events of a story by their things, which are the same in every order."""
    expected = _folded(kind, story, settings)
    shuffled = [*story, *story[::2]]
    Random(7).shuffle(shuffled)
    for order in (story[::-1], [*story, *story], shuffled):
        assert _folded(kind, order, settings) == expected
    return expected


def deployments(
    kind: str, story: Sequence[Delivery], settings: SourceSettings = DEFAULT_SETTINGS
) -> list[Deployment]:
    """The deployments of a story, the first one first."""
    events = events_of(kind, story, settings).values()
    found = [each for each in events if isinstance(each, Deployment)]
    return sorted(found, key=lambda each: each.finished_at_ns)


def failures(
    kind: str, story: Sequence[Delivery], settings: SourceSettings = DEFAULT_SETTINGS
) -> list[Failure]:
    """The failures of a story, the first one first."""
    events = events_of(kind, story, settings).values()
    found = [each for each in events if isinstance(each, Failure)]
    return sorted(found, key=lambda each: each.started_at_ns)


def _folded(kind: str, story: Sequence[Delivery], settings: SourceSettings) -> dict[str, Folded]:
    documents: dict[str, set[str]] = {}
    for delivery in story:
        found = reading(kind, delivery, settings)
        assert found.state != "failed", found.reason
        for fact in found.facts:
            documents.setdefault(fact.thing, set()).add(fact.document)
    folded = {thing: fold(kind, thing, list(facts)) for thing, facts in documents.items()}
    return {thing: event for thing, event in folded.items() if event is not None}
