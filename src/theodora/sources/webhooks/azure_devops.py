"""Azure DevOps' service hooks: releases, stages, builds, pull requests and pushes."""

import re
from collections.abc import Mapping, Sequence

from theodora.dora import Commit
from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import (
    DeploymentFact,
    DeploymentStatus,
    MergeMethod,
    PullRequestFact,
    PushedCommits,
    ReviewFact,
    WebhookFact,
    begun_and_ended,
)
from theodora.sources.webhooks.forges import branch_refusal, full_sha
from theodora.sources.webhooks.names import is_named
from theodora.sources.webhooks.parents import with_guessed_parents
from theodora.sources.webhooks.payload import (
    count_at,
    instant_at,
    lines_at,
    needed_instant,
    needed_text,
    number_at,
    object_at,
    objects_at,
    text_at,
)
from theodora.sources.webhooks.readers import Reader

_BRANCHES = "refs/heads/"
_RESULTS: Mapping[str, DeploymentStatus] = {
    **dict.fromkeys(("succeeded", "partiallySucceeded", "succeededWithIssues"), "succeeded"),
    **dict.fromkeys(("failed", "rejected", "canceled", "stopped"), "failed"),
}
_MERGE_METHODS: Mapping[str, MergeMethod] = {
    "noFastForward": "merge",
    "squash": "squash",
    "rebase": "rebase",
}
_APPROVED = 5
"""The vote "approved with suggestions"; "approved" is 10, and others are lower."""
_OLD_SOURCE = re.compile(r"[A-Z]+:(refs/heads/.+):([0-9a-f]{40})")
"""Branch and commit of a build in old payloads."""


def read_azure_devops(
    delivery: Delivery, settings: SourceSettings
) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not Azure DevOps'."""
    event = needed_text(delivery.payload, "eventType")
    read = _READERS.get(event)
    if read is None:
        return Ignored(_IGNORED.get(event, f"{event} says nothing about deployments or changes"))
    return read(delivery.payload, settings)


