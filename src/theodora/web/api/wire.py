"""Decoders and encoders of the API's JSON documents.

Decoders raise `Invalid` with every problem that one pass finds, each with the path of the
offending place. Envelopes come first; a wrong one hides what is inside it.
"""

import re
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from theodora.errors import Invalid, Problem
from theodora.events import Deployment, Failure, format_rfc3339
from theodora.events.attributes import MAX_PROBLEMS, shortened, wrong_type
from theodora.events.document import GAP, TimestampForm, attributes_of
from theodora.events.json_values import (
    JsonObject,
    JsonValue,
    decimal_number,
    is_object,
    type_name,
)
from theodora.query.fields import Kind
from theodora.storage import Document

T = TypeVar("T")

MAX_NESTING = 64

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


def decode_attributes(
    body: bytes, read: Callable[[JsonObject], T], type_: str | None = None, id_: str | None = None
) -> T:
    """Reads the attributes of a document.

    Before that, checks its type and, if it has one, its id against those that are given.
    """
    return read_attributes(decode_body(body), read, type_, id_)


def read_attributes(
    document: JsonObject,
    read: Callable[[JsonObject], T],
    type_: str | None = None,
    id_: str | None = None,
) -> T:
    """The same of a document that has been decoded."""
    attributes = _attributes(document, type_, id_)
    try:
        return read(attributes)
    except Invalid as invalid:
        raise Invalid(*(problem.beneath(*_ATTRIBUTES) for problem in invalid.problems)) from None


def _attributes(document: JsonObject, type_: str | None, id_: str | None) -> JsonObject:
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
    raise_all(problems)
    return attributes


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


def read_text(attributes: JsonObject, name: str, problems: list[Problem]) -> str | None:
    """A text without the white space around it; an empty one is absent."""
    value = attributes.get(name)
    if value is not None and not isinstance(value, str):
        problems.append(wrong_type(name, value))
        return None
    return (value or "").strip() or None


@contextmanager
def problems_of_attributes() -> Generator[None]:
    """Has problems that name the field of a form name the attribute, and its place."""
    try:
        yield
    except Invalid as invalid:
        raise Invalid(*map(_of_attribute, invalid.problems)) from None


def _of_attribute(problem: Problem) -> Problem:
    name, detail = problem.parameter, problem.detail
    if name is None:
        return problem
    return Problem(
        f'attribute "{name}" {detail}' if detail.startswith("must ") else detail, (name,)
    )


def raise_all(problems: Sequence[Problem]) -> None:
    """Raises `Invalid` with the first of the problems, if there are any."""
    if problems:
        raise Invalid(*problems[:MAX_PROBLEMS])


# Responses


TYPES = {
    Kind.DEPLOYMENT: "dora_deployment",
    Kind.FAILURE: "dora_failure",
    Kind.PULL_REQUEST: "dora_pull_request",
}


class Identifier(msgspec.Struct, frozen=True):
    """A resource by its id and type."""

    id: str
    type: str


class Resource(Identifier, frozen=True):
    """A resource as JSON:API writes it."""

    attributes: Any


def encode_data(data: Any) -> bytes:
    """A document with this `data`."""
    return _encode({"data": data})


def encode_created(event: Deployment | Failure) -> bytes:
    """The answer to a create: the event's id and type, without attributes."""
    return encode_data(Identifier(event.id, _type(event)))


def encode_documents(kind: Kind, documents: Iterable[Document], form: TimestampForm) -> bytes:
    """The answer to a list request, from attributes that were rendered before."""
    opening = f'","type":"{TYPES[kind]}","attributes":'
    write = str if form is TimestampForm.UNIX_NS else _quoted_rfc3339
    resources: list[str] = []
    # In one function, as a call for each document takes a third of the time.
    for id_, started_at_ns, finished_at_ns, created_at_ns, attributes, _ in documents:
        started, created = write(started_at_ns), write(created_at_ns)
        # A failure that is open has one instant, and so one gap, less.
        if finished_at_ns is None:
            first, second, last = attributes.split(GAP)
            filled = f"{first}{started}{second}{created}{last}"
        else:
            first, second, third, last = attributes.split(GAP)
            filled = f"{first}{started}{second}{write(finished_at_ns)}{third}{created}{last}"
        resources.append(f'{{"id":"{id_}{opening}{filled}}}')
    return f'{{"data":[{",".join(resources)}]}}'.encode()


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
    return TYPES[Kind.DEPLOYMENT if isinstance(event, Deployment) else Kind.FAILURE]
