"""The operations of pull requests: a list, and one of them."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from theodora.events.document import TimestampForm
from theodora.events.pull_requests import PullRequestEvent, ShippingDeployment, State, in_seconds
from theodora.query.fields import Kind, Searched
from theodora.web.api.cursors import NEXT_CURSOR, encode_cursor
from theodora.web.api.events import VARIES, event_form, event_listing
from theodora.web.api.wire import TYPES, Resource, encode_data, encode_resource
from theodora.web.http.operations import Request
from theodora.web.http.responses import Reply

_Instant = Annotated[int | str, Meta(description="As `timestamps` says.")]
_Seconds = Annotated[int, Meta(description="Seconds.")]


class ShippedBy(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first deployment of a service and environment that shipped it."""

    id: str
    service: str
    started_at: _Instant
    finished_at: _Instant
    in_production: bool
    env: str | None = None
    team: str | None = None
    version: str | None = None


class PullRequestAttributes(msgspec.Struct, frozen=True, omit_defaults=True):
    """A pull request. What is not known is left out."""

    repository_id: str
    number: int
    state: State
    title: str | None = None
    author: str | None = None
    url: str | None = None
    branch: str | None = None
    base: str | None = None
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] | None = None
    commit_shas: tuple[str, ...] = ()
    number_of_commits: int | None = None
    additions: int | None = None
    deletions: int | None = None
    is_bot: bool = False
    first_commit_at: _Instant | None = None
    opened_at: _Instant | None = None
    ready_at: _Instant | None = None
    first_reviewed_at: _Instant | None = None
    approved_at: _Instant | None = None
    merged_at: _Instant | None = None
    closed_at: _Instant | None = None
    updated_at: _Instant | None = None
    deployed_at: _Instant | None = None
    cycle_time: _Seconds | None = None
    time_to_ready: _Seconds | None = None
    review_time: _Seconds | None = None
    merge_time: _Seconds | None = None
    time_to_deploy: _Seconds | None = None
    deployments: tuple[ShippedBy, ...] = ()
    """In the order in which they finished."""


_encode = msgspec.json.Encoder().encode

_INSTANTS = (
    *("first_commit_at", "opened_at", "ready_at", "first_reviewed_at", "approved_at"),
    *("merged_at", "closed_at", "updated_at"),
)
_DURATIONS = ("cycle_time", "time_to_ready", "review_time", "merge_time", "time_to_deploy")


def list_pull_requests(request: Request) -> Reply:
    selection, form = event_listing(request, Kind.PULL_REQUEST)
    found = request.store.pull_requests.page(request.organisation, selection)
    body = encode_data([resource_of(each, form) for each in found.events])
    if found.end is None:
        return Reply(200, body, headers=VARIES)
    cursor = encode_cursor(Kind.PULL_REQUEST, selection, found.end).encode()
    return Reply(200, body, headers=(*VARIES, (NEXT_CURSOR.lower().encode(), cursor)))


def get_pull_request(request: Request) -> Reply:
    form = event_form(request)
    event = request.store.pull_requests.get(request.organisation, request.path_parameters["id"])
    return Reply(200, encode_data(resource_of(event, form)), headers=VARIES)


def resource_of(event: PullRequestEvent, form: TimestampForm) -> Resource:
    """A pull request as responses have it."""
    return Resource(event.id, TYPES[Kind.PULL_REQUEST], _attributes(event, form))


def encode_searched(event: Searched, form: TimestampForm) -> bytes:
    """One of what is searched as a resource, without a document around it."""
    if isinstance(event, PullRequestEvent):
        return _encode(resource_of(event, form))
    return encode_resource(event, form)


def _attributes(event: PullRequestEvent, form: TimestampForm) -> PullRequestAttributes:
    def instant(at_ns: int | None) -> Any:
        return None if at_ns is None else form.write(at_ns)

    return PullRequestAttributes(
        repository_id=event.repository_id,
        number=event.number,
        state=event.state,
        title=event.title or None,
        author=event.author or None,
        url=event.url or None,
        branch=event.branch or None,
        base=event.base or None,
        labels=event.labels,
        reviewers=event.reviewers,
        commit_shas=event.commit_shas,
        number_of_commits=event.number_of_commits,
        additions=event.additions,
        deletions=event.deletions,
        is_bot=event.is_bot,
        deployed_at=instant(event.shipped.finished_at_ns if event.shipped else None),
        deployments=tuple(_shipped_by(each, form) for each in event.deployments),
        **{name: instant(getattr(event, f"{name}_ns")) for name in _INSTANTS},
        **{name: in_seconds(getattr(event, f"{name}_ns")) for name in _DURATIONS},
    )


def _shipped_by(deployment: ShippingDeployment, form: TimestampForm) -> ShippedBy:
    return ShippedBy(
        id=deployment.id,
        service=deployment.service,
        started_at=form.write(deployment.started_at_ns),
        finished_at=form.write(deployment.finished_at_ns),
        in_production=deployment.in_production,
        env=deployment.env,
        team=deployment.team,
        version=deployment.version,
    )
