"""What sources of incidents and alerts share: which of them count, their ends and their names."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Ignored, SourceSettings
from theodora.sources.webhooks.facts import IncidentFact
from theodora.sources.webhooks.payload import text_at

MAX_NAME = 1_024
_NAMES = ("name", "slug")


def counted(
    fact: IncidentFact,
    settings: SourceSettings,
    *,
    severities: Sequence[str] = (),
    ended_at_ns: int | None = None,
) -> Sequence[IncidentFact] | Ignored:
    """The facts of one message about an incident, if it counts.

    `severities` count if the settings name none; without any, all do. What has no severity counts
    unless the settings name some. An incident of no service and no team cannot be an event.

    The end of an incident that does not count is a fact all the same: it may have counted before.
    `ended_at_ns` is the end that a message of a later time gives. Both are facts, since that end
    may be of an earlier time at which the incident was active.
    """
    if reason := uncounted_reason(fact, settings, severities):
        if fact.status not in ("resolved", "removed"):
            return Ignored(reason)
        fact = IncidentFact(at_ns=fact.at_ns, number=fact.number, status=fact.status)
    if fact.status != "resolved" or ended_at_ns in (None, fact.at_ns):
        return [fact]
    return [replace(fact, at_ns=ended_at_ns), fact]


def services_of(named: Iterable[Sequence[str | None]], settings: SourceSettings) -> tuple[str, ...]:
    """Services, each given by the provider's names of it, the most precise one first.

    If there are none it is the service of the settings, if they give one.
    """
    found = [settings.service_of(*names) for names in named] or [settings.service]
    return tuple(dict.fromkeys(service for service in found if service))


def named_at(payload: JsonObject, *path: str) -> str | None:
    """The text there, or the name of the object there."""
    named = (text_at(payload, *path, name) for name in _NAMES)
    return text_at(payload, *path) or next((name for name in named if name), None)


def uncounted_reason(
    fact: IncidentFact, settings: SourceSettings, severities: Sequence[str]
) -> str | None:
    """Why an incident does not count; None if it does. See `counted`."""
    counting = {each.casefold() for each in settings.severities or severities}
    if fact.severity is None and settings.severities:
        return "it has no severity, and the settings name those that count"
    if fact.severity and counting and fact.severity.casefold() not in counting:
        return f"the severity {fact.severity} does not count"
    if not fact.services and not fact.team and not settings.team:
        return "it names no service and no team: give the source a service in its settings"
    return None
