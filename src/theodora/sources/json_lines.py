"""Events as JSON Lines, for `theodora import` and `theodora export`."""

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, TypeAlias, TypeVar, cast

import msgspec

from theodora.errors import Invalid, Problem
from theodora.events import (
    ActivePeriod,
    Deployment,
    DeploymentType,
    Failure,
    Git,
    Remediation,
)
from theodora.events.attributes import (
    DEPLOYMENT_MEMBERS,
    FAILURE_MEMBERS,
    IMPORTED_PERIODS,
    read_deployment,
    read_failure,
)
from theodora.events.json_values import (
    JsonObject,
    decimal_number,
    is_object,
    type_name,
)
from theodora.events.members import Members
from theodora.events.timestamps import nanoseconds_from_json
from theodora.events.values import STAGE_AVERAGES
from theodora.sources.rows import Row

E = TypeVar("E", Deployment, Failure)

DEFAULT_SOURCE = "import"

_SOURCE = re.compile(r"[\w.:/-]{1,255}")

_decode = msgspec.json.Decoder(float_hook=decimal_number).decode


_KEPT: Members = dict.fromkeys(
    ("commit_sha", "repository_url", "source", "created_at", "team_is_filled_in")
)
_DERIVED: Members = {
    **dict.fromkeys(("change_failure", "deployment_type", "recovery_time_sec", "failed_by")),
    **dict.fromkeys(("number_of_commits", "change_lead_time", "lead_time_status", "duration")),
    **dict.fromkeys(each.name for each in STAGE_AVERAGES),
    "remediation": dict.fromkeys(("id", "type")),
}
DEPLOYMENT_LINE: Members = {**DEPLOYMENT_MEMBERS, **_KEPT, **_DERIVED}
"""The members of a deployment's line: those of the API and those that an export adds."""
FAILURE_LINE: Members = {**FAILURE_MEMBERS, **IMPORTED_PERIODS, **_KEPT, "time_to_restore": None}
"""The members of a failure's line."""


def deployment_from_line(line: bytes) -> Deployment:
    """The deployment that one line describes; `Invalid` lists all problems."""
    return deployment_from_document(read_document(line))


def deployment_from_document(document: JsonObject) -> Deployment:
    """The deployment that a line's object describes."""
    deployment = read_deployment(_attributes(document), imported=True)
    return _with_derived(_with_origin(deployment, document), document)


def failure_from_line(line: bytes) -> Failure:
    """The failure that one line describes; `Invalid` lists all problems."""
    return failure_from_document(read_document(line))


def failure_from_document(document: JsonObject) -> Failure:
    """The failure that a line's object describes."""
    return _with_origin(read_failure(_attributes(document), imported=True), document)


def line_from_event(event: Deployment | Failure) -> bytes:
    """An event as a line that the functions above read back, with its derived values."""
    members: dict[str, Any] = {"id": event.id}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if value not in (None, ()) and (name, value) != ("team_is_filled_in", False):
            members.update(_member(name, value))
    return msgspec.json.encode(members) + b"\n"


def _member(name: str, value: object) -> Mapping[str, object]:
    if isinstance(value, Git):
        return {"commit_sha": value.commit_sha, "repository_url": value.repository_url}
    if name == "periods":
        periods = cast("tuple[ActivePeriod, ...]", value)
        return {name: [{"started_at": began, "finished_at": ended} for began, ended in periods]}
    return {name.removesuffix("_ns"): value}


def read_document(line: bytes) -> JsonObject:
    """The object that a line is; `Invalid` for anything else."""
    try:
        document = _decode(line.removeprefix(codecs.BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(Problem(f"not JSON: {error}")) from None
    if not is_object(document):
        raise Invalid(Problem(f"not an object but of type {type_name(document)}"))
    return document


def rows_of_lines(lines: Iterable[str]) -> Iterator[Row]:
    """The object of every line that is not blank, or its error."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            document = read_document(line.encode("utf-8", "surrogateescape"))
        except Invalid as error:
            yield Row(number, None, error)
        else:
            yield Row(number, document)


def _attributes(document: JsonObject) -> JsonObject:
    """The line's members as attributes, with `commit_sha` and `repository_url` moved to `git`.

    A team that was filled in from settings is left to the settings here.
    """
    attributes = dict(document)
    if attributes.get("team_is_filled_in") is True:
        del attributes["team_is_filled_in"]
        attributes.pop("team", None)
    git = {
        name: document[name]
        for name in ("commit_sha", "repository_url")
        if document.get(name) is not None
    }
    return {**attributes, "git": git} if git else attributes


def _with_origin(event: E, document: JsonObject) -> E:
    """The event with the source and the time of first receipt that an export has kept."""
    source = document.get("source")
    return msgspec.structs.replace(
        event,
        source=source if isinstance(source, str) and _SOURCE.fullmatch(source) else DEFAULT_SOURCE,
        created_at_ns=max(0, nanoseconds_from_json(document.get("created_at")) or 0),
    )


_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Seconds: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _Derived(msgspec.Struct):
    """The derived members of a deployment's line."""

    change_failure: bool | None = None
    deployment_type: DeploymentType = "standard"
    remediation: Remediation | None = None
    recovery_time_sec: _Count | None = None
    number_of_commits: _Count | None = None
    change_lead_time: _Seconds | None = None
    avg_time_to_pr_ready: _Count | None = None
    avg_review_time: _Count | None = None
    avg_merge_time: _Count | None = None
    avg_time_to_deploy: _Count | None = None


def _with_derived(deployment: Deployment, document: JsonObject) -> Deployment:
    """The deployment with the derived values of an export."""
    try:
        derived = msgspec.convert(document, _Derived)
    except msgspec.ValidationError as error:
        raise Invalid(Problem(str(error))) from None
    return msgspec.structs.replace(deployment, **msgspec.structs.asdict(derived))
