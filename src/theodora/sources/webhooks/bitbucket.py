"""Bitbucket Cloud's webhooks: pull requests, approvals and pushes."""

import re
from collections.abc import Iterable, Mapping, Sequence

from theodora.dora import Commit
from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import (
    MergeCommitFact,
    PullRequestFact,
    PushedCommits,
    ReviewFact,
    ReviewStatus,
    WebhookFact,
)
from theodora.sources.webhooks.forges import full_sha
from theodora.sources.webhooks.payload import (
    instant_at,
    lines_at,
    needed_instant,
    needed_text,
    number_at,
    object_at,
    objects_at,
    text_at,
)

_PUSH, _MERGED, _DECLINED = "repo:push", "pullrequest:fulfilled", "pullrequest:rejected"
_REVIEWS: Mapping[str, tuple[str, ReviewStatus]] = {
    "pullrequest:approved": ("approval", "approved"),
    "pullrequest:unapproved": ("approval", "dismissed"),
    "pullrequest:changes_request_created": ("changes_request", "dismissed"),
}
"""By the event: the member of the payload, and what it says of the reviewer's approval."""
BITBUCKET_EVENTS = (
    *(_PUSH, "pullrequest:created", "pullrequest:updated", *_REVIEWS),
    *(_MERGED, _DECLINED),
)
"""Values of the header X-Event-Key that it understands."""
_MERGED_IN = re.compile(r"Merged in .+ \(pull request #(\d{1,9})\)")
"""The message that Bitbucket proposes for a merge."""
_AUTHOR = re.compile(r"(.*?)\s*<([^<>]*)>")


def read_bitbucket(delivery: Delivery, _: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not Bitbucket's."""
    event, payload = delivery.headers.get("x-event-key", ""), delivery.payload
    if not event:
        return Ignored("it has no header X-Event-Key")
    if event.startswith("repo:commit_status"):
        return Ignored("a build status is no deployment")
    if event not in BITBUCKET_EVENTS:
        return Ignored(f"{event} says nothing about changes")
    if event == _PUSH:
        return _push(payload)
    if event in _REVIEWS:
        return [_pull_request(payload, event), _review(payload, event)]
    return [_pull_request(payload, event)]


def _pull_request(payload: JsonObject, event: str) -> PullRequestFact:
    request = object_at(payload, "pullrequest")
    at_ns = needed_instant(request, "updated_on")
    return PullRequestFact(
        at_ns=at_ns,
        repository_url=_repository(payload),
        number=number_at(request, "id"),
        title=text_at(request, "title") or "",
        branch=text_at(request, "source", "branch", "name") or "",
        head_sha=full_sha(text_at(request, "source", "commit", "hash")),
        merge_commit_sha=full_sha(text_at(request, "merge_commit", "hash")),
        created_at_ns=instant_at(request, "created_on"),
        # Nothing but the merge itself has the time of the merge.
        merged_at_ns=at_ns if event == _MERGED else None,
        author=text_at(request, "author", "nickname") or "",
        base=text_at(request, "destination", "branch", "name") or "",
        url=text_at(request, "links", "html", "href") or "",
        is_draft=request.get("draft") is True,
        closed_at_ns=at_ns if event == _DECLINED else None,
    )


def _review(payload: JsonObject, event: str) -> ReviewFact:
    member, status = _REVIEWS[event]
    return ReviewFact(
        at_ns=needed_instant(payload, member, "date"),
        repository_url=_repository(payload),
        number=number_at(payload, "pullrequest", "id"),
        review=needed_text(payload, member, "user", "uuid"),
        status=status,
        reviewer=text_at(payload, member, "user", "nickname") or "",
    )


def _push(payload: JsonObject) -> Sequence[WebhookFact] | Ignored:
    changes = objects_at(payload, "push", "changes")
    found = [commit for change in changes for commit in _commits(change)]
    if not found:
        return Ignored("the push brings no commits")
    url = _repository(payload)
    return [PushedCommits(repository_url=url, commits=tuple(found)), *_merges(url, found)]


def _commits(change: JsonObject) -> Iterable[Commit]:
    """Commits of a branch; a tag brings none."""
    if text_at(change, "new", "type") != "branch":
        return ()
    return map(_commit, objects_at(change, "commits"))


def _commit(pushed: JsonObject) -> Commit:
    message = lines_at(pushed, "message")
    at_ns = needed_instant(pushed, "date")
    author = _AUTHOR.fullmatch(text_at(pushed, "author", "raw") or "")
    parents = (full_sha(text_at(parent, "hash")) for parent in objects_at(pushed, "parents"))
    return Commit(
        sha=needed_text(pushed, "hash").lower(),
        parents=tuple(parent for parent in parents if parent),
        author_time_ns=at_ns,
        commit_time_ns=at_ns,
        subject=message.partition("\n")[0].strip(),
        message=message,
        author_name=author[1] if author else "",
        author_email=author[2] if author else "",
    )


def _merges(url: str, commits: Sequence[Commit]) -> list[MergeCommitFact]:
    """Pull requests that commits merge, by their messages."""
    found = ((commit, _MERGED_IN.match(commit.subject)) for commit in commits)
    return [
        MergeCommitFact(
            at_ns=at_ns,
            repository_url=url,
            number=int(match[1]),
            sha=commit.sha,
        )
        for commit, match in found
        if match and (at_ns := commit.commit_time_ns)
    ]


def _repository(payload: JsonObject) -> str:
    return needed_text(payload, "repository", "links", "html", "href")
