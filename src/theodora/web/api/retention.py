"""The handlers of retention: get, preview and set the limit."""

from functools import partial
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from theodora.errors import Invalid, Problem
from theodora.events import format_rfc3339
from theodora.events.attributes import missing
from theodora.events.json_values import JsonObject, exact_integer, type_name
from theodora.storage.access.permissions import READ
from theodora.storage.deletion_guards import Unconfirmed
from theodora.storage.retention import MAX_DAYS, RetentionSettings
from theodora.web.api.wire import Resource, decode_attributes, encode_data
from theodora.web.http.operations import Pending, Request
from theodora.web.http.responses import Reply

TYPE = "dora_retention"
PREVIEW_TYPE = "dora_retention_preview"
_ID = "organisation"


class RetentionInput(msgspec.Struct, frozen=True):
    """The number of days to keep events."""

    days: Annotated[int, Meta(ge=1, le=MAX_DAYS)] | None
    confirm: (
        Annotated[
            Annotated[int, Meta(ge=0)] | None,
            Meta(
                description="How many events a shorter limit deletes, as the preview counts them."
            ),
        ]
        | UnsetType
    ) = UNSET


class PlannedAttributes(msgspec.Struct, frozen=True):
    """A limit that can be taken back until it begins."""

    days: int
    begins_at: str


class RefusedAttributes(msgspec.Struct, frozen=True):
    """A round that deleted nothing."""

    at: str
    reason: str


class RetentionAttributes(msgspec.Struct, frozen=True):
    """The number of days that events are kept."""

    days: int | None
    """None for ever."""
    planned: PlannedAttributes | None
    """A shorter limit that begins later."""
    refused: RefusedAttributes | None
    """Why the last round deleted nothing, if it should have."""


class RetentionPreviewAttributes(msgspec.Struct, frozen=True):
    """The most that a limit of so many days would delete now."""

    days: int | None
    deployments: int
    failures: int
    user_activity: int
    """Rows of user activity, one for each person, day and tool; they need no confirmation."""


def read_days(given: JsonObject) -> int | None:
    """The days in a document's attributes; None for ever. Raises `Invalid`."""
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


def read_change(given: JsonObject) -> tuple[int | None, int | None]:
    """The days, and the number of events that the client confirms to be deleted."""
    days = read_days(given)
    value = given.get("confirm")
    if value is None:
        return days, None
    confirmed = exact_integer(value) if type_name(value) == "number" else None
    if confirmed is None or confirmed < 0:
        raise Invalid(Problem("must be the number of events to delete", ("confirm",)))
    return days, confirmed


def get_retention(request: Request) -> Reply:
    return _retention(request.store.retention.settings(request.organisation))


def put_retention(request: Request) -> Pending:
    days, confirmed = decode_attributes(request.body, read_change, TYPE)
    written = request.store.retention.change(
        request.organisation, days, request.now_ns, confirmed, actor=request.actor
    )
    key = request.application_key
    may_read = key is not None and READ in key.permissions
    return Pending(written, partial(_changed, may_read=may_read))


def _changed(outcome: RetentionSettings | Unconfirmed, *, may_read: bool) -> Reply:
    if isinstance(outcome, Unconfirmed):
        detail = "events would be deleted for good: send their number, as previewed, as confirm"
        if may_read:
            detail = (
                f"up to {outcome.events} events would be deleted for good: to confirm that, send "
                f"{outcome.events} as confirm"
            )
        raise Invalid(Problem(detail, ("data", "attributes", "confirm")))
    return _retention(outcome)


def preview_retention(request: Request) -> Reply:
    days = decode_attributes(request.body, read_days, TYPE)
    old = request.store.retention.preview(request.organisation, days, request.now_ns)
    attributes = RetentionPreviewAttributes(days, *old)
    return Reply(200, encode_data(Resource(_ID, PREVIEW_TYPE, attributes)))


def _retention(limit: RetentionSettings) -> Reply:
    plan, refusal = limit.plan, limit.refusal
    attributes = RetentionAttributes(
        limit.days,
        plan and PlannedAttributes(plan.days, format_rfc3339(plan.begins_at_ns)),
        refusal and RefusedAttributes(format_rfc3339(refusal.at_ns), refusal.reason),
    )
    return Reply(200, encode_data(Resource(_ID, TYPE, attributes)))
