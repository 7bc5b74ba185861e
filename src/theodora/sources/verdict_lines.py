"""Verdicts by hand as JSON Lines: what `theodora export verdicts` writes and `import` reads."""

import msgspec

from theodora.dora import GivenRemediation
from theodora.errors import Invalid, Problem
from theodora.events import (
    format_rfc3339,
    nanoseconds_from_integer,
    nanoseconds_from_rfc3339,
)
from theodora.sources.json_lines import read_document
from theodora.storage import Giver, Verdict, VerdictAct


class _Line(msgspec.Struct, omit_defaults=True):
    """A verdict as it was given, or removed, on the deployment with this id."""

    deployment: str
    at: int | str
    by: str = ""
    change_failure: bool | None = None
    remediation: GivenRemediation | None = None
    reason: str = ""
    removed: bool = False


def act_from_line(line: bytes) -> VerdictAct:
    """The act that one line describes; `Invalid` says what is wrong with it."""
    try:
        read = msgspec.convert(read_document(line), _Line)
    except msgspec.ValidationError as error:
        raise Invalid(Problem(str(error))) from None
    giver = Giver(read.by, _instant_ns(read.at), read.reason)
    return VerdictAct(read.deployment, None if read.removed else _verdict(read), giver)


def line_from_act(act: VerdictAct) -> bytes:
    """A line that `act_from_line` reads back."""
    said = act.verdict or Verdict()
    line = _Line(
        deployment=act.deployment_id,
        at=format_rfc3339(act.giver.at_ns),
        by=act.giver.by,
        change_failure=said.change_failure,
        remediation=GivenRemediation(
            type=said.remediation_type, id=said.remediation_id, version=said.remediation_version
        )
        if said.remediation_type
        else None,
        reason=act.giver.reason,
        removed=act.verdict is None,
    )
    return msgspec.json.encode(line) + b"\n"


def _verdict(line: _Line) -> Verdict:
    remedy = line.remediation
    if remedy is None:
        if line.change_failure is None:
            raise Invalid(Problem('member "change_failure" is required'))
        return Verdict(line.change_failure)
    if (remedy.id is None) == (remedy.version is None):
        raise Invalid(Problem('member "remediation" must have either "id" or "version"'))
    return Verdict().patched(Verdict(line.change_failure, remedy.id, remedy.version, remedy.type))


def _instant_ns(value: int | str) -> int:
    instant_ns = (
        nanoseconds_from_rfc3339(value)
        if isinstance(value, str)
        else nanoseconds_from_integer(value)
    )
    if instant_ns is None:
        raise Invalid(Problem('member "at" must be a Unix timestamp or a date-time'))
    return instant_ns
