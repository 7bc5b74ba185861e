"""GitLab's webhooks: deployments, pipelines, merge requests, releases, pushes and incidents."""

import re
from collections.abc import Iterator, Mapping, Sequence

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import (
    DeploymentFact,
    DeploymentStatus,
    IncidentFact,
    IncidentStatus,
    PullRequestFact,
    ReviewFact,
    ReviewStatus,
    WebhookFact,
    begun_and_ended,
)
from theodora.sources.webhooks.forges import read_push, version_of_ref
from theodora.sources.webhooks.names import is_named
from theodora.sources.webhooks.payload import (
    count_at,
    instant_at,
    needed_instant,
    needed_text,
    number_at,
    object_at,
    objects_at,
    text_at,
    value_at,
)
from theodora.sources.webhooks.readers import Reader

_SHA_AT_END = re.compile(r"/commits?/([0-9a-f]{40}|[0-9a-f]{64})$")
_STATUSES: Mapping[str, DeploymentStatus] = {
    "created": "created",
    "running": "started",
    "success": "succeeded",
    **dict.fromkeys(("failed", "canceled", "skipped"), "failed"),
}
_REVIEWS: Mapping[str, ReviewStatus] = {
    **dict.fromkeys(("approved", "approval"), "approved"),
    **dict.fromkeys(("unapproved", "unapproval"), "dismissed"),
}
"""By the action: GitLab distinguishes the approval that was the last one to be needed."""
_ISSUES: Mapping[str, IncidentStatus] = {"opened": "active", "closed": "resolved"}
_MAX_NAME = 1_024


