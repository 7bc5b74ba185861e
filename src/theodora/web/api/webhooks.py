"""The handlers of webhooks: each stores the body and leaves the rest to a worker."""

from typing import Annotated

from msgspec import Meta, Struct

from theodora.errors import Invalid, Problem
from theodora.sources.webhooks.datadog_ci import CORRELATE, CORRELATE_IMAGE, TAG
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, Delivery
from theodora.sources.webhooks.table import (
    DATADOG_CI,
    InboxKind,
    source_named,
    source_of_intake,
)
from theodora.web.api.wire import decode_body, read_attributes
from theodora.web.http.operations import Pending, Request
from theodora.web.http.responses import Reply

_ACCEPTED = Reply(202, b"{}")
_LONGEST_HEADER = 255


class SourceParameters(Struct, frozen=True):
    """What names a source in a path."""

    source: Annotated[str, Meta(description="The kind of the source.")]
    id: Annotated[str, Meta(description="The id of the source.")]


def receive_webhook(request: Request) -> Pending:
    """A webhook whose path names its source, and whose signature has been checked."""
    assert request.source is not None
    row = source_named(request.source.kind)
    assert row is not None, "a signature is checked by the row's scheme"
    return _receive(request, row, request.source.id, _text(request.body))


def receive_by_key(request: Request) -> Pending:
    """A webhook as Datadog's intake takes it, with an API key in a header.

    Its body shows which provider sent it. Raises `Invalid` for one that no provider sends.
    """
    row = source_of_intake(decode_body(request.body))
    if row is None:
        raise Invalid(Problem("the body is none of a known provider's webhooks"))
    return _receive(request, row, "", _text(request.body))


def receive_correlation(request: Request) -> Pending:
    """What `datadog-ci deployment correlate` sends."""
    return _receive_from_datadog_ci(request, CORRELATE)


def receive_image_correlation(request: Request) -> Pending:
    """What `datadog-ci deployment correlate-image` sends."""
    return _receive_from_datadog_ci(request, CORRELATE_IMAGE)


def receive_pipeline_tags(request: Request) -> Pending:
    """What `datadog-ci deployment mark` and `datadog-ci tag` send."""
    return _receive_from_datadog_ci(request, TAG)


def _receive_from_datadog_ci(request: Request, type_: str) -> Pending:
    """Raises `Invalid` for a document of another type, and for one that could not be read later:
    the command prints the reason."""
    document = decode_body(request.body)
    read_attributes(document, lambda attributes: attributes, type_)
    DATADOG_CI.read(Delivery({}, document), DEFAULT_SETTINGS)
    return _receive(request, DATADOG_CI, "", _text(request.body))


def _receive(request: Request, row: InboxKind, source: str, body: str) -> Pending:
    names = ("content-type", *row.headers)
    headers = {
        name: request.headers[name][:_LONGEST_HEADER] for name in names if name in request.headers
    }
    written = request.store.inbox.receive(
        request.organisation, row.name, source, headers, body, request.now_ns, actor=request.actor
    )
    return Pending(written, lambda _: _ACCEPTED)


def _text(body: bytes) -> str:
    """Raises `Invalid` for a body that no database can store as text."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Invalid(Problem("error decoding body: not UTF-8")) from None
    if "\0" in text:
        raise Invalid(Problem("error decoding body: it contains NUL"))
    return text
