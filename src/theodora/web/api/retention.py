"""For how long events are kept: shown, tried and set."""

import msgspec

from theodora.errors import Invalid, Problem
from theodora.events.attributes import missing
from theodora.events.json_values import JsonObject, exact_integer, type_name
from theodora.storage.retention import MAX_DAYS
from theodora.web.api.wire import Resource, decode_attributes, encode_data
from theodora.web.http.operations import Pending, Request
from theodora.web.http.responses import Reply

TYPE = "dora_retention"
PREVIEW_TYPE = "dora_retention_preview"
_ID = "organisation"


class RetentionAttributes(msgspec.Struct, frozen=True):
    """For how many days events are kept."""

    days: int | None
    """None for ever."""


class RetentionPreviewAttributes(msgspec.Struct, frozen=True):
    """The most events that a limit of so many days would delete now."""

    days: int | None
    deployments: int
    failures: int


def read_days(given: JsonObject) -> int | None:
    """The days that a document's attributes say; None for ever. Raises `Invalid`."""
    if "days" not in given:
        raise Invalid(missing("days"))
    value = given["days"]
    if value is None:
        return None
    days = exact_integer(value) if type_name(value) == "number" else None
    if days is None or not 1 <= days <= MAX_DAYS:
        detail = f"must be an integer from 1 to {MAX_DAYS}, or null to keep events for ever"
        raise Invalid(Problem(detail, ("days",)))
    return days


def get_retention(request: Request) -> Reply:
    return _retention(request.store.retention.days(request.organisation))


def put_retention(request: Request) -> Pending:
    days = decode_attributes(request.body, read_days, TYPE)
    written = request.store.retention.put(request.organisation, days)
    return Pending(written, lambda _: _retention(days))


def preview_retention(request: Request) -> Reply:
    days = decode_attributes(request.body, read_days, TYPE)
    old = request.store.retention.preview(request.organisation, days, request.now_ns)
    attributes = RetentionPreviewAttributes(days, old.deployments, old.failures)
    return Reply(200, encode_data(Resource(_ID, PREVIEW_TYPE, attributes)))


def _retention(days: int | None) -> Reply:
    return Reply(200, encode_data(Resource(_ID, TYPE, RetentionAttributes(days))))
