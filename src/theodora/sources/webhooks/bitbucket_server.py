"""Webhooks of Bitbucket Data Center and Server: pull requests, approvals and pushes."""

from collections.abc import Mapping, Sequence

from theodora.dora import Commit
from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import (
    PullRequestFact,
    PushedCommits,
    ReviewFact,
    ReviewStatus,
    WebhookFact,
)
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

_PUSH, _MERGED = "repo:refs_changed", "pr:merged"
_REVIEWS: Mapping[str, ReviewStatus] = {
    "pr:reviewer:approved": "approved",
    **dict.fromkeys(
        ("pr:reviewer:unapproved", "pr:reviewer:needs_work", "pr:reviewer:changes_requested"),
        "dismissed",
    ),
}
BITBUCKET_SERVER_EVENTS = (
    *(_PUSH, "pr:opened", "pr:from_ref_updated", "pr:modified", *_REVIEWS),
    *(_MERGED, "pr:declined"),
)
"""Values of `eventKey` that it understands."""
_BRANCHES = "refs/heads/"


def read_bitbucket_server(delivery: Delivery, _: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not Bitbucket's."""
    payload = delivery.payload
    event = text_at(payload, "eventKey")
    if event is None:
        return Ignored("it has no eventKey, as a test of the connection")
    if event not in BITBUCKET_SERVER_EVENTS:
        return Ignored(f"{event} says nothing about changes")
    place = ("repository",) if event == _PUSH else ("pullRequest", "toRef", "repository")
    url = _repository(object_at(payload, *place))
    if url is None:
        return Ignored("it has no link to the repository: this version of Bitbucket is too old")
    if event == _PUSH:
        return _push(payload, url)
    if event in _REVIEWS:
        return [_pull_request(payload, event, url), _review(payload, event, url)]
    return [_pull_request(payload, event, url)]


def _pull_request(payload: JsonObject, event: str, repository_url: str) -> PullRequestFact:
    request = object_at(payload, "pullRequest")
    is_merge = event == _MERGED
    return PullRequestFact(
        at_ns=needed_instant(request, "updatedDate"),
        repository_url=repository_url,
        number=number_at(request, "id"),
        title=text_at(request, "title") or "",
        branch=text_at(request, "fromRef", "displayId") or "",
        head_sha=text_at(request, "fromRef", "latestCommit"),
        merge_commit_sha=text_at(request, "properties", "mergeCommit", "id"),
        created_at_ns=instant_at(request, "createdDate"),
        merged_at_ns=needed_instant(request, "closedDate") if is_merge else None,
        author=text_at(request, "author", "user", "name") or "",
        base=text_at(request, "toRef", "displayId") or "",
        url=next(
            (text_at(link, "href") or "" for link in objects_at(request, "links", "self")), ""
        ),
        is_draft=request.get("draft") is True,
        closed_at_ns=instant_at(request, "closedDate"),
    )


def _review(payload: JsonObject, event: str, repository_url: str) -> ReviewFact:
    return ReviewFact(
        at_ns=needed_instant(payload, "date"),
        repository_url=repository_url,
        number=number_at(payload, "pullRequest", "id"),
        review=str(number_at(payload, "participant", "user", "id")),
        status=_REVIEWS[event],
        reviewer=text_at(payload, "participant", "user", "name") or "",
    )


def _push(payload: JsonObject, repository_url: str) -> Sequence[WebhookFact] | Ignored:
    refs = [text_at(change, "refId") or "" for change in objects_at(payload, "changes")]
    if not any(ref.startswith(_BRANCHES) for ref in refs):
        return Ignored("a tag brings no commits")
    commits = tuple(map(_commit, objects_at(payload, "commits")))
    if not commits:
        return Ignored("the push does not name its commits")
    return [PushedCommits(repository_url=repository_url, commits=commits)]


def _commit(pushed: JsonObject) -> Commit:
    message = lines_at(pushed, "message")
    return Commit(
        sha=needed_text(pushed, "id").lower(),
        parents=tuple(needed_text(parent, "id") for parent in objects_at(pushed, "parents")),
        author_time_ns=needed_instant(pushed, "authorTimestamp"),
        commit_time_ns=needed_instant(pushed, "committerTimestamp"),
        subject=message.partition("\n")[0].strip(),
        message=message,
        author_name=text_at(pushed, "author", "name") or "",
        author_email=text_at(pushed, "author", "emailAddress") or "",
    )


def _repository(repository: JsonObject) -> str | None:
    """The URL to clone from over HTTP, else over SSH."""
    links = list(objects_at(repository, "links", "clone"))
    links.sort(key=lambda link: text_at(link, "name") != "http")
    return next((url for link in links if (url := text_at(link, "href"))), None)
