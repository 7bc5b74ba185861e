"""CDEvents over the HTTP binding of CloudEvents: deployments of services, incidents and runs."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from theodora.dora.derivation.rule_engine import STATED_ROLLBACK
from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.artifacts import Artifact, read_artifact
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import (
    DeploymentFact,
    DeploymentStatus,
    IncidentFact,
    IncidentStatus,
    WebhookFact,
)
from theodora.sources.webhooks.names import is_named
from theodora.sources.webhooks.payload import (
    needed_instant,
    needed_text,
    object_at,
    text_at,
    texts_at,
)

_Reader: TypeAlias = Callable[[str, JsonObject, SourceSettings], Sequence[WebhookFact] | Ignored]

_TYPE = re.compile(r"dev\.cdevents\.([a-z]+\.[a-z]+)\.\d.*")
"""The type of an event, with the version of its schema."""
_MAX_NAME = 1_024
_OUTCOMES: Mapping[str, DeploymentStatus] = {
    "success": "succeeded",
    **dict.fromkeys(("failure", "error"), "failed"),
}
_PHASES: Mapping[str, DeploymentStatus] = {"queued": "created", "started": "started"}


def read_cdevents(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not a CDEvent.

    In CloudEvents' binary mode the body is the event, in its structured mode the event is the
    member `data`.
    """
    payload = delivery.payload
    event = payload if "context" in payload else object_at(payload, "data")
    type_ = needed_text(event, "context", "type")
    match = _TYPE.fullmatch(type_)
    read = _READERS.get(match[1]) if match else None
    if match is None or read is None:
        return Ignored(
            f"{match[1] if match else type_} says nothing about deployments or incidents"
        )
    return read(match[1], event, settings)


def _service(
    name: str, event: JsonObject, settings: SourceSettings
) -> Sequence[WebhookFact] | Ignored:
    """Each event is a deployment: its subject is the service, so its own id names it."""
    if name == "service.published" and not settings.releases:
        return Ignored("the settings do not count publishing a service as a deployment")
    artifact = _artifact(event)
    tags = (STATED_ROLLBACK,) if name == "service.rolledback" else ()
    return [
        DeploymentFact(
            at_ns=needed_instant(event, "context", "timestamp"),
            number=_number(event, "context"),
            is_global=True,
            status="succeeded",
            service=settings.service_of(needed_text(event, "subject", "id")),
            env=settings.env_of(text_at(event, "subject", "content", "environment", "id")),
            team=text_at(event, "customData", "team"),
            version=artifact.version,
            repository_url=artifact.repository_url,
            commit_sha=artifact.commit_sha,
            custom_tags=(*tags, *texts_at(event, "customData", "custom_tags")),
        )
    ]


def _run(name: str, event: JsonObject, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """A run of a pipeline or a task that the settings name."""
    kind, _, phase = name.partition(".")
    member = "taskName" if kind == "taskrun" else "pipelineName"
    workflow = text_at(event, "subject", "content", member) or ""
    if not is_named(workflow, settings.workflows):
        return Ignored(f'the settings do not name "{workflow}" as a workflow that deploys')
    outcome = text_at(event, "subject", "content", "outcome") or ""
    status = _PHASES.get(phase) or _OUTCOMES.get(outcome)
    if status is None:
        return Ignored(f'the run finished with the outcome "{outcome}"')
    artifact = _artifact(event)
    return [
        DeploymentFact(
            at_ns=needed_instant(event, "context", "timestamp"),
            number=_number(event, "subject"),
            is_global=True,
            status=status,
            service=settings.service_of(workflow),
            env=settings.env_for(workflow),
            team=text_at(event, "customData", "team"),
            version=artifact.version,
            repository_url=artifact.repository_url,
            commit_sha=artifact.commit_sha,
            custom_tags=texts_at(event, "customData", "custom_tags"),
        )
    ]


def _incident(
    name: str, event: JsonObject, settings: SourceSettings
) -> Sequence[WebhookFact] | Ignored:
    """The end of an incident describes the end, and names the artifact that ended it."""
    is_resolved = name == "incident.resolved"
    status: IncidentStatus = "resolved" if is_resolved else "active"
    content = object_at(event, "subject", "content")
    service = settings.service_of(text_at(content, "service", "id"))
    team = text_at(event, "customData", "team")
    if not service and not team:
        return Ignored("it names no service and no team, and the settings name no service")
    return [
        IncidentFact(
            at_ns=needed_instant(event, "context", "timestamp"),
            number=_number(event, "subject"),
            status=status,
            services=(service,) if service else (),
            env=settings.env_of(text_at(content, "environment", "id")),
            team=team,
            name=None if is_resolved else text_at(content, "description", most=_MAX_NAME),
            severity=text_at(event, "customData", "severity"),
            version=None if is_resolved else _artifact(event).version,
        )
    ]


def _change(name: str, _: JsonObject, __: SourceSettings) -> Ignored:
    return Ignored(f"{name} names no commits, so no deployment can be matched with it")


def _number(event: JsonObject, of: str) -> str:
    """An id with its source: ids are unique in it. A subject's source may be the context's."""
    source = text_at(event, of, "source") or needed_text(event, "context", "source")
    return f"{source}:{needed_text(event, of, 'id')}"


def _artifact(event: JsonObject) -> Artifact:
    """What runs. The members of `customData` are named as in Datadog's API, and take precedence."""
    purl = text_at(event, "subject", "content", "artifactId") or ""
    artifact, custom = read_artifact(purl), object_at(event, "customData")
    sha, url = text_at(custom, "git", "commit_sha"), text_at(custom, "git", "repository_url")
    if sha and url:
        artifact = artifact._replace(commit_sha=sha, repository_url=url)
    return artifact._replace(version=text_at(custom, "version") or artifact.version)


_READERS: Mapping[str, _Reader] = {
    **dict.fromkeys(
        ("service.deployed", "service.upgraded", "service.rolledback", "service.published"),
        _service,
    ),
    **dict.fromkeys(("incident.detected", "incident.reported", "incident.resolved"), _incident),
    **dict.fromkeys(
        (
            *("pipelinerun.queued", "pipelinerun.started", "pipelinerun.finished"),
            *("taskrun.started", "taskrun.finished"),
        ),
        _run,
    ),
    **dict.fromkeys(
        (
            *("change.created", "change.updated", "change.reviewed"),
            *("change.merged", "change.abandoned"),
        ),
        _change,
    ),
}
CDEVENTS = tuple(name for name, read in _READERS.items() if read is not _change)
"""Types that it understands, without their prefix and version."""
