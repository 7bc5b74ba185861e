"""Events as JSON documents: the attributes that responses, exports and the store write.

Datadog API: "Get a list of deployment events", "Get a list of incident events". An attribute
without a value is left out, except `change_failure`.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any

import msgspec

from theodora.events.timestamps import format_rfc3339
from theodora.events.values import (
    DEPLOYMENT_TEXTS,
    FAILURE_TEXTS,
    Deployment,
    Failure,
    Remediation,
    TextAttribute,
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
    commit_sha: str
    repository_id: str
    repository_url: str


class FailureGit(msgspec.Struct, frozen=True):
    commit_sha: str
    repository_url: str
    repository_id: str


def _texts(attributes: tuple[TextAttribute, ...]) -> list[tuple[str, Any, None]]:
    return [(each.name, str | None, None) for each in attributes]


DeploymentAttributes = msgspec.defstruct(
    "DeploymentAttributes",
    [
        ("service", str),
        ("started_at", int | str),
        ("finished_at", int | str),
        *_texts(DEPLOYMENT_TEXTS),
        ("git", DeploymentGit | None, None),
        ("custom_tags", tuple[str, ...], ()),
        ("change_failure", bool | None),
        ("deployment_type", str),
        ("remediation", Remediation | None, None),
        ("recovery_time_sec", int | None, None),
        ("number_of_commits", int | None, None),
        ("change_lead_time", int | None, None),
        ("duration", int),
        ("source", str),
        ("created_at", int | str),
    ],
    frozen=True,
    kw_only=True,
    omit_defaults=True,
)
"""The attributes of a deployment, in the order of responses."""
FailureAttributes = msgspec.defstruct(
    "FailureAttributes",
    [
        ("services", tuple[str, ...], ()),
        ("started_at", int | str),
        ("finished_at", int | str | None, None),
        *_texts(FAILURE_TEXTS),
        ("git", FailureGit | None, None),
        ("custom_tags", tuple[str, ...], ()),
        ("time_to_restore", int | None, None),
        ("source", str),
        ("created_at", int | str),
    ],
    frozen=True,
    kw_only=True,
    omit_defaults=True,
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
        **texts_of(event),
        git=git and DeploymentGit(git.commit_sha, git.repository_id, git.repository_url),
        custom_tags=event.custom_tags,
        change_failure=event.change_failure,
        deployment_type=event.deployment_type,
        remediation=event.remediation,
        recovery_time_sec=event.recovery_time_sec,
        number_of_commits=event.number_of_commits,
        change_lead_time=event.change_lead_time,
        duration=event.duration,
        source=event.source,
        created_at=write(event.created_at_ns),
    )


def _failure_attributes(event: Failure, write: WriteInstant) -> msgspec.Struct:
    git = event.git
    finished_at_ns = event.finished_at_ns
    return FailureAttributes(
        services=event.services,
        started_at=write(event.started_at_ns),
        finished_at=None if finished_at_ns is None else write(finished_at_ns),
        **texts_of(event),
        git=git and FailureGit(git.commit_sha, git.repository_url, git.repository_id),
        custom_tags=event.custom_tags,
        time_to_restore=event.time_to_restore,
        source=event.source,
        created_at=write(event.created_at_ns),
    )
