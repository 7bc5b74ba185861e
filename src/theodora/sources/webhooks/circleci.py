"""CircleCI's webhooks: workflows and jobs that the settings name as deployments."""

from collections.abc import Mapping, Sequence

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import (
    DeploymentFact,
    DeploymentStatus,
    WebhookFact,
    begun_and_ended,
)
from theodora.sources.webhooks.forges import branch_refusal, full_sha, version_of_ref
from theodora.sources.webhooks.names import is_named
from theodora.sources.webhooks.payload import needed_instant, needed_text, object_at, text_at

_STARTS: Mapping[str, str] = {"workflow": "created_at", "job": "started_at"}
"""By what has completed: the member with its start."""
CIRCLECI_EVENTS = tuple(f"{kind}-completed" for kind in _STARTS)
"""Values of `type` that it understands."""
_RESULTS: Mapping[str, DeploymentStatus] = {
    "success": "succeeded",
    **dict.fromkeys(("failed", "error", "canceled", "unauthorized"), "failed"),
}
_HOSTS: Mapping[str, str] = {
    **dict.fromkeys(("github", "gh"), "https://github.com"),
    **dict.fromkeys(("bitbucket", "bb"), "https://bitbucket.org"),
}
"""By the first part of a project's slug: where its repository is."""


def read_circleci(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not CircleCI's."""
    payload = delivery.payload
    event = needed_text(payload, "type")
    if event not in CIRCLECI_EVENTS:
        return Ignored(f"{event} says nothing about deployments")
    kind = event.removesuffix("-completed")
    name = needed_text(payload, kind, "name")
    if not is_named(name, settings.workflows):
        return Ignored(f'the settings do not name "{name}" as a {kind} that deploys')
    source = _source(payload)
    if refusal := branch_refusal(source["branch"], settings):
        return Ignored(refusal)
    result = needed_text(payload, kind, "status")
    if result not in _RESULTS:
        return Ignored(f"the {kind} is {result}")
    began_at_ns = needed_instant(payload, kind, _STARTS[kind])
    slug = needed_text(payload, "project", "slug")
    url = source["url"]
    end = DeploymentFact(
        at_ns=needed_instant(payload, kind, "stopped_at"),
        number=needed_text(payload, kind, "id"),
        status=_RESULTS[result],
        service=settings.service_of(slug, needed_text(payload, "project", "name")),
        env=settings.env_for(name, source["branch"], slug),
        version=version_of_ref(source["tag"]),
        repository_url=url,
        commit_sha=full_sha(source["sha"]) if url else None,
    )
    return begun_and_ended(end, began_at_ns)


def _source(payload: JsonObject) -> Mapping[str, str | None]:
    """Where the code is: `url`, `branch`, `tag` and `sha`; None where one is not known.

    A pipeline of GitLab has them in the parameters of its trigger. Of a tag, GitHub's pipelines
    name neither the tag nor a branch.
    """
    vcs = object_at(payload, "pipeline", "vcs")
    if vcs:
        return {
            "url": text_at(vcs, "target_repository_url") or _url_of_slug(payload),
            "branch": text_at(vcs, "branch"),
            "tag": text_at(vcs, "tag"),
            "sha": text_at(vcs, "revision"),
        }
    parameters = object_at(payload, "pipeline", "trigger_parameters")
    return {
        "url": text_at(parameters, "gitlab", "web_url") or _url_of_slug(payload),
        "branch": text_at(parameters, "git", "branch"),
        "tag": text_at(parameters, "git", "tag"),
        "sha": text_at(parameters, "git", "checkout_sha"),
    }


def _url_of_slug(payload: JsonObject) -> str | None:
    host, _, path = needed_text(payload, "project", "slug").partition("/")
    return f"{_HOSTS[host]}/{path}" if host in _HOSTS else None