def _release(payload: JsonObject, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    resource = object_at(payload, "resource")
    stage = object_at(resource, "environment")
    status: DeploymentStatus | None = "started"
    if payload["eventType"] == _RELEASE_COMPLETED:
        result = needed_text(stage, "status")
        status = _RESULTS.get(result)
        if status is None:
            return Ignored(f"the deployment is {result}")
    attempt = count_at(resource, "attemptId")
    # The number of a stage of a release is the same when it is deployed again.
    again = f"-{attempt}" if attempt > 1 else ""
    project = needed_text(resource, "project", "id")
    return [
        DeploymentFact(
            at_ns=needed_instant(payload, "createdDate"),
            number=f"{project}:release-{number_at(stage, 'id')}{again}",
            status=status,
            service=_release_service(resource, settings),
            env=settings.env_of(text_at(stage, "name")),
            version=text_at(stage, "release", "name"),
        )
    ]


def _release_service(resource: JsonObject, settings: SourceSettings) -> str | None:
    places = (("release",), ("deployment",), ("environment",))
    found = (text_at(resource, *place, "releaseDefinition", "name") for place in places)
    definition = next((name for name in found if name), None)
    project = text_at(resource, "project", "name")
    return settings.service_of(project, definition or project)


def _stage(payload: JsonObject, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    stage = object_at(payload, "resource", "stage")
    names = [text_at(stage, "name"), text_at(stage, "displayName")]
    named = next((name for name in names if is_named(name, settings.workflows)), None)
    if named is None:
        return Ignored(f'the settings do not name "{names[0]}" as a stage that deploys')
    state = text_at(stage, "result") or text_at(stage, "state") or ""
    status = "started" if state in {"running", "inProgress"} else _RESULTS.get(state)
    if status is None:
        return Ignored(f"the stage is {state}")
    run = object_at(payload, "resource", "run")
    pipeline = text_at(payload, "resource", "pipeline", "name")
    return [
        DeploymentFact(
            at_ns=needed_instant(payload, "createdDate"),
            number=f"run-{number_at(run, 'id')}-{names[0]}",
            status=status,
            service=settings.service_of(pipeline),
            env=settings.env_for(named),
        )
    ]


def _build(payload: JsonObject, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    build = object_at(payload, "resource")
    pipeline = needed_text(build, "definition", "name")
    if not is_named(pipeline, settings.workflows):
        return Ignored(f'the settings do not name "{pipeline}" as a pipeline that deploys')
    if text_at(build, "reason") == "pullRequest":
        return Ignored("the build ran for a pull request")
    old = _OLD_SOURCE.fullmatch(text_at(build, "sourceGetVersion") or "")
    ref = text_at(build, "sourceBranch") or (old[1] if old else "")
    branch = ref.removeprefix(_BRANCHES) if ref.startswith(_BRANCHES) else None
    if refusal := branch_refusal(branch, settings):
        return Ignored(refusal)
    result = text_at(build, "result") or text_at(build, "status") or ""
    status = _RESULTS.get(result)
    if status is None:
        return Ignored(f"the build has no result yet, or is {result}")
    url = text_at(build, "repository", "url")
    sha = full_sha(text_at(build, "sourceVersion")) or (old[2] if old else None)
    began_at_ns = needed_instant(build, "startTime")
    end = DeploymentFact(
        at_ns=needed_instant(build, "finishTime"),
        number=f"build-{number_at(build, 'id')}",
        status=status,
        service=settings.service_of(pipeline),
        env=settings.env_for(pipeline, branch),
        version=text_at(build, "buildNumber"),
        repository_url=url,
        commit_sha=sha if url else None,
    )
    return begun_and_ended(end, began_at_ns)


def _pull_request(payload: JsonObject, _: SourceSettings) -> Sequence[WebhookFact]:
    request = object_at(payload, "resource")
    at_ns = needed_instant(payload, "createdDate")
    url, number = _repository(request), number_at(request, "pullRequestId")
    is_merged = text_at(request, "status") == "completed"
    method = text_at(request, "completionOptions", "mergeStrategy")
    snapshot = PullRequestFact(
        at_ns=at_ns,
        repository_url=url,
        number=number,
        title=text_at(request, "title") or "",
        labels=tuple(
            name for label in objects_at(request, "labels") if (name := text_at(label, "name"))
        ),
        branch=(text_at(request, "sourceRefName") or "").removeprefix(_BRANCHES),
        head_sha=text_at(request, "lastMergeSourceCommit", "commitId"),
        merge_commit_sha=text_at(request, "lastMergeCommit", "commitId") if is_merged else None,
        merge_method=_MERGE_METHODS.get(method or "") if is_merged else None,
        created_at_ns=instant_at(request, "creationDate"),
        merged_at_ns=needed_instant(request, "closedDate") if is_merged else None,
        author=text_at(request, "createdBy", "uniqueName") or "",
        base=(text_at(request, "targetRefName") or "").removeprefix(_BRANCHES),
        url=f"{url}/pullrequest/{number}",
        is_draft=request.get("isDraft") is True,
        closed_at_ns=instant_at(request, "closedDate"),
    )
    reviews = [
        ReviewFact(
            at_ns=at_ns,
            repository_url=url,
            number=number,
            review=needed_text(reviewer, "id"),
            status="standing" if count_at(reviewer, "vote") >= _APPROVED else "dismissed",
            reviewer=text_at(reviewer, "uniqueName") or "",
        )
        for reviewer in objects_at(request, "reviewers")
    ]
    return [snapshot, *reviews]


def _push(payload: JsonObject, _: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    push = object_at(payload, "resource")
    updates = list(objects_at(push, "refUpdates"))
    if not any((text_at(each, "name") or "").startswith(_BRANCHES) for each in updates):
        return Ignored("a tag brings no commits")
    commits = [_commit(each) for each in objects_at(push, "commits")]
    if not commits:
        return Ignored("the push brings no commits")
    heads = [text_at(each, "newObjectId") for each in updates]
    if commits[0].sha in heads:
        commits.reverse()  # The newest one comes first.
    base = text_at(updates[0], "oldObjectId") if len(updates) == 1 else None
    linked = with_guessed_parents(base or "", commits)
    return [PushedCommits(repository_url=_repository(push), commits=linked)]


def _commit(pushed: JsonObject) -> Commit:
    message = lines_at(pushed, "comment")
    return Commit(
        sha=needed_text(pushed, "commitId").lower(),
        author_time_ns=needed_instant(pushed, "author", "date"),
        commit_time_ns=needed_instant(pushed, "committer", "date"),
        subject=message.partition("\n")[0].strip(),
        message=message,
        author_name=text_at(pushed, "author", "name") or "",
        author_email=text_at(pushed, "author", "email") or "",
    )


def _repository(resource: JsonObject) -> str:
    return needed_text(resource, "repository", "remoteUrl")


_RELEASE_COMPLETED = "ms.vss-release.deployment-completed-event"
_READERS: Mapping[str, Reader] = {
    "ms.vss-release.deployment-started-event": _release,
    _RELEASE_COMPLETED: _release,
    "ms.vss-pipelines.stage-state-changed-event": _stage,
    "build.complete": _build,
    "git.pullrequest.created": _pull_request,
    "git.pullrequest.updated": _pull_request,
    "git.pullrequest.merged": _pull_request,
    "git.push": _push,
}
_IGNORED = {
    "ms.vss-pipelines.run-state-changed-event": "build.complete says the same, with the commit",
    "ms.vss-pipelines.job-state-changed-event": "a job is no deployment: its stage counts",
}
AZURE_DEVOPS_EVENTS = tuple(_READERS)
"""Values of `eventType` that it understands."""
