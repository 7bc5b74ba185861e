"""The handlers of the views that everybody sees: saved, listed and deleted."""

from typing import Annotated

from msgspec import Meta, Struct

from theodora.errors import NotFound, Problem
from theodora.events.attributes import wrong_type
from theodora.events.input import MAX_TEXT_CHARACTERS
from theodora.events.json_values import JsonObject
from theodora.storage.saved_views import EVERYBODY, SavedView
from theodora.web.api.wire import (
    Resource,
    decode_attributes,
    encode_data,
    problems_of_attributes,
    raise_all,
    read_text,
)
from theodora.web.http.operations import Pending, Request
from theodora.web.http.responses import Reply
from theodora.web.http.shareable import MAX_TARGET_CHARACTERS, read_saved_view

TYPE = "dora_saved_view"


class SavedViewInput(Struct, frozen=True):
    """A page with its parameters."""

    name: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_CHARACTERS)]
    page: Annotated[
        str,
        Meta(
            description="Its path, and its query after a question mark: `/failures?range=1y`.",
            max_length=MAX_TARGET_CHARACTERS,
        ),
    ]
    start: Annotated[bool, Meta(description="Whether signing in leads to it.")] = False


class SavedViewAttributes(Struct, frozen=True):
    """A page with its parameters, which everybody sees."""

    name: str
    page: str
    start: bool


class SavedViewPath(Struct, frozen=True):
    """The names in the path."""

    id: Annotated[str, Meta(description="The view's id.")]


def list_saved_views(request: Request) -> Reply:
    found = request.store.saved_views.seen_by(request.organisation, EVERYBODY)
    return Reply(200, encode_data([_resource(each) for each in found]))


def save_view(request: Request) -> Pending:
    view = decode_attributes(request.body, _read, TYPE)
    written = request.store.saved_views.put(
        request.organisation, view, request.now_ns, actor=request.actor
    )
    return Pending(written, lambda _: Reply(200, encode_data(_resource(view))))


def delete_view(request: Request) -> Pending:
    id_ = request.path_parameters["id"]
    views = request.store.saved_views.seen_by(request.organisation, EVERYBODY)
    name = next((each.name for each in views if each.id == id_), None)
    if name is None:
        raise NotFound("there is no such saved view")
    written = request.store.saved_views.remove(
        request.organisation, EVERYBODY, name, actor=request.actor
    )
    return Pending(written, lambda _: Reply(202))


def _read(attributes: JsonObject) -> SavedView:
    problems: list[Problem] = []
    name, page = (read_text(attributes, each, problems) or "" for each in ("name", "page"))
    is_start = attributes.get("start")
    if not isinstance(is_start, bool | None):
        problems.append(wrong_type("start", is_start))
    raise_all(problems)
    with problems_of_attributes():
        return read_saved_view(EVERYBODY, name, page, is_start=is_start is True)


def _resource(view: SavedView) -> Resource:
    return Resource(view.id, TYPE, SavedViewAttributes(view.name, view.target, view.is_start))
