"""Verdicts on a deployment by hand: given with a reason, looked up with their history, taken back.

Datadog's patch gives a verdict too, but has no place for a reason and no way back.
"""

from typing import Any, Literal

import msgspec

from theodora.dora import GivenRemediation
from theodora.events import format_rfc3339
from theodora.storage import Giver, Judged, Verdict, VerdictAct
from theodora.web.api.wire import VERDICT_TYPE, Resource, decode_verdict, encode_data
from theodora.web.http.operations import Pending, Request
from theodora.web.http.responses import Reply


class GivenVerdict(msgspec.Struct, frozen=True):
    """A verdict by hand, who gave it, when and why."""

    change_failure: bool | None
    """Null where only a remediation was given."""
    remediation: GivenRemediation | None
    by: str
    """The name of a key, or of a person."""
    at: str | None
    reason: str


class Act(GivenVerdict, frozen=True):
    """A verdict as it was given, or taken back by somebody."""

    action: Literal["given", "removed"]


class VerdictAttributes(msgspec.Struct, frozen=True):
    """What was said of a deployment by hand."""

    verdict: GivenVerdict | None
    """The one that counts; null if the rules decide."""
    history: tuple[Act, ...]
    """Newest first, at most 100."""


def get_verdict(request: Request) -> Reply:
    id_ = request.path_parameters["id"]
    return _reply(id_, request.store.verdicts.get(request.organisation, id_))


def put_verdict(request: Request) -> Pending:
    id_ = request.path_parameters["id"]
    verdict, reason = decode_verdict(request.body, id_)
    giver = giver_of(request, reason)
    written = request.store.verdicts.put(request.organisation, id_, verdict, giver)
    return Pending(written, lambda judged: _reply(id_, judged))


def delete_verdict(request: Request) -> Pending:
    id_ = request.path_parameters["id"]
    written = request.store.verdicts.delete(request.organisation, id_, giver_of(request))
    return Pending(written, lambda _: Reply(202))


def giver_of(request: Request, reason: str = "") -> Giver:
    """Whoever holds the application key gives the verdict."""
    key = request.application_key
    return Giver((key.name or key.id) if key else "", request.now_ns, reason)


def verdict_attributes(judged: Judged) -> VerdictAttributes:
    """What was said by hand, as responses and commands show it."""
    current = judged.current
    return VerdictAttributes(
        verdict=GivenVerdict(**_said(current)) if current else None,
        history=tuple(
            Act(**_said(act), action="given" if act.verdict else "removed")
            for act in judged.history
        ),
    )


def _said(act: VerdictAct) -> dict[str, Any]:
    said, giver = act.verdict or Verdict(), act.giver
    type_ = said.remediation_type
    remedy = (
        GivenRemediation(type=type_, id=said.remediation_id, version=said.remediation_version)
        if type_
        else None
    )
    return {
        "change_failure": said.change_failure,
        "remediation": remedy,
        "by": giver.by,
        "at": format_rfc3339(giver.at_ns) if giver.at_ns else None,
        "reason": giver.reason,
    }


def _reply(id_: str, judged: Judged) -> Reply:
    return Reply(200, encode_data(Resource(id_, VERDICT_TYPE, verdict_attributes(judged))))
