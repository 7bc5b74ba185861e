"""Decoders and encoders of the API's JSON documents.

Decoders raise `Invalid` with every problem that one pass finds, each with the path of the
offending place. Envelopes come first; a wrong one hides what is inside it.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

import msgspec

from theodora.errors import Invalid, Problem
from theodora.events import (
    Deployment,
    Failure,
    RemediationType,
    format_rfc3339,
    nanoseconds_from_integer,
    nanoseconds_from_rfc3339,
)
from theodora.events.attributes import (
    CONTROL,
    MAX_PROBLEMS,
    missing,
    no_timestamp,
    shortened,
    wrong_type,
)
from theodora.events.document import GAP, TimestampForm, attributes_of
from theodora.events.json_values import (
    JsonObject,
    JsonValue,
    decimal_number,
    exact_integer,
    is_object,
    type_name,
)
from theodora.events.values import REMEDIATION_TYPES
from theodora.query import Query, parse_cached
from theodora.query.ast import Everything
from theodora.query.fields import SORT_KEYS, Field, Kind, sort_key
from theodora.storage import Document, OverrideValues, Position, Selection
from theodora.web.api.cursors import ForeignCursor, UnreadableCursor, decode_cursor

E = TypeVar("E", Deployment, Failure)
T = TypeVar("T")

MAX_NESTING = 64
MAX_LIST_LIMIT = 1000
DEFAULT_LIST_LIMIT = 10

_DATA = ("data",)
_ATTRIBUTES = ("data", "attributes")

_decode = msgspec.json.Decoder(float_hook=decimal_number).decode
_encode = msgspec.json.Encoder().encode

_BYTE = re.compile(r"\(byte (\d+)\)$")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_LONG_NUMBER = re.compile(rb"\d{300,}")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


# Bodies


def decode_body(body: bytes) -> JsonObject:
    """The object that a body is. Numbers with a fraction or an exponent become `Decimal`."""
    body = body.removeprefix(_BYTE_ORDER_MARK)
    if not body.strip():
        raise Invalid(Problem("error decoding body: empty"))
    _check_nesting(body)
    try:
        document = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _invalid_json(body, _offset(body, error)) from None
    if not is_object(document):
        raise Invalid(Problem(f"error decoding body: invalid type {type_name(document)}"))
    return document


def _check_nesting(body: bytes) -> None:
    if body.count(b"{") + body.count(b"[") <= MAX_NESTING:
        return
    depth = 0
    for token in _TOKEN.finditer(body):
        if token[0] in b"[{":
            depth += 1
        elif token[0] in b"]}":
            depth -= 1
        if depth > MAX_NESTING:
            raise _invalid_json(body, token.start())


def _offset(body: bytes, error: Exception) -> int:
    """The position in the body at which the decoder failed."""
    try:
        body.decode()
    except UnicodeDecodeError as not_text:
        return not_text.start
    if byte := _BYTE.search(str(error)):
        return int(byte[1])
    number = _LONG_NUMBER.search(body)
    return number.start() if number else len(body)


def _invalid_json(body: bytes, offset: int) -> Invalid:
    before = body[:offset].decode(errors="replace")
    line = before.count("\n") + 1
    column = len(before) - before.rfind("\n")
    return Invalid(Problem(f"error decoding body: invalid JSON at line {line} column {column}"))


# Envelopes


def decode_attributes(body: bytes, read: Callable[[JsonObject], T], type_: str | None = None) -> T:
    """Reads the attributes of a document, after checking its type if one is given."""
    return read_attributes(decode_body(body), read, type_)


def read_attributes(
    document: JsonObject, read: Callable[[JsonObject], T], type_: str | None = None
) -> T:
    """The same of a document that has been decoded."""
    _, attributes = _envelope_of(document, type_)
    try:
        return read(attributes)
    except Invalid as invalid:
        raise _in_attributes(invalid.problems) from None


def _envelope(
    body: bytes, type_: str | None = None, id_: str | None = None
) -> tuple[JsonObject, JsonObject]:
    """`data` and its `attributes`; a given type and, if sent at all, the id have to be those."""
    return _envelope_of(decode_body(body), type_, id_)


def _envelope_of(
    document: JsonObject, type_: str | None = None, id_: str | None = None
) -> tuple[JsonObject, JsonObject]:
    data = member(document, "data", ())
    problems: list[Problem] = []
    sent_type = data.get("type")
    if type_ is not None and sent_type != type_:
        detail = f'got type "{quoted(sent_type)}" expected one of "{type_}"'
        problems.append(Problem(detail, (*_DATA, "type")))
    if id_ is not None and data.get("id") not in (None, id_):
        detail = "ID provided in the payload does not match the url parameter"
        problems.append(Problem(detail, (*_DATA, "id")))
    try:
        attributes = member(data, "attributes", _DATA)
    except Invalid as invalid:
        raise Invalid(*problems, *invalid.problems) from None
    if problems:
        raise Invalid(*problems)
    return data, attributes


def member(holder: JsonObject, name: str, path: tuple[str | int, ...]) -> JsonObject:
    """The object that a member is; `Invalid` where it is missing or no object."""
    value = holder.get(name)
    if value is None:
        raise Invalid(Problem(f'member "{name}" is required', (*path, name)))
    if not is_object(value):
        detail = f'error decoding member "{name}": invalid type {type_name(value)}'
        raise Invalid(Problem(detail, (*path, name)))
    return value


def quoted(value: JsonValue) -> str:
    """A value sent by a client, as a message quotes it; nothing for one that is missing."""
    if value is None:
        return ""
    return shortened(value if isinstance(value, str) else _encode(value).decode())


def _in_attributes(problems: Iterable[Problem]) -> Invalid:
    """Problems of attributes, with paths that start at the document."""
    return Invalid(*(problem.beneath(*_ATTRIBUTES) for problem in problems))


# List requests

LIST_TYPES = {
    Kind.DEPLOYMENT: "dora_deployments_list_request",
    Kind.FAILURE: "dora_failures_list_request",
}
PATCH_TYPE = "dora_deployment_patch_request"
OVERRIDE_TYPE = "dora_deployment_verdict"
MAX_REASON = 1_024

_DEFAULT_SORT = "-started_at"


def decode_list(body: bytes, kind: Kind) -> Selection:
    """The selection of a list request."""
    _, attributes = _envelope(body, LIST_TYPES[kind])
    problems: list[Problem] = []
    from_ns, to_ns = (_instant(attributes, name, problems) for name in ("from", "to"))
    limit = _limit(attributes, problems)
    sort, descending = _sort(attributes, kind, problems)
    query = _query(attributes, problems)
    cursor = _text(attributes, "cursor", problems)
    _raise(problems)
    selection = Selection(
        query=query, from_ns=from_ns, to_ns=to_ns, sort=sort, descending=descending, limit=limit
    )
    return replace(selection, after=_place(cursor, kind, selection)) if cursor else selection


def _raise(problems: list[Problem]) -> None:
    if problems:
        raise _in_attributes(problems[:MAX_PROBLEMS])


def _text(attributes: JsonObject, name: str, problems: list[Problem]) -> str | None:
    """A text without the white space around it; an empty one is absent."""
    value = attributes.get(name)
    if value is not None and not isinstance(value, str):
        problems.append(wrong_type(name, value))
        return None
    return (value or "").strip() or None


def _instant(attributes: JsonObject, name: str, problems: list[Problem]) -> int | None:
    """A date-time or a Unix timestamp: whatever a response writes is taken here as well."""
    value = attributes.get(name)
    if value is not None and type_name(value) == "number":
        return _timestamp(value, name, problems)
    text = _text(attributes, name, problems)
    if text is None:
        return None
    instant_ns = nanoseconds_from_rfc3339(text)
    if instant_ns is None:
        detail = f'error decoding attribute "{name}": invalid date-time "{shortened(text)}"'
        problems.append(Problem(detail, (name,)))
    return instant_ns


def _timestamp(value: int | Decimal, name: str, problems: list[Problem]) -> int | None:
    integer = exact_integer(value)
    if integer is None:
        problems.append(wrong_type(name, value))
        return None
    instant_ns = nanoseconds_from_integer(integer)
    if instant_ns is None:
        problems.append(no_timestamp(name))
    return instant_ns


def _limit(attributes: JsonObject, problems: list[Problem]) -> int:
    value = attributes.get("limit")
    if value is None:
        return DEFAULT_LIST_LIMIT
    if type_name(value) != "number":
        problems.append(wrong_type("limit", value))
        return DEFAULT_LIST_LIMIT
    limit = exact_integer(value)
    if limit is None:
        problems.append(Problem('attribute "limit" must be an integer', ("limit",)))
    elif not 1 <= limit <= MAX_LIST_LIMIT:
        detail = f'attribute "limit" must be between 1 and {MAX_LIST_LIMIT}'
        problems.append(Problem(detail, ("limit",)))
    else:
        return limit
    return DEFAULT_LIST_LIMIT


def _sort(attributes: JsonObject, kind: Kind, problems: list[Problem]) -> tuple[Field, bool]:
    """The field to sort by, and whether from the greatest value down."""
    text = _text(attributes, "sort", problems) or _DEFAULT_SORT
    name = text.removeprefix("-")
    field = sort_key(name, kind)
    if field is None:
        detail = f'attribute "sort" must be one of "{" ".join(SORT_KEYS[kind])}"'
        problems.append(Problem(detail, ("sort",)))
        return _sort({}, kind, problems)
    return field, name != text


def _query(attributes: JsonObject, problems: list[Problem]) -> Query:
    text = attributes.get("query")
    if text is None:
        return Everything()
    if not isinstance(text, str):
        problems.append(wrong_type("query", text))
        return Everything()
    try:
        return parse_cached(text)
    except Invalid as invalid:
        problems.extend(invalid.problems)
        return Everything()


def _place(cursor: str, kind: Kind, selection: Selection) -> Position:
    """The position of a cursor, read last because it depends on the other attributes."""
    try:
        return decode_cursor(cursor, kind, selection)
    except UnreadableCursor:
        detail = f'error decoding attribute "cursor": invalid cursor "{shortened(cursor)}"'
    except ForeignCursor:
        detail = (
            'attribute "cursor" must be sent with the "query", "from", "to" and "sort" of the '
            "request it was answered to"
        )
    raise _in_attributes([Problem(detail, ("cursor",))])


# Patch requests


class PatchByVersion(NamedTuple):
    """The deployment to patch, and its new verdict."""

    service: str
    env: str
    version: str
    verdict: OverrideValues


def decode_patch(body: bytes, id_: str) -> OverrideValues:
    """The verdict that a patch of the deployment with this id gives."""
    _, attributes = _envelope(body, PATCH_TYPE, id_)
    problems: list[Problem] = []
    change_failure = _boolean(attributes, "change_failure", problems)
    verdict = _verdict(attributes, change_failure, problems)
    _raise(problems)
    return verdict


def decode_patch_by_version(body: bytes) -> PatchByVersion:
    """The deployment that a patch names by its version, and the verdict it gives."""
    _, attributes = _envelope(body, PATCH_TYPE)
    problems: list[Problem] = []
    service, env, version = (
        _needed_text(attributes, name, problems) for name in ("service", "env", "version")
    )
    change_failure = _boolean(attributes, "change_failure", problems)
    if attributes.get("change_failure") is None:
        problems.append(missing("change_failure"))
    verdict = _verdict(attributes, change_failure, problems)
    _raise(problems)
    return PatchByVersion(service, env, version, verdict)


def decode_override(body: bytes, id_: str) -> tuple[OverrideValues, str]:
    """The verdict that is given on the deployment with this id, and the reason for it."""
    _, attributes = _envelope(body, OVERRIDE_TYPE, id_)
    problems: list[Problem] = []
    change_failure = _boolean(attributes, "change_failure", problems)
    if attributes.get("change_failure") is None:
        problems.append(missing("change_failure"))
    verdict = _verdict(attributes, change_failure, problems)
    reason = _text(attributes, "reason", problems) or ""
    if len(reason) > MAX_REASON:
        detail = f'attribute "reason" must be at most {MAX_REASON} characters'
        problems.append(Problem(detail, ("reason",)))
    if CONTROL.search(reason):
        detail = 'attribute "reason" must not contain control characters'
        problems.append(Problem(detail, ("reason",)))
    _raise(problems)
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
    id_, version = (_text(remediation, name, inner) for name in ("id", "version"))
    if not inner and id_ is None and version is None:
        detail = 'attribute "id" or attribute "version" is required'
        problems.append(Problem(detail, ("remediation",)))
    if id_ is not None and version is not None:
        detail = 'attribute "id" must not be given together with attribute "version"'
        problems.append(Problem(detail, ("remediation",)))
    problems.extend(problem.beneath("remediation") for problem in inner)
    return id_, version


# Responses


_TYPES = {Kind.DEPLOYMENT: "dora_deployment", Kind.FAILURE: "dora_failure"}


class Resource(msgspec.Struct):
    """A resource as JSON:API writes it."""

    id: str
    type: str
    attributes: Any


def encode_data(data: Any) -> bytes:
    """A document with this `data`."""
    return _encode({"data": data})


def encode_created(event: Deployment | Failure) -> bytes:
    """The answer to a create: the event's id and type, without attributes."""
    return encode_data({"id": event.id, "type": _type(event)})


