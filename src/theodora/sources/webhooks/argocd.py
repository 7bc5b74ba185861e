"""Argo CD's notifications: each sync of an application is a deployment."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.artifacts import image_tag
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import DeploymentFact, DeploymentStatus, WebhookFact
from theodora.sources.webhooks.payload import (
    needed_instant,
    needed_text,
    object_at,
    objects_at,
    text_at,
    texts_at,
    value_at,
)

ARGOCD_EVENTS = ("Running", "Succeeded", "Failed", "Error")
"""Phases of a sync that it understands."""

_FINISHED: Mapping[tuple[str, str | None], DeploymentStatus] = {
    ("Succeeded", "Healthy"): "succeeded",
    ("Succeeded", "Degraded"): "failed",
}
"""By the phase and the health of the application. As in Datadog, a deployment has the duration of
its sync, and fails if what it deployed is degraded."""
_SHA = re.compile(r"[0-9a-f]{40,64}")


def is_argocd(payload: JsonObject) -> bool:
    """Whether a body without anything beside it is a notification of Argo CD."""
    return isinstance(value_at(payload, "app", "metadata", "name"), str)


def read_argocd(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not Argo CD's."""
    app = object_at(delivery.payload, "app")
    needed_text(app, "metadata", "name")
    sync = object_at(app, "status", "operationState")
    phase = text_at(sync, "phase")
    if phase not in ARGOCD_EVENTS:
        return Ignored(f"the phase {phase} is none of a sync that deploys")
    if value_at(sync, "operation", "sync", "dryRun") is True:
        return Ignored("the sync was a dry run")
    if _is_automated(sync) and _is_same_as_before(app, sync):
        return Ignored("the automated sync repeated what had been deployed before")
    started = _deployment(app, sync, settings, needed_instant(sync, "startedAt"), "started")
    status = _status(app, phase)
    if status is None:
        return [started]
    return [started, _deployment(app, sync, settings, needed_instant(sync, "finishedAt"), status)]


def _status(app: JsonObject, phase: str) -> DeploymentStatus | None:
    """How the deployment ended; None while it goes on."""
    if phase in {"Failed", "Error"}:
        return "failed"
    return _FINISHED.get((phase, text_at(app, "status", "health", "status")))


def _deployment(
    app: JsonObject,
    sync: JsonObject,
    settings: SourceSettings,
    at_ns: int,
    status: DeploymentStatus,
) -> DeploymentFact:
    name = needed_text(app, "metadata", "name")
    annotations = object_at(app, "metadata", "annotations")
    service = settings.service_of(name, text_at(annotations, "dd_service") or name)
    revision = _revision(app, sync)
    return DeploymentFact(
        at_ns=at_ns,
        number=f"{text_at(app, 'metadata', 'uid') or name}:{needed_text(sync, 'startedAt')}",
        is_global=True,
        status=status,
        service=service,
        env=_env(app, settings),
        version=revision.version or (_image_version(app, service) if status != "started" else None),
        repository_url=revision.repository_url,
        commit_sha=revision.commit_sha,
        custom_tags=_tags(text_at(annotations, "dd_customtags") or ""),
        images=() if status == "started" else texts_at(app, "status", "summary", "images"),
    )


def _env(app: JsonObject, settings: SourceSettings) -> str | None:
    """Its annotation, else what the settings have for the application or its namespace."""
    annotated = text_at(app, "metadata", "annotations", "dd_env")
    if annotated:
        return settings.env_of(annotated)
    names = (("metadata", "name"), ("spec", "destination", "namespace"))
    return settings.env_for(*(text_at(app, *path) for path in names))


class _Revision(NamedTuple):
    """What a sync deployed: a commit of a repository, or a version of a Helm chart, or both."""

    version: str | None
    repository_url: str | None
    commit_sha: str | None


def _revision(app: JsonObject, sync: JsonObject) -> _Revision:
    """Of several sources the first commit and the first chart count."""
    sources = _sources(object_at(sync, "syncResult")) or _sources(object_at(app, "spec"))
    revisions = _revisions(object_at(sync, "syncResult")) or _revisions(
        object_at(sync, "operation", "sync")
    )
    pairs = list(zip(sources, revisions, strict=False))
    commits = (
        (url, revision)
        for source, revision in pairs
        if _SHA.fullmatch(revision) and (url := text_at(source, "repoURL"))
    )
    charts = (revision for source, revision in pairs if text_at(source, "chart"))
    url, sha = next(commits, (None, None))
    return _Revision(next(charts, None), url, sha)


def _sources(synced: JsonObject) -> list[JsonObject]:
    one = object_at(synced, "source")
    return list(objects_at(synced, "sources")) or ([one] if one else [])


def _revisions(synced: JsonObject) -> list[str]:
    one = text_at(synced, "revision")
    return list(texts_at(synced, "revisions")) or ([one] if one else [])


def _image_version(app: JsonObject, service: str | None) -> str | None:
    """The tag of the image named after the service, or of the only image.

    They are of the sync only once it has ended: before, the images of the former one are there.
    """
    images = texts_at(app, "status", "summary", "images")
    named = [image for image in images if service and service in image.rpartition("/")[2]]
    [image, *others] = named or images or ("",)
    return None if others else image_tag(image)


def _is_automated(sync: JsonObject) -> bool:
    return value_at(sync, "operation", "initiatedBy", "automated") is True


def _is_same_as_before(app: JsonObject, sync: JsonObject) -> bool:
    """Whether Argo CD only undid changes to the cluster that came from elsewhere."""
    started = text_at(sync, "startedAt")
    former = [
        each
        for each in objects_at(app, "status", "history")
        if text_at(each, "deployStartedAt") != started
    ]
    result = object_at(sync, "syncResult")
    return bool(former) and all(
        list_(former[-1]) == list_(result) for list_ in (_sources, _revisions)
    )


def _tags(text: str) -> tuple[str, ...]:
    """Tags of the form `key:value`, separated by commas."""
    tags = (tag.strip() for tag in text.split(","))
    return tuple(tag for tag in tags if all(tag.partition(":")))
