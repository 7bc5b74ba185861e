"""Overrides as JSON Lines, for `theodora import verdicts` and `theodora export verdicts`."""

import msgspec

from theodora.dora import GivenRemediation
from theodora.errors import Invalid, Problem
from theodora.events import (
    format_rfc3339,
)
from theodora.events.json_values import JsonObject
from theodora.events.members import Members
from theodora.events.timestamps import nanoseconds_from_json
from theodora.storage import OverrideAuthor, OverrideRecord, OverrideValues


class _Line(msgspec.Struct, omit_defaults=True):
    """An override that was set on or removed from the deployment with this id."""

    deployment: str
    at: int | str
    by: str = ""
    change_failure: bool | None = None
    remediation: GivenRemediation | None = None
    failure_ids: tuple[str, ...] = ()
    reason: str = ""
    removed: bool = False


VERDICT_LINE: Members = {
    **dict.fromkeys(_Line.__struct_fields__),
    "remediation": dict.fromkeys(GivenRemediation.__struct_fields__),
}
"""The members of a verdict's line."""


def act_from_document(document: JsonObject) -> OverrideRecord:
    """The override that a line's object describes; `Invalid` lists its problems."""
    try:
        read = msgspec.convert(document, _Line)
    except msgspec.ValidationError as error:
        raise Invalid(Problem(str(error))) from None
    author = OverrideAuthor(read.by, _instant_ns(read.at), read.reason)
    return OverrideRecord(read.deployment, None if read.removed else _verdict(read), author)


def line_from_act(act: OverrideRecord) -> bytes:
    """A line whose object `act_from_document` reads back."""
    said = act.values or OverrideValues()
    line = _Line(
        deployment=act.deployment_id,
        at=format_rfc3339(act.author.at_ns),
        by=act.author.by,
        change_failure=said.change_failure,
        remediation=GivenRemediation(
            type=said.remediation_type, id=said.remediation_id, version=said.remediation_version
        )
        if said.remediation_type
        else None,
        failure_ids=said.failure_ids,
        reason=act.author.reason,
        removed=act.values is None,
    )
    return msgspec.json.encode(line) + b"\n"


def _verdict(line: _Line) -> OverrideValues:
    remedy = line.remediation
    if remedy is None:
        if line.change_failure is None:
            raise Invalid(Problem('member "change_failure" is required'))
        return OverrideValues().patched(
            OverrideValues(line.change_failure, failure_ids=line.failure_ids)
        )
    if (remedy.id is None) == (remedy.version is None):
        raise Invalid(Problem('member "remediation" must have either "id" or "version"'))
    return OverrideValues().patched(
        OverrideValues(
            line.change_failure, remedy.id, remedy.version, remedy.type, line.failure_ids
        )
    )


def _instant_ns(value: int | str) -> int:
    instant_ns = nanoseconds_from_json(value)
    if instant_ns is None:
        raise Invalid(Problem('member "at" must be a Unix timestamp or a date-time'))
    return instant_ns
