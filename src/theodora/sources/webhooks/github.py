"""GitHub's webhooks: deployments, pull requests, reviews, pushes, workflow runs and releases."""

from collections.abc import Mapping, Sequence

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import (
    DeploymentFact,
    DeploymentStatus,
    ReviewFact,
    ReviewStatus,
    WebhookFact,
    begun_and_ended,
)
from theodora.sources.webhooks.forges import (
    pull_request_fact,
    read_push,
    read_release,
    repository_service,
    repository_url,
    version_of_ref,
)
from theodora.sources.webhooks.names import is_named
from theodora.sources.webhooks.payload import (
    needed_instant,
    needed_text,
    number_at,
    object_at,
    text_at,
)
from theodora.sources.webhooks.readers import Reader, reader_of

_STATUSES: Mapping[str, DeploymentStatus | None] = {
    **dict.fromkeys(("pending", "queued", "waiting"), None),
    "in_progress": "started",
    "success": "succeeded",
    **dict.fromkeys(("failure", "error"), "failed"),
}
"""`inactive` is not among them: it says that a later deployment took the place of this one."""
_REVIEWS: Mapping[str, ReviewStatus] = {
    "approved": "approved",
    "dismissed": "dismissed",
    **dict.fromkeys(("commented", "changes_requested"), "commented"),
}
_QUEUE = "refs/heads/gh-readonly-queue/"
"""Branches on which a merge queue tries merges out."""


def read_github(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not GitHub's."""
    read = reader_of(delivery, "X-GitHub-Event", _READERS, "deployments or changes")
    if isinstance(read, Ignored):
        return read
    if text_at(delivery.payload, "repository", "html_url") is None:
        return Ignored("it names no repository")
    return read(delivery.payload, settings)


def _deployment(payload: JsonObject, settings: SourceSettings) -> Sequence[WebhookFact]:
    at_ns = needed_instant(payload, "deployment", "created_at")
    return [_deployment_fact(payload, settings, at_ns, "created")]


def _deployment_status(
    payload: JsonObject, settings: SourceSettings
) -> Sequence[WebhookFact] | Ignored:
    state = needed_text(payload, "deployment_status", "state")
    if state not in _STATUSES:
        return Ignored(f"the status {state} does not change a deployment")
    created = _deployment(payload, settings)
    at_ns = needed_instant(payload, "deployment_status", "created_at")
    return [*created, _deployment_fact(payload, settings, at_ns, _STATUSES[state])]


def _deployment_fact(
    payload: JsonObject,
    settings: SourceSettings,
    at_ns: int,
    status: DeploymentStatus | None,
) -> DeploymentFact:
    return DeploymentFact(
        at_ns=at_ns,
        number=str(number_at(payload, "deployment", "id")),
        status=status,
        service=repository_service(payload, settings),
        env=settings.env_of(text_at(payload, "deployment", "environment")),
        version=version_of_ref(text_at(payload, "deployment", "ref")),
        repository_url=repository_url(payload),
        commit_sha=needed_text(payload, "deployment", "sha"),
    )


def _workflow_run(payload: JsonObject, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    run = object_at(payload, "workflow_run")
    names = [text_at(run, "name"), text_at(payload, "workflow", "name"), text_at(run, "path")]
    if not any(is_named(name, settings.workflows) for name in names):
        return Ignored(
            f'the settings do not name "{names[0] or names[1]}" as a workflow that deploys'
        )
    branch = text_at(run, "head_branch") or ""
    if not is_named(branch, settings.branches or (_default_branch(payload),)):
        return Ignored(f'the workflow ran on the branch "{branch}"')
    event, conclusion = text_at(run, "event"), text_at(run, "conclusion")
    if event == "pull_request":
        return Ignored("the workflow ran for a pull request")
    if conclusion not in {"success", "failure"}:
        return Ignored(f"the run has no result yet, or is {conclusion}")
    began_at_ns = needed_instant(run, "run_started_at")
    end = DeploymentFact(
        at_ns=needed_instant(run, "updated_at"),
        number=f"run-{number_at(run, 'id')}",
        status="succeeded" if conclusion == "success" else "failed",
        service=repository_service(payload, settings, *names),
        env=settings.env_for(*names, branch, text_at(payload, "repository", "full_name")),
        repository_url=repository_url(payload),
        commit_sha=needed_text(run, "head_sha"),
    )
    return begun_and_ended(end, began_at_ns)


def _pull_request(payload: JsonObject, _: SourceSettings) -> Sequence[WebhookFact]:
    became_ready = payload.get("action") == "ready_for_review"
    return [pull_request_fact(payload, became_ready=became_ready)]


def _review(payload: JsonObject, _: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """A review, or the dismissal of one, which has no time of its own."""
    state = needed_text(payload, "review", "state").lower()
    if state not in _REVIEWS:
        return Ignored(f"a review that is {state} has not been submitted")
    is_dismissal = state == "dismissed"
    when = ("pull_request", "updated_at") if is_dismissal else ("review", "submitted_at")
    return [
        ReviewFact(
            at_ns=needed_instant(payload, *when),
            repository_url=repository_url(payload),
            number=number_at(payload, "pull_request", "number"),
            review=str(number_at(payload, "review", "id")),
            status=_REVIEWS[state],
            reviewer=text_at(payload, "review", "user", "login") or "",
        )
    ]


def _push(payload: JsonObject, _: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    if (text_at(payload, "ref") or "").startswith(_QUEUE):
        return Ignored("the merge queue only tries these commits out")
    # Of a forced push nobody knows what it is based on.
    is_based = payload.get("forced") is not True
    return read_push(payload, repository_url(payload), is_based=is_based)


def _default_branch(payload: JsonObject) -> str:
    return text_at(payload, "repository", "default_branch") or ""


_READERS: Mapping[str, Reader] = {
    "deployment": _deployment,
    "deployment_status": _deployment_status,
    "pull_request": _pull_request,
    "pull_request_review": _review,
    "push": _push,
    "workflow_run": _workflow_run,
    "release": read_release,
}
GITHUB_EVENTS = tuple(_READERS)
"""Values of the header X-GitHub-Event that it understands."""
