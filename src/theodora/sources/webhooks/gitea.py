"""Webhooks of Gitea and Forgejo: pull requests, reviews, pushes and releases."""

from collections.abc import Mapping, Sequence

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import ReviewFact, ReviewStatus, WebhookFact
from theodora.sources.webhooks.forges import (
    pull_request_fact,
    read_push,
    read_release,
    repository_url,
)
from theodora.sources.webhooks.payload import (
    count_at,
    needed_instant,
    number_at,
    objects_at,
    text_at,
)
from theodora.sources.webhooks.readers import Reader, reader_of

_DRAFT_TITLES = ("WIP:", "[WIP]")
"""Beginnings of the titles of drafts, case-insensitive."""


def read_gitea(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` for a payload that is not Gitea's."""
    read = reader_of(delivery, "X-Gitea-Event", _READERS, "deployments or changes")
    if isinstance(read, Ignored):
        return read
    return read(delivery.payload, settings)


def _pull_request(payload: JsonObject, _: SourceSettings) -> Sequence[WebhookFact]:
    before = text_at(payload, "changes", "title", "from") or ""
    after = text_at(payload, "pull_request", "title") or ""
    became_ready = _is_draft_title(before) and not _is_draft_title(after)
    return [pull_request_fact(payload, became_ready=became_ready)]


def _is_draft_title(title: str) -> bool:
    return title.upper().startswith(_DRAFT_TITLES)


def _approved(payload: JsonObject, _: SourceSettings) -> Sequence[WebhookFact]:
    return [_review(payload, "approved")]


def _rejected(payload: JsonObject, _: SourceSettings) -> Sequence[WebhookFact]:
    """A request for changes takes the place of the same reviewer's approval."""
    return [_review(payload, "dismissed")]


def _review(payload: JsonObject, status: ReviewStatus) -> ReviewFact:
    return ReviewFact(
        at_ns=needed_instant(payload, "pull_request", "updated_at"),
        repository_url=repository_url(payload),
        number=number_at(payload, "pull_request", "number"),
        review=str(number_at(payload, "sender", "id")),
        status=status,
        reviewer=text_at(payload, "sender", "login") or "",
    )


def _push(payload: JsonObject, _: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    commits = sum(1 for _ in objects_at(payload, "commits"))
    # A webhook names the last few commits of a longer push.
    is_based = count_at(payload, "total_commits") <= commits
    return read_push(payload, repository_url(payload), is_based=is_based)


_READERS: Mapping[str, Reader] = {
    "pull_request": _pull_request,
    "pull_request_approved": _approved,
    "pull_request_rejected": _rejected,
    "push": _push,
    "release": read_release,
}
GITEA_EVENTS = tuple(_READERS)
"""Values of the header X-Gitea-Event that it understands."""
