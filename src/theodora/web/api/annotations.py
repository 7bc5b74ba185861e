"""The handlers of annotations of charts: added, listed and removed."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from theodora.dora.metrics.calendar import Calendar
from theodora.errors import Invalid, Problem
from theodora.events import format_rfc3339
from theodora.events.annotations import read_annotation
from theodora.report.parameters import instants_in, known_parameters, zone_named
from theodora.storage.annotations import StoredAnnotation
from theodora.web.api.wire import Resource, decode_attributes, encode_data
from theodora.web.http.operations import Pending, Request
from theodora.web.http.responses import Reply

TYPE = "dora_annotation"
MAX_LISTED = 1_000
_LISTED = 100
_LAST_NS = 2**63 - 1
_INSTANT = "RFC 3339, a date or a date-time in UTC, or a Unix timestamp"


class AnnotationAttributes(Struct, frozen=True):
    """Something that happened, with what it is about: null for all."""

    at: str
    text: str
    service: str | None
    team: str | None
    env: str | None
    by: str
    """The name of a key, or of a person."""
    created_at: str


class AnnotationsParameters(Struct, frozen=True, rename={"from_": "from"}):
    """The parameters of a request for annotations, for schemas."""

    from_: Annotated[str, Meta(description=f"The start, included: {_INSTANT}.")] | UnsetType = UNSET
    to: Annotated[str, Meta(description=f"The end, not included: {_INSTANT}.")] | UnsetType = UNSET
    limit: Annotated[
        int, Meta(ge=1, le=MAX_LISTED, description="Most annotations to answer with.")
    ] = _LISTED


class AnnotationPath(Struct, frozen=True):
    """The names in the path."""

    id: Annotated[str, Meta(description="The annotation's id.")]


_PARAMETERS = AnnotationsParameters.__struct_encode_fields__


def list_annotations(request: Request) -> Reply:
    parameters = known_parameters(request.query_parameters.multi_items(), _PARAMETERS)
    read = instants_in(Calendar(zone_named("UTC")))
    start_ns = parameters.read("from", read, 0)
    end_ns = parameters.read("to", read, _LAST_NS)
    limit = parameters.read("limit", _limit, _LISTED)
    parameters.check()
    found = request.store.annotations.newest(request.organisation, limit, start_ns, end_ns)
    return Reply(200, encode_data([annotation_resource(each) for each in found]))


def create_annotation(request: Request) -> Pending:
    content = decode_attributes(
        request.body, lambda attributes: read_annotation(attributes, request.now_ns), TYPE
    )
    written = request.store.annotations.add(
        request.organisation, content, request.now_ns, actor=request.actor
    )
    return Pending(written, lambda made: Reply(200, encode_data(annotation_resource(made))))


def delete_annotation(request: Request) -> Pending:
    id_ = request.path_parameters["id"]
    written = request.store.annotations.remove(request.organisation, id_, actor=request.actor)
    return Pending(written, lambda _: Reply(202))


def annotation_resource(stored: StoredAnnotation) -> Resource:
    """An annotation as shown in responses and by commands."""
    content = stored.content
    about = {name: value or None for name, value in content.about.items()}
    attributes = AnnotationAttributes(
        at=format_rfc3339(content.at_ns),
        text=content.text,
        by=stored.created_by,
        created_at=format_rfc3339(stored.created_at_ns),
        **about,
    )
    return Resource(stored.id, TYPE, attributes)


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MAX_LISTED:
        raise Invalid(Problem(f"must be a whole number from 1 to {MAX_LISTED}"))
    return int(text[:9])
