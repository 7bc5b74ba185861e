"""Events as JSON documents: the attributes that responses, exports and the store write.

Datadog API: "Get a list of deployment events", "Get a list of incident events". An attribute
without a value is left out, except `change_failure`.
"""

from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from theodora.events.input import CommitSha
from theodora.events.timestamps import format_rfc3339
from theodora.events.values import (
    DEPLOYMENT_TEXTS,
    FAILURE_TEXTS,
    STAGE_AVERAGES,
    Deployment,
    DeploymentType,
    Failure,
    Remediation,
    TextAttribute,
    stage_averages,
    texts_of,
)

_encode = msgspec.json.Encoder().encode


class TimestampForm(Enum):
    """How instants are written."""

    UNIX_NS = "unix_ns"
    RFC3339 = "rfc3339"

    def write(self, instant_ns: int) -> int | str:
        return instant_ns if self is TimestampForm.UNIX_NS else format_rfc3339(instant_ns)


WriteInstant = Callable[[int], int | str]

GAP = "\x1e"
"""A placeholder for an instant in rendered attributes; texts have no control characters."""
_ENCODED_GAP = _encode(GAP).decode()


def _gap(_: int) -> str:
    return GAP


class DeploymentGit(msgspec.Struct, frozen=True):
    commit_sha: CommitSha
    repository_id: str
    repository_url: str


class FailureGit(msgspec.Struct, frozen=True):
    commit_sha: CommitSha
    repository_url: str
    repository_id: str


_Instant = Annotated[
    Annotated[int, Meta(extra_json_schema={"format": "int64"})]
    | Annotated[str, Meta(extra_json_schema={"format": "date-time"})],
    Meta(description="Unix time in nanoseconds, or RFC 3339 for clients that read that."),
]
_Seconds = Annotated[int, Meta(description="Whole seconds.", ge=0)]
_Tags = Annotated[tuple[str, ...], Meta(min_length=1)]


def _texts(attributes: tuple[TextAttribute, ...]) -> list[tuple[str, Any, Any]]:
    return [
        (each.name, Annotated[str, Meta(description=each.about)] | UnsetType, UNSET)
        for each in attributes
    ]


DeploymentAttributes = msgspec.defstruct(
    "DeploymentAttributes",
    [
        ("service", str),
        ("started_at", _Instant),
        ("finished_at", _Instant),
        *_texts(DEPLOYMENT_TEXTS),
        ("git", DeploymentGit | UnsetType, UNSET),
        ("custom_tags", _Tags | UnsetType, UNSET),
        (
            "change_failure",
            Annotated[
                bool | None,
                Meta(description="Whether it failed; null while there is no verdict."),
            ],
        ),
        ("deployment_type", DeploymentType),
        ("remediation", Remediation | UnsetType, UNSET),
        ("recovery_time_sec", _Seconds | UnsetType, UNSET),
        ("number_of_commits", Annotated[int, Meta(ge=0)] | UnsetType, UNSET),
        (
            "change_lead_time",
            Annotated[int, Meta(description="Whole seconds.")] | UnsetType,
            UNSET,
        ),
        *(
            (each.name, Annotated[int, Meta(description=each.about, ge=0)] | UnsetType, UNSET)
            for each in STAGE_AVERAGES
        ),
        ("duration", _Seconds),
        ("source", str),
        ("created_at", _Instant),
    ],
    frozen=True,
    kw_only=True,
)
"""The attributes of a deployment, in the order of responses."""
FailureAttributes = msgspec.defstruct(
    "FailureAttributes",
    [
        ("services", Annotated[tuple[str, ...], Meta(min_length=1)] | UnsetType, UNSET),
        ("started_at", _Instant),
        ("finished_at", _Instant | UnsetType, UNSET),
        *_texts(FAILURE_TEXTS),
        ("git", FailureGit | UnsetType, UNSET),
        ("custom_tags", _Tags | UnsetType, UNSET),
        ("time_to_restore", _Seconds | UnsetType, UNSET),
        ("source", str),
        ("created_at", _Instant),
    ],
    frozen=True,
    kw_only=True,
)
"""The attributes of a failure, in the order of responses."""


def render_attributes(event: Deployment | Failure) -> str:
    """An event's attributes with a gap for each instant, to be kept and written many times."""
    return _encode(attributes_of(event, _gap)).decode().replace(_ENCODED_GAP, GAP)


def attributes_of(event: Deployment | Failure, write: WriteInstant) -> msgspec.Struct:
    """The attributes of an event, its instants written by `write`."""
    if isinstance(event, Deployment):
        return _deployment_attributes(event, write)
    return _failure_attributes(event, write)


def _deployment_attributes(event: Deployment, write: WriteInstant) -> msgspec.Struct:
    git = event.git
    return DeploymentAttributes(
        service=event.service,
        started_at=write(event.started_at_ns),
        finished_at=write(event.finished_at_ns),
        **_texts_sent(event),
        git=DeploymentGit(git.commit_sha, git.repository_id, git.repository_url) if git else UNSET,
        custom_tags=event.custom_tags or UNSET,
        change_failure=event.change_failure,
        deployment_type=event.deployment_type,
        remediation=_known(event.remediation),
        recovery_time_sec=_known(event.recovery_time_sec),
        number_of_commits=_known(event.number_of_commits),
        change_lead_time=_known(event.change_lead_time),
        **_stage_averages_known(event),
        duration=event.duration,
        source=event.source,
        created_at=write(event.created_at_ns),
    )


def _failure_attributes(event: Failure, write: WriteInstant) -> msgspec.Struct:
    git = event.git
    finished_at_ns = event.finished_at_ns
    return FailureAttributes(
        services=event.services or UNSET,
        started_at=write(event.started_at_ns),
        finished_at=UNSET if finished_at_ns is None else write(finished_at_ns),
        **_texts_sent(event),
        git=FailureGit(git.commit_sha, git.repository_url, git.repository_id) if git else UNSET,
        custom_tags=event.custom_tags or UNSET,
        time_to_restore=_known(event.time_to_restore),
        source=event.source,
        created_at=write(event.created_at_ns),
    )


def _texts_sent(event: Deployment | Failure) -> dict[str, str]:
    return {name: text for name, text in texts_of(event).items() if text is not None}


def _stage_averages_known(event: Deployment) -> dict[str, Any]:
    found = zip(STAGE_AVERAGES, stage_averages(event), strict=True)
    return {each.name: _known(value) for each, value in found}


def _known(value: Any) -> Any:
    """The value, or nothing at all: None would be written as null."""
    return UNSET if value is None else value
