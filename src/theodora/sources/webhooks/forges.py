"""Parts of payloads that several hosts of repositories send in GitHub's shape."""

import re
from collections.abc import Sequence

from theodora.dora import Commit
from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Ignored, SourceSettings
from theodora.sources.webhooks.facts import (
    DeploymentFact,
    PullRequestFact,
    PushedCommits,
    WebhookFact,
)
from theodora.sources.webhooks.names import is_named
from theodora.sources.webhooks.parents import with_guessed_parents
from theodora.sources.webhooks.payload import (
    count_at,
    instant_at,
    known_count_at,
    lines_at,
    needed_instant,
    needed_text,
    number_at,
    object_at,
    objects_at,
    text_at,
    texts_at,
    value_at,
)

_VERSION = re.compile(r"v?\d[\w.+-]*")
_FULL_SHA = re.compile(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}")
_BRANCHES = "refs/heads/"
_CHANGES = ("added", "removed", "modified")


def version_of_ref(ref: str | None) -> str | None:
    """The ref if it is a version rather than a branch."""
    return ref if ref and _VERSION.fullmatch(ref) else None


def branch_refusal(branch: str | None, settings: SourceSettings) -> str | None:
    """Why nothing is deployed from the branch, for a provider that names no default branch.

    None if it is among the branches of the settings, by default `main` and `master`, and if there
    is no branch, as for a tag.
    """
    branches = settings.branches or ("main", "master")
    return f'it ran on the branch "{branch}"' if branch and not is_named(branch, branches) else None


def full_sha(sha: str | None) -> str | None:
    """The SHA in lower case, unless it is abbreviated."""
    return sha.lower() if sha and _FULL_SHA.fullmatch(sha) else None


def read_push(payload: JsonObject, url: str, *, is_based: bool) -> Sequence[WebhookFact] | Ignored:
    """The commits of a push; `is_based` if the oldest of them follows the commit `before`."""
    if not needed_text(payload, "ref").startswith(_BRANCHES):
        return Ignored("a tag brings no commits")
    commits = [_commit(each) for each in objects_at(payload, "commits")]
    if not commits:
        return Ignored("the push brings no commits")
    if commits[0].sha == (text_at(payload, "after") or "").lower():
        commits.reverse()  # Some hosts name the newest one first.
    if any(commit.parents for commit in commits):
        return [PushedCommits(repository_url=url, commits=tuple(commits))]
    base = needed_text(payload, "before") if is_based else ""
    return [PushedCommits(repository_url=url, commits=with_guessed_parents(base, commits))]


def read_release(payload: JsonObject, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The deployment that publishing a release is, if the settings count it as one."""
    if not settings.releases:
        return Ignored("the settings do not count a release as a deployment")
    action = text_at(payload, "action")
    if action not in {"published", "released"}:
        return Ignored(f"a release that is {action or 'not published'} deploys nothing")
    if value_at(payload, "release", "prerelease") is True:
        return Ignored("it is a pre-release")
    return [
        DeploymentFact(
            at_ns=needed_instant(payload, "release", "published_at"),
            number=f"release-{number_at(payload, 'release', 'id')}",
            status="succeeded",
            service=repository_service(payload, settings),
            env=settings.env_for(
                text_at(payload, "release", "target_commitish"),
                text_at(payload, "repository", "full_name"),
            ),
            version=needed_text(payload, "release", "tag_name"),
        )
    ]


def pull_request_fact(payload: JsonObject, *, became_ready: bool) -> PullRequestFact:
    """The pull request as it was when the provider sent it."""
    request = object_at(payload, "pull_request")
    return PullRequestFact(
        at_ns=needed_instant(request, "updated_at"),
        repository_url=repository_url(payload),
        number=number_at(request, "number"),
        title=text_at(request, "title") or "",
        labels=tuple(
            name for label in objects_at(request, "labels") if (name := text_at(label, "name"))
        ),
        branch=text_at(request, "head", "ref") or "",
        head_sha=text_at(request, "head", "sha"),
        commit_count=count_at(request, "commits"),
        merge_commit_sha=text_at(request, "merge_commit_sha"),
        created_at_ns=instant_at(request, "created_at"),
        merged_at_ns=instant_at(request, "merged_at"),
        became_ready=became_ready,
        author=text_at(request, "user", "login") or "",
        base=text_at(request, "base", "ref") or "",
        url=text_at(request, "html_url") or "",
        is_draft=value_at(request, "draft") is True,
        closed_at_ns=instant_at(request, "closed_at"),
        additions=known_count_at(request, "additions"),
        deletions=known_count_at(request, "deletions"),
    )


def repository_service(
    payload: JsonObject, settings: SourceSettings, *jobs: str | None
) -> str | None:
    """The service of a job in the repository, else of the repository itself.

    The repository's name is the last part of its full name.
    """
    full_name = needed_text(payload, "repository", "full_name")
    return settings.service_of(*jobs, full_name, full_name.rpartition("/")[2])


def repository_url(payload: JsonObject) -> str:
    """The URL of the repository's page."""
    return needed_text(payload, "repository", "html_url")


def _commit(pushed: JsonObject) -> Commit:
    message = lines_at(pushed, "message")
    at_ns = needed_instant(pushed, "timestamp")
    is_listed = any(name in pushed for name in _CHANGES)
    changed = {path for name in _CHANGES for path in texts_at(pushed, name)}
    return Commit(
        sha=needed_text(pushed, "id").lower(),
        author_time_ns=at_ns,
        commit_time_ns=at_ns,
        subject=message.partition("\n")[0].strip(),
        message=message,
        parents=texts_at(pushed, "parent_ids"),
        paths=tuple(sorted(changed)) if is_listed else None,
        author_name=text_at(pushed, "author", "name") or "",
        author_email=text_at(pushed, "author", "email") or "",
    )