def read_gitlab(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not GitLab's."""
    kind = needed_text(delivery.payload, "object_kind")
    read = _READERS.get(kind)
    if read is None:
        return Ignored(f"{kind} says nothing about deployments, changes or incidents")
    return read(delivery.payload, settings)


def _deployment(payload: JsonObject, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    status = needed_text(payload, "status")
    if status not in _STATUSES:
        return Ignored(f"the status {status} does not change a deployment")
    sha = _SHA_AT_END.search(text_at(payload, "commit_url") or "")
    return [
        DeploymentFact(
            at_ns=needed_instant(payload, "status_changed_at"),
            number=str(number_at(payload, "deployment_id")),
            status=_STATUSES[status],
            service=_service(payload, settings),
            env=settings.env_of(text_at(payload, "environment")),
            version=version_of_ref(text_at(payload, "ref")),
            repository_url=_project_url(payload),
            commit_sha=sha[1] if sha else None,
        )
    ]


def _pipeline(payload: JsonObject, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    run = object_at(payload, "object_attributes")
    if refusal := _pipeline_refusal(payload, run, settings):
        return Ignored(refusal)
    created_at_ns = needed_instant(run, "created_at")
    ref, path = text_at(run, "ref"), text_at(payload, "project", "path_with_namespace")
    end = DeploymentFact(
        at_ns=needed_instant(run, "finished_at"),
        number=f"pipeline-{number_at(run, 'id')}",
        status="succeeded" if run["status"] == "success" else "failed",
        service=_service(payload, settings),
        env=settings.env_for(text_at(run, "name"), ref, path),
        version=version_of_ref(ref) if run.get("tag") is True else None,
        repository_url=_project_url(payload),
        commit_sha=needed_text(run, "sha"),
    )
    return begun_and_ended(end, created_at_ns, "created")


def _pipeline_refusal(payload: JsonObject, run: JsonObject, settings: SourceSettings) -> str | None:
    """Why a pipeline is no deployment."""
    path = needed_text(payload, "project", "path_with_namespace")
    name, source = text_at(run, "name"), text_at(run, "source")
    if not any(is_named(each, settings.workflows) for each in (name, path)):
        return f'the settings do not name "{name or path}" as a pipeline that deploys'
    if source == "merge_request_event":
        return "the pipeline ran for a merge request"
    if source == "parent_pipeline":
        return "it is a child pipeline: its parent counts"
    ref, default = text_at(run, "ref") or "", text_at(payload, "project", "default_branch")
    if not is_named(ref, settings.branches or (default or "",)):
        return f'the pipeline ran on "{ref}"'
    status = needed_text(run, "status")
    is_final = status in {"success", "failed"}
    return None if is_final else f"the pipeline has no result yet, or is {status}"


def _merge_request(payload: JsonObject, _: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    request = object_at(payload, "object_attributes")
    if not count_at(request, "iid"):
        return Ignored("it does not name the merge request")
    at_ns = needed_instant(request, "updated_at")
    # Nothing but the merge itself has the time of the merge.
    is_merge = text_at(request, "action") == "merge"
    head = text_at(request, "last_commit", "id")
    snapshot = PullRequestFact(
        at_ns=at_ns,
        repository_url=_project_url(payload),
        number=number_at(request, "iid"),
        title=text_at(request, "title") or "",
        labels=tuple(
            name for label in objects_at(payload, "labels") if (name := text_at(label, "title"))
        ),
        branch=text_at(request, "source_branch") or "",
        head_sha=head,
        # A fast-forward makes no commit.
        merge_commit_sha=text_at(request, "merge_commit_sha") or head,
        created_at_ns=instant_at(request, "created_at"),
        merged_at_ns=at_ns if is_merge else None,
        became_ready=_became_ready(payload),
        author=_author(payload, request),
        base=text_at(request, "target_branch") or "",
        url=text_at(request, "url") or "",
        is_draft=request.get("draft") is True or request.get("work_in_progress") is True,
        closed_at_ns=_closed_at_ns(request, at_ns),
    )
    return [snapshot, *_review(payload, request, snapshot)]


def _review(payload: JsonObject, request: JsonObject, of: PullRequestFact) -> Iterator[ReviewFact]:
    """The approval that a delivery is about, given or taken back; none for other actions."""
    action = text_at(request, "action") or ""
    if action not in _REVIEWS:
        return
    is_reset = request.get("system") is True or payload.get("system") is True
    username = text_at(payload, "user", "username")
    reviewer = value_at(payload, "user", "id") or username or "unknown"
    yield ReviewFact(
        at_ns=of.at_ns,
        repository_url=of.repository_url,
        number=of.number,
        review="" if is_reset else str(reviewer),
        status=_REVIEWS[action],
        reviewer=username or "",
    )


def _closed_at_ns(request: JsonObject, at_ns: int) -> int | None:
    """A webhook has no time of its own for it."""
    is_closed = text_at(request, "state") == "closed"
    return (instant_at(request, "closed_at") or at_ns) if is_closed else None


def _author(payload: JsonObject, request: JsonObject) -> str:
    """The author's name, which only their own acts have; of others there is a number alone."""
    author, actor = value_at(request, "author_id"), value_at(payload, "user", "id")
    is_own = author is not None and author == actor
    return text_at(payload, "user", "username") or "" if is_own else ""


def _became_ready(payload: JsonObject) -> bool:
    changes = (object_at(payload, "changes", name) for name in ("draft", "work_in_progress"))
    return any(each.get("previous") is True and each.get("current") is False for each in changes)


def _release(payload: JsonObject, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    if not settings.releases:
        return Ignored("the settings do not count a release as a deployment")
    action = needed_text(payload, "action")
    if action != "create":
        return Ignored(f"the action {action} of a release deploys nothing")
    at_ns = needed_instant(payload, "released_at")
    if at_ns > needed_instant(payload, "created_at"):
        return Ignored("it is an upcoming release")
    return [
        DeploymentFact(
            at_ns=at_ns,
            # The API knows no number of a release, and a tag has one release at most.
            number=f"release-{needed_text(payload, 'tag')}",
            status="succeeded",
            service=_service(payload, settings),
            env=settings.env_for(text_at(payload, "project", "path_with_namespace")),
            version=needed_text(payload, "tag"),
            repository_url=_project_url(payload),
            commit_sha=text_at(payload, "commit", "id"),
        )
    ]


def _issue(payload: JsonObject, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    issue = object_at(payload, "object_attributes")
    if (text_at(issue, "type") or "").lower() != "incident":
        return Ignored("the issue is no incident")
    state = needed_text(issue, "state")
    if state not in _ISSUES:
        return Ignored(f"the state {state} is none of an incident")
    closed_at_ns = instant_at(issue, "closed_at") if state == "closed" else None
    service, severity = _service(payload, settings), text_at(issue, "severity")
    return [
        IncidentFact(
            at_ns=closed_at_ns or needed_instant(issue, "updated_at"),
            number=str(number_at(issue, "id")),
            status=_ISSUES[state],
            began_at_ns=instant_at(issue, "created_at"),
            services=(service,) if service else (),
            env=settings.env_of(None),
            name=text_at(issue, "title", most=_MAX_NAME),
            severity=None if severity == "unknown" else severity,
        )
    ]


def _push(payload: JsonObject, _: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    commits = sum(1 for _ in objects_at(payload, "commits"))
    # A webhook names the last 20 commits of a longer push.
    is_based = "before" in payload and count_at(payload, "total_commits_count") <= commits
    return read_push(payload, _project_url(payload), is_based=is_based)


def _service(payload: JsonObject, settings: SourceSettings) -> str | None:
    path = needed_text(payload, "project", "path_with_namespace")
    return settings.service_of(path, path.rpartition("/")[2])


def _project_url(payload: JsonObject) -> str:
    return needed_text(payload, "project", "web_url")


_READERS: Mapping[str, Reader] = {
    "deployment": _deployment,
    "pipeline": _pipeline,
    "merge_request": _merge_request,
    "release": _release,
    "push": _push,
    "issue": _issue,
}
GITLAB_EVENTS = tuple(_READERS)
"""Values of `object_kind` that it understands."""
