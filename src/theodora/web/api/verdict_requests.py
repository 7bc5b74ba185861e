"""The requests that override a verdict: patches as Datadog has them, and those with a reason."""

from typing import Annotated, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from theodora.errors import Problem
from theodora.events import RemediationType
from theodora.events.attributes import CONTROL, missing, wrong_type
from theodora.events.input import (
    MAX_TEXT_CHARACTERS,
    FailureId,
    ServiceName,
    is_id,
)
from theodora.events.json_values import JsonObject, is_object
from theodora.events.values import REMEDIATION_TYPES
from theodora.storage import MAX_LINKED_FAILURES, OverrideValues
from theodora.web.api.wire import decode_attributes, raise_all, read_text

PATCH_TYPE = "dora_deployment_patch_request"
OVERRIDE_TYPE = "dora_deployment_verdict"
MAX_REASON = 1_024


class RemediationInput(msgspec.Struct, frozen=True):
    """The deployment that fixed a failed one, and how."""

    type: RemediationType
    id: (
        Annotated[str, Meta(description="The fixing deployment's id.", min_length=1)] | UnsetType
    ) = UNSET
    version: Annotated[str, Meta(description="Or its version.", min_length=1)] | UnsetType = UNSET


_ONE_OF_ITS_NAMES = {"oneOf": [{"required": ["id"]}, {"required": ["version"]}]}
_Remediation = Annotated[RemediationInput, Meta(extra_json_schema=_ONE_OF_ITS_NAMES)]
_Text = Annotated[str, Meta(max_length=MAX_TEXT_CHARACTERS)]


class PatchInput(msgspec.Struct, frozen=True):
    """An override of a verdict."""

    change_failure: bool | UnsetType = UNSET
    remediation: _Remediation | UnsetType = UNSET


class VersionPatchInput(msgspec.Struct, frozen=True):
    """An override of the verdict on the latest deployment of a version."""

    service: ServiceName
    env: _Text
    version: _Text
    change_failure: bool
    remediation: _Remediation | UnsetType = UNSET


class OverrideInput(msgspec.Struct, frozen=True):
    """An override of a verdict, with its reason."""

    change_failure: bool
    remediation: _Remediation | UnsetType = UNSET
    failure_ids: (
        Annotated[
            list[FailureId],
            Meta(
                max_length=MAX_LINKED_FAILURES,
                description="Ids of failures that the deployment caused.",
            ),
        ]
        | UnsetType
    ) = UNSET
    reason: Annotated[str, Meta(max_length=MAX_REASON)] | UnsetType = UNSET


class PatchByVersion(NamedTuple):
    """The deployment to patch, and its new verdict."""

    service: str
    env: str
    version: str
    verdict: OverrideValues


def decode_patch(body: bytes, id_: str) -> OverrideValues:
    """The verdict that a patch of the deployment with this id gives."""
    return decode_attributes(body, _read_patch, PATCH_TYPE, id_)


def decode_patch_by_version(body: bytes) -> PatchByVersion:
    """The deployment that a patch names by its version, and the verdict it gives."""
    return decode_attributes(body, _read_patch_by_version, PATCH_TYPE)


def decode_override(body: bytes, id_: str) -> tuple[OverrideValues, str]:
    """The verdict that is given on the deployment with this id, and the reason for it."""
    return decode_attributes(body, _read_override, OVERRIDE_TYPE, id_)


def _read_patch(attributes: JsonObject) -> OverrideValues:
    problems: list[Problem] = []
    change_failure = _boolean(attributes, "change_failure", problems)
    verdict = _verdict(attributes, change_failure, problems)
    raise_all(problems)
    return verdict


def _read_patch_by_version(attributes: JsonObject) -> PatchByVersion:
    problems: list[Problem] = []
    service, env, version = (
        _needed_text(attributes, name, problems) for name in ("service", "env", "version")
    )
    change_failure = _boolean(attributes, "change_failure", problems)
    if attributes.get("change_failure") is None:
        problems.append(missing("change_failure"))
    verdict = _verdict(attributes, change_failure, problems)
    raise_all(problems)
    return PatchByVersion(service, env, version, verdict)


