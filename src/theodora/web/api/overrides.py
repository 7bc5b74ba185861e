"""The handlers of verdict overrides: set with a reason, read with their history, removed.

Datadog's patch sets a verdict too, but has no reason and cannot be undone.
"""

from typing import Any, Literal

import msgspec

from theodora.dora import GivenRemediation
from theodora.events import format_rfc3339
from theodora.storage import OverrideHistory, OverrideRecord, OverrideValues
from theodora.web.api.verdict_requests import OVERRIDE_TYPE, decode_override
from theodora.web.api.wire import Resource, encode_data
from theodora.web.http.operations import Pending, Request
from theodora.web.http.responses import Reply


class OverrideDocument(msgspec.Struct, frozen=True):
    """An override with its author, time and reason."""

    change_failure: bool | None
    """Null where only a remediation was given."""
    remediation: GivenRemediation | None
    failure_ids: tuple[str, ...]
    """Failures that the deployment caused."""
    by: str
    """The name of a key, or of a person."""
    at: str | None
    reason: str


class Act(OverrideDocument, frozen=True):
    """A record of an override that was set or removed."""

    action: Literal["given", "removed"]


class OverrideAttributes(msgspec.Struct, frozen=True):
    """The override of a deployment and its history."""

    verdict: OverrideDocument | None
    """The current override; null if the rules decide."""
    history: tuple[Act, ...]
    """Newest first, at most 100."""


def get_override(request: Request) -> Reply:
    id_ = request.path_parameters["id"]
    return _reply(id_, request.store.verdicts.get(request.organisation, id_))


def put_override(request: Request) -> Pending:
    id_ = request.path_parameters["id"]
    verdict, reason = decode_override(request.body, id_)
    written = request.store.verdicts.put(
        request.organisation,
        id_,
        verdict,
        now_ns=request.now_ns,
        reason=reason,
        actor=request.actor,
    )
    return Pending(written, lambda found: _reply(id_, found))


def delete_override(request: Request) -> Pending:
    id_ = request.path_parameters["id"]
    written = request.store.verdicts.delete(
        request.organisation, id_, now_ns=request.now_ns, actor=request.actor
    )
    return Pending(written, lambda _: Reply(202))


def override_attributes(found: OverrideHistory) -> OverrideAttributes:
    """The override as shown in responses and by commands."""
    current = found.current
    return OverrideAttributes(
        verdict=OverrideDocument(**_override_members(current)) if current else None,
        history=tuple(
            Act(**_override_members(act), action="given" if act.values else "removed")
            for act in found.history
        ),
    )


def _override_members(act: OverrideRecord) -> dict[str, Any]:
    said, author = act.values or OverrideValues(), act.author
    type_ = said.remediation_type
    remedy = (
        GivenRemediation(type=type_, id=said.remediation_id, version=said.remediation_version)
        if type_
        else None
    )
    return {
        "change_failure": said.change_failure,
        "remediation": remedy,
        "failure_ids": said.failure_ids,
        "by": author.by,
        "at": format_rfc3339(author.at_ns) if author.at_ns else None,
        "reason": author.reason,
    }


def _reply(id_: str, found: OverrideHistory) -> Reply:
    return Reply(200, encode_data(Resource(id_, OVERRIDE_TYPE, override_attributes(found))))
