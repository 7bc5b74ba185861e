"""The handlers of events, one for each operation: decode, ask the store, encode."""

from functools import partial
from typing import Any

from theodora.errors import Invalid
from theodora.events import Deployment, Failure
from theodora.events.attributes import read_deployment, read_failure
from theodora.events.document import TimestampForm
from theodora.query.fields import Kind
from theodora.storage import DocumentPage, Selection, Upserted
from theodora.storage.event_store import Events
from theodora.web.api import wire
from theodora.web.api.cursors import NEXT_CURSOR, encode_cursor
from theodora.web.api.ignored_members import count_ignored
from theodora.web.api.list_requests import decode_list
from theodora.web.api.verdict_requests import decode_patch, decode_patch_by_version
from theodora.web.http.operations import Pending, PendingRead, Request
from theodora.web.http.responses import Reply
from theodora.web.http.timestamps import timestamp_form

VARIES = ((b"vary", b"User-Agent"),)
"""A header of replies with instants, whose form depends on the client's version."""

_DELETED = Reply(202)
_PATCHED = Reply(202, wire.encode_data(None))


def create_deployment(request: Request) -> Pending:
    document = wire.decode_body(request.body)
    deployment = wire.read_attributes(document, read_deployment)
    request.limits.require_event(deployment)
    count_ignored(request, "deployment", document)
    written = request.store.deployments.add(
        request.organisation,
        deployment,
        request.now_ns,
        limits=request.limits,
        actor=request.actor,
    )
    return Pending(written, _created)


def create_failure(request: Request) -> Pending:
    document = wire.decode_body(request.body)
    failure = wire.read_attributes(document, read_failure)
    request.limits.require_event(failure)
    count_ignored(request, "failure", document)
    written = request.store.failures.add(
        request.organisation,
        failure,
        request.now_ns,
        limits=request.limits,
        actor=request.actor,
    )
    return Pending(written, _created)


def list_deployments(request: Request) -> Reply | PendingRead:
    selection, form = event_listing(request, Kind.DEPLOYMENT)
    return _listed(request.store.deployments, Kind.DEPLOYMENT, request, selection, form)


def list_failures(request: Request) -> Reply | PendingRead:
    selection, form = event_listing(request, Kind.FAILURE)
    return _listed(request.store.failures, Kind.FAILURE, request, selection, form)


def _listed(
    events: Events[Any], kind: Kind, request: Request, selection: Selection, form: TimestampForm
) -> Reply | PendingRead:
    page = partial(_page, kind, selection, form=form)
    soon = events.documents_soon(request.organisation, selection)
    if soon is not None:
        return PendingRead(soon, page)
    return page(events.documents(request.organisation, selection))


def get_deployment(request: Request) -> Reply:
    form = event_form(request)
    event = request.store.deployments.get(request.organisation, _id(request))
    return Reply(200, wire.encode_event(event, form), headers=VARIES)


def get_failure(request: Request) -> Reply:
    form = event_form(request)
    event = request.store.failures.get(request.organisation, _id(request))
    return Reply(200, wire.encode_event(event, form), headers=VARIES)


def patch_deployment(request: Request) -> Pending:
    id_ = _id(request)
    verdict = decode_patch(request.body, id_)
    written = request.store.deployments.update(
        request.organisation, id_, verdict, now_ns=request.now_ns, actor=request.actor
    )
    return Pending(written, lambda _: _PATCHED)


def patch_deployment_by_version(request: Request) -> Pending:
    patch = decode_patch_by_version(request.body)
    written = request.store.deployments.update_by_version(
        request.organisation,
        patch.service,
        patch.env,
        patch.version,
        patch.verdict,
        now_ns=request.now_ns,
        actor=request.actor,
    )
    return Pending(written, lambda _: _PATCHED)


def delete_deployment(request: Request) -> Pending:
    written = request.store.deployments.delete(
        request.organisation, _id(request), actor=request.actor
    )
    return Pending(written, lambda _: _DELETED)


def delete_failure(request: Request) -> Pending:
    written = request.store.failures.delete(request.organisation, _id(request), actor=request.actor)
    return Pending(written, lambda _: _DELETED)


def _created(placed: Upserted[Deployment] | Upserted[Failure]) -> Reply:
    return Reply(200, wire.encode_created(placed.now.event))


def _id(request: Request) -> str:
    return request.path_parameters["id"]


def event_form(request: Request) -> TimestampForm:
    """The form of instants that a request asks for."""
    return timestamp_form(
        request.query_parameters.get("timestamps"),
        request.timestamps,
        request.headers.get("user-agent", ""),
    )


def _page(kind: Kind, selection: Selection, found: DocumentPage, form: TimestampForm) -> Reply:
    """A page of a list, with a cursor in a header if there is more to come."""
    body = wire.encode_documents(kind, found.documents, form)
    if found.end is None:
        return Reply(200, body, headers=VARIES)
    cursor = encode_cursor(kind, selection, found.end).encode()
    return Reply(200, body, headers=(*VARIES, (NEXT_CURSOR.lower().encode(), cursor)))


def event_listing(request: Request, kind: Kind) -> tuple[Selection, TimestampForm]:
    """The selection and the form of instants; problems of the body come before the parameter's."""
    problems: list[Invalid] = []
    selection = form = None
    try:
        selection = decode_list(request.body, kind)
    except Invalid as invalid:
        problems.append(invalid)
    try:
        form = event_form(request)
    except Invalid as invalid:
        problems.append(invalid)
    if selection is None or form is None:
        raise Invalid(*(problem for invalid in problems for problem in invalid.problems))
    return selection, form