def _read_override(attributes: JsonObject) -> tuple[OverrideValues, str]:
    problems: list[Problem] = []
    change_failure = _boolean(attributes, "change_failure", problems)
    if attributes.get("change_failure") is None:
        problems.append(missing("change_failure"))
    verdict = _verdict(attributes, change_failure, problems)
    reason = read_text(attributes, "reason", problems) or ""
    if len(reason) > MAX_REASON:
        detail = f'attribute "reason" must be at most {MAX_REASON} characters'
        problems.append(Problem(detail, ("reason",)))
    if CONTROL.search(reason):
        detail = 'attribute "reason" must not contain control characters'
        problems.append(Problem(detail, ("reason",)))
    verdict = verdict._replace(failure_ids=_failure_ids(attributes, problems))
    raise_all(problems)
    return OverrideValues().patched(verdict), reason


def _needed_text(holder: JsonObject, name: str, problems: list[Problem], *within: str) -> str:
    value = holder.get(name)
    if value is not None and not isinstance(value, str):
        problems.append(wrong_type(name, value, *within, name))
        return ""
    text = (value or "").strip()
    if not text:
        problems.append(missing(name, *within, name))
    return text


def _boolean(attributes: JsonObject, name: str, problems: list[Problem]) -> bool | None:
    value = attributes.get(name)
    if value is None or isinstance(value, bool):
        return value
    problems.append(wrong_type(name, value))
    return None


def _verdict(
    attributes: JsonObject,
    change_failure: bool | None,
    problems: list[Problem],
) -> OverrideValues:
    remediation = attributes.get("remediation")
    if remediation is None:
        return OverrideValues(change_failure)
    if not is_object(remediation):
        problems.append(wrong_type("remediation", remediation))
        return OverrideValues(change_failure)
    type_ = _remediation_type(remediation, problems)
    id_, version = _remediation_target(remediation, problems)
    return OverrideValues(change_failure, id_, version, type_)


def _failure_ids(attributes: JsonObject, problems: list[Problem]) -> tuple[str, ...]:
    name = "failure_ids"
    given = attributes.get(name)
    if given is None:
        return ()
    if not isinstance(given, list):
        problems.append(wrong_type(name, given))
        return ()
    if len(given) > MAX_LINKED_FAILURES:
        detail = f'attribute "{name}" must have at most {MAX_LINKED_FAILURES} items'
        problems.append(Problem(detail, (name,)))
    read: dict[str, None] = {}
    for number, item in enumerate(given):
        if not isinstance(item, str):
            problems.append(wrong_type(name, item, name, number))
        elif not is_id(item):
            detail = f'attribute "{name}" must have ids of failures'
            problems.append(Problem(detail, (name, number)))
        else:
            read[item] = None
    return tuple(read)


def _remediation_type(remediation: JsonObject, problems: list[Problem]) -> RemediationType | None:
    text = _needed_text(remediation, "type", problems, "remediation")
    for type_ in REMEDIATION_TYPES:
        if text == type_:
            return type_
    if text:
        detail = f'attribute "type" must be one of "{" ".join(REMEDIATION_TYPES)}"'
        problems.append(Problem(detail, ("remediation", "type")))
    return None


def _remediation_target(
    remediation: JsonObject, problems: list[Problem]
) -> tuple[str | None, str | None]:
    """The id or the version of the fixing deployment; exactly one is required."""
    inner: list[Problem] = []
    id_, version = (read_text(remediation, name, inner) for name in ("id", "version"))
    if not inner and id_ is None and version is None:
        detail = 'attribute "id" or attribute "version" is required'
        problems.append(Problem(detail, ("remediation",)))
    if id_ is not None and version is not None:
        detail = 'attribute "id" must not be given together with attribute "version"'
        problems.append(Problem(detail, ("remediation",)))
    problems.extend(problem.beneath("remediation") for problem in inner)
    return id_, version
