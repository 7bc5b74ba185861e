"""Alerts: failures that were found, failures that are open too long, and silent sources."""

from collections.abc import Iterator

from theodora.dora.metrics.calendar import Period
from theodora.events import Deployment, Failure
from theodora.events.values import DAY_NS, HOUR_NS, SECOND_NS
from theodora.notifications.receiver_scope import receiver_scope
from theodora.notifications.schedule import is_working_day
from theodora.report import wording
from theodora.report.deployment_sources import DeploymentSource, sources_of
from theodora.report.figures import MOST_FAILURES, failed_deployments
from theodora.report.insight_facts import facts_of_period
from theodora.report.links import deployment_path, failure_path
from theodora.report.scope import Scope
from theodora.storage import Organisation, Store
from theodora.storage.access.notifications import Message, Receiver

LOOK_BACK_DAYS = 7
"""A deployment that is marked failed later than so long after its end is old news."""


def due_alerts(
    store: Store, org: Organisation, receiver: Receiver, now_ns: int, url: str
) -> list[Message]:
    """What is new to the receiver; nothing except on its days."""
    settings = receiver.settings
    if not settings.alerts or not is_working_day(settings, now_ns):
        return []
    period = Period(now_ns - LOOK_BACK_DAYS * DAY_NS, now_ns)
    scope = receiver_scope(store, org, settings, period, now_ns, url)
    failed = failed_deployments(store, org, scope, MOST_FAILURES)
    facts = facts_of_period(store, org, scope, failed)
    sources = () if settings.team else sources_of(store.health.received(org), now_ns)
    found = [
        *(each for event in facts.open_failures for each in _open_failure(event, receiver, scope)),
        *(each for event in failed for each in _failed_deployment(event, receiver, scope)),
        *(_silent_source(source, receiver, scope) for source in sources if source.is_stale),
    ]
    return store.notifications.never_queued(org, found)


def _open_failure(event: Failure, receiver: Receiver, scope: Scope) -> Iterator[Message]:
    open_ns = scope.now_ns - event.last_opened_at_ns
    name = wording.plain(event.name or event.id)
    services = ", ".join(map(wording.plain, event.services))
    about = f"{name}{f' ({services})' if services else ''}"
    since = f"open since {scope.clock.moment(event.last_opened_at_ns)}"
    body = _with_link(f"{about}: {since}", scope, failure_path(event.id))
    # One that was reopened is new again.
    key = f"{event.id}:{event.last_opened_at_ns}"
    if event.last_opened_at_ns >= receiver.created_at_ns:
        yield Message(receiver.id, f"failure:{key}", f"Failure: {name}", body)
    if open_ns > receiver.settings.open_hours * HOUR_NS:
        title = f"Open for {wording.duration(open_ns / SECOND_NS)}: {name}"
        yield Message(receiver.id, f"open:{key}", title, body)


def _failed_deployment(event: Deployment, receiver: Receiver, scope: Scope) -> Iterator[Message]:
    if event.finished_at_ns < receiver.created_at_ns:
        return
    name = wording.plain(f"{event.service} {event.version or event.id}")
    body = f"Finished {scope.clock.moment(event.finished_at_ns)}, marked failed."
    title = f"Failed deployment: {name}"
    path = deployment_path(event)
    yield Message(receiver.id, f"failed:{event.id}", title, _with_link(body, scope, path))


def _silent_source(source: DeploymentSource, receiver: Receiver, scope: Scope) -> Message:
    name = wording.plain(source.name)
    body = f"The last deployment by {name} was received {scope.clock.moment(source.last_ns)}."
    key = f"silent:{source.name}:{source.last_ns}"
    title = f"Silent source: {name}"
    return Message(receiver.id, key, title, _with_link(body, scope, "/data-health"))


def _with_link(body: str, scope: Scope, path: str) -> str:
    return f"{body}\n{scope.href(path)}" if scope.prefix else body