def encode_documents(kind: Kind, documents: Iterable[Document], form: TimestampForm) -> bytes:
    """The answer to a list request, from attributes that were rendered before."""
    opening = f'","type":"{_TYPES[kind]}","attributes":'
    write = str if form is TimestampForm.UNIX_NS else _quoted_rfc3339
    resources = [
        f'{{"id":"{document.id}{opening}{_filled(document, write)}}}' for document in documents
    ]
    return f'{{"data":[{",".join(resources)}]}}'.encode()


def _filled(document: Document, write: Callable[[int], str]) -> str:
    """The attributes with their instants in the gaps; a failure that is open has one less."""
    _, started_at_ns, finished_at_ns, created_at_ns, attributes = document
    started, created = write(started_at_ns), write(created_at_ns)
    if finished_at_ns is None:
        first, second, last = attributes.split(GAP)
        return f"{first}{started}{second}{created}{last}"
    first, second, third, last = attributes.split(GAP)
    return f"{first}{started}{second}{write(finished_at_ns)}{third}{created}{last}"


def _quoted_rfc3339(instant_ns: int) -> str:
    return f'"{format_rfc3339(instant_ns)}"'


def encode_resource(event: Deployment | Failure, form: TimestampForm) -> bytes:
    """One event as a resource, without a document around it."""
    return _encode(_resource(event, form))


def encode_event(event: Deployment | Failure, form: TimestampForm) -> bytes:
    return encode_data(_resource(event, form))


def _resource(event: Deployment | Failure, form: TimestampForm) -> Resource:
    return Resource(event.id, _type(event), attributes_of(event, form.write))


def _type(event: Deployment | Failure) -> str:
    return _TYPES[Kind.DEPLOYMENT if isinstance(event, Deployment) else Kind.FAILURE]
