"""Counts of unknown members in created documents."""

from collections.abc import Mapping

from theodora.errors import Problem
from theodora.events.activity import ACTIVITY_MEMBERS
from theodora.events.attributes import DEPLOYMENT_MEMBERS, FAILURE_MEMBERS
from theodora.events.json_values import JsonObject
from theodora.events.members import Members, likely_meant, shown_name, unknown_members
from theodora.storage.access.key_usage import Received
from theodora.web.http.operations import Request

# Parts of JSON:API that the contract allows everywhere and reads nowhere.
_ENVELOPE: Members = dict.fromkeys(("jsonapi", "meta", "links", "included"))


def _document(attributes: Members) -> Members:
    return {**_ENVELOPE, "data": {"type": None, "meta": None, "attributes": attributes}}


_DOCUMENTS: Mapping[Received, Members] = {
    "deployment": _document(DEPLOYMENT_MEMBERS),
    "failure": _document(FAILURE_MEMBERS),
    "user_activity": _document(ACTIVITY_MEMBERS),
}


def count_ignored(request: Request, kind: Received, document: JsonObject) -> None:
    """Counts the unknown members of an accepted document."""
    key = request.application_key or request.api_key
    places = unknown_members(document, _DOCUMENTS[kind])
    if places and key is not None:
        pointers = [Problem("", tuple(map(shown_name, place))).pointer for place in places]
        request.store.reception.ignore(key, kind, pointers, request.now_ns)


def suggestion(kind: Received, pointer: str) -> str | None:
    """The place that was probably meant, as a pointer; None where no name is like it."""
    place = tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
    known = _DOCUMENTS.get(kind)
    meant = likely_meant(place, known) if place and known else None
    return None if meant is None else Problem("", meant).pointer
