"""Replies, and the one conversion from errors to replies."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from theodora.errors import (
    BeingDeleted,
    Forbidden,
    Invalid,
    KeyLimited,
    KeyUnusable,
    NotFound,
    NotSigned,
    OverQuota,
    PayloadTooLarge,
    Problem,
    ReadOnly,
    TooManyRequests,
    TooSlow,
    Unavailable,
    UnsupportedMediaType,
    UnusableStore,
)
from theodora.events.attributes import MAX_PROBLEMS

JSON_API = "application/vnd.api+json"
JSON = "application/json"
CSV = "text/csv; charset=utf-8"
SVG = "image/svg+xml"

Header = tuple[bytes, bytes]

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    408: "Request Timeout",
    413: "Payload Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
"""Statuses whose errors are objects, and their titles; 403 and 429 have strings instead."""

_RETRY_AFTER = (b"retry-after", b"1")


class Reply(msgspec.Struct, frozen=True):
    """A response; an empty body goes without a media type."""

    status: int
    body: bytes = b""
    media_type: str | None = None
    """None for that of the operation."""
    headers: tuple[Header, ...] = ()


class ErrorSource(msgspec.Struct, frozen=True):
    """The part of a request that an error is about."""

    pointer: (
        Annotated[str, Meta(description="JSON pointer to the offending place.")] | UnsetType
    ) = UNSET
    parameter: (
        Annotated[str, Meta(description="The offending query parameter or part.")] | UnsetType
    ) = UNSET
    header: Annotated[str, Meta(description="The offending header.")] | UnsetType = UNSET


_ONE_MEMBER = {"minProperties": 1, "maxProperties": 1}


class ErrorObject(msgspec.Struct, frozen=True):
    """An error."""

    status: str
    title: str
    detail: str | UnsetType = UNSET
    source: Annotated[ErrorSource, Meta(extra_json_schema=_ONE_MEMBER)] | UnsetType = UNSET


class ObjectErrors(msgspec.Struct, frozen=True):
    """Everything that is wrong with a request."""

    errors: Annotated[tuple[ErrorObject, ...], Meta(min_length=1, max_length=MAX_PROBLEMS)]


class StringErrors(msgspec.Struct, frozen=True):
    """Why a request is refused before it is read."""

    errors: Annotated[tuple[str, ...], Meta(min_length=1)]


def error_reply(error: Exception) -> Reply:
    """The reply for an error; an unexpected one is a plain 500."""
    match error:
        case Invalid():
            return _objects(400, *(_of_problem(problem) for problem in error.problems))
        case BeingDeleted() | KeyLimited() | KeyUnusable() | OverQuota():
            return _strings(403, "Forbidden", str(error))
        case Forbidden():
            more = ("Failed permission authorization checks",) if error.authenticated else ()
            return _strings(403, "Forbidden", *more)
        case NotSigned():
            return _objects(401, _object(401, str(error)))
        case NotFound():
            return _objects(404, _object(404, str(error)))
        case PayloadTooLarge():
            return _objects(413, _object(413, str(error), header="Content-Length"))
        case UnsupportedMediaType():
            return _objects(415, _object(415, str(error), header="Content-Type"))
        case TooManyRequests():
            return _strings(429, "Too many requests")
        case ReadOnly():
            return _objects(503, _object(503, str(error)), headers=(_RETRY_AFTER,))
        case TooSlow():
            return _objects(503, _object(503, str(error)))
        case Unavailable() | UnusableStore():
            return _objects(503, _object(503), headers=(_RETRY_AFTER,))
        case _:
            return _objects(500, _object(500))


def status_reply(status: int, detail: str) -> Reply:
    """The reply to what is no request that the application could answer."""
    return _objects(status, _object(status, detail))


def _of_problem(problem: Problem) -> ErrorObject:
    if problem.parameter is not None:
        return _object(400, problem.detail, parameter=problem.parameter)
    return _object(400, problem.detail, pointer=problem.pointer)


def _object(status: int, detail: str = "", **source: str) -> ErrorObject:
    return ErrorObject(
        str(status),
        TITLES[status],
        detail or UNSET,
        ErrorSource(**source) if source else UNSET,
    )


def _objects(status: int, *errors: ErrorObject, headers: tuple[Header, ...] = ()) -> Reply:
    return Reply(status, msgspec.json.encode(ObjectErrors(errors)), headers=headers)


def _strings(status: int, *errors: str) -> Reply:
    return Reply(status, msgspec.json.encode(StringErrors(errors)))
