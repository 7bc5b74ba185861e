"""Flux's alerts of the notification controller: Kustomizations and Helm releases."""

import re
from collections.abc import Mapping, Sequence

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.artifacts import image_tag
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import DeploymentFact, DeploymentStatus, WebhookFact
from theodora.sources.webhooks.payload import needed_instant, needed_text, object_at, text_at

_KUSTOMIZATION: Mapping[str, DeploymentStatus] = {
    **dict.fromkeys(("Progressing", "ProgressingWithRetry"), "started"),
    "ReconciliationSucceeded": "succeeded",
    **dict.fromkeys(
        (
            *("ArtifactFailed", "BuildFailed", "HealthCheckFailed", "PruneFailed"),
            *("ReconciliationFailed", "ValidationFailed"),
        ),
        "failed",
    ),
}
_HELM_RELEASE: Mapping[str, DeploymentStatus] = {
    **dict.fromkeys(("InstallSucceeded", "UpgradeSucceeded", "RollbackSucceeded"), "succeeded"),
    **dict.fromkeys(("InstallFailed", "UpgradeFailed", "RollbackFailed"), "failed"),
}
_STATUSES: Mapping[str, Mapping[str, DeploymentStatus]] = {
    "Kustomization": _KUSTOMIZATION,
    "HelmRelease": _HELM_RELEASE,
}
FLUX_EVENTS = tuple(reason for reasons in _STATUSES.values() for reason in reasons)
"""Reasons of events that it understands."""

_COMMIT = re.compile(r"(?:.*[@/])?(?:sha1:)?(?P<sha>[0-9a-f]{40})")
"""Such as `main@sha1:731f…`, before Flux 2.0 `main/731f…`; the digest of an image is longer."""
_VERSION = re.compile(r"v?\d[\w.+-]*")


def read_flux(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not Flux's."""
    event = delivery.payload
    kind, reason = needed_text(event, "involvedObject", "kind"), text_at(event, "reason")
    if kind not in _STATUSES:
        return Ignored(f"a {kind} deploys nothing")
    status = _STATUSES[kind].get(reason or "")
    if status is None:
        return Ignored(f"{reason} says nothing about a deployment of a {kind}")
    metadata = _metadata(event)
    revision = text_at(metadata, "revision")
    if revision is None:
        return Ignored("it names no revision")
    return [
        DeploymentFact(
            at_ns=needed_instant(event, "timestamp"),
            number=_number(event, revision),
            is_global=True,
            status=status,
            service=_service(event, metadata, settings),
            env=settings.env_of(text_at(metadata, "env")),
            team=text_at(metadata, "team"),
            version=_version(metadata, revision),
            repository_url=text_at(metadata, "repository_url"),
            commit_sha=text_at(metadata, "commit_sha") or _commit_sha(metadata, revision),
            custom_tags=_tags(metadata),
            images=(image,) if (image := text_at(metadata, "image")) else (),
        )
    ]


def _number(event: JsonObject, revision: str) -> str:
    """The object's id with what is new about it.

    A Kustomization reports success at every interval, with the same revision: that is one
    deployment. A Helm release reports each action once, and may go back to an earlier chart.
    """
    names = (needed_text(event, "involvedObject", name) for name in ("namespace", "name"))
    uid = text_at(event, "involvedObject", "uid") or "/".join(names)
    if text_at(event, "involvedObject", "kind") == "Kustomization":
        return f"{uid}:{revision}"
    return f"{uid}:{needed_text(event, 'reason')}:{needed_text(event, 'timestamp')}"


def _metadata(event: JsonObject) -> JsonObject:
    """Its members by their names without a group, as in `kustomize.toolkit.fluxcd.io/revision`."""
    metadata = object_at(event, "metadata")
    return {name.rpartition("/")[2]: value for name, value in metadata.items()}


def _service(event: JsonObject, metadata: JsonObject, settings: SourceSettings) -> str | None:
    name = needed_text(event, "involvedObject", "name")
    full_name = f"{text_at(event, 'involvedObject', 'namespace')}/{name}"
    return settings.service_of(full_name, name, text_at(metadata, "service") or name)


def _commit_sha(metadata: JsonObject, revision: str) -> str | None:
    """An artifact of a registry has a digest; the commit that it was built from is its origin."""
    commit = _COMMIT.fullmatch(text_at(metadata, "originRevision") or revision)
    return commit["sha"] if commit else None


def _version(metadata: JsonObject, revision: str) -> str | None:
    """That of the annotations, else the version of a chart, or of the tag of a revision."""
    name = revision.partition("@")[0]
    is_version = _VERSION.fullmatch(name) and not _COMMIT.fullmatch(name)
    given = text_at(metadata, "version") or image_tag(text_at(metadata, "image") or "")
    return given or (name if is_version else None)


def _tags(metadata: JsonObject) -> tuple[str, ...]:
    cluster = text_at(metadata, "cluster")
    return (f"cluster:{cluster}",) if cluster else ()
