"""The handler of the audit log: its entries as JSON or CSV."""

from typing import Annotated, Any, Literal, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from theodora.errors import Invalid, Problem
from theodora.report.audit_table import (
    MAX_AUDIT_ENTRIES,
    audit_csv,
    audit_document,
    read_audit_filters,
    read_entry_number,
)
from theodora.report.parameters import known_parameters
from theodora.storage.access.audit_search import AUDIT_FIELDS
from theodora.storage.engine.actor import ActorKind
from theodora.storage.engine.audit import AuditOutcome
from theodora.storage.engine.audit_actions import ActionName
from theodora.web.api.cursors import NEXT_CURSOR
from theodora.web.api.wire import Resource, encode_data
from theodora.web.http.operations import Request
from theodora.web.http.responses import CSV, Reply

TYPE = "dora_audit_entry"
_CSV_HEADERS = ((b"content-disposition", b'attachment; filename="audit.csv"'),)
_PAGE = 100

_Form = Literal["json", "csv"]
_INSTANT = "RFC 3339, a date or a date-time in UTC, or a Unix timestamp"


class AuditParameters(Struct, frozen=True, rename={"from_": "from"}):
    """The parameters of a request for entries, for schemas."""

    from_: Annotated[str, Meta(description=f"The start, included: {_INSTANT}.")] | UnsetType = UNSET
    to: Annotated[str, Meta(description=f"The end, not included: {_INSTANT}.")] | UnsetType = UNSET
    actor: (
        Annotated[str, Meta(description="The name, the id or the IP address of who did it.")]
        | UnsetType
    ) = UNSET
    action: (
        Annotated[
            str, Meta(description="An action such as `key.created`, or its first part: `key`.")
        ]
        | UnsetType
    ) = UNSET
    target: Annotated[str, Meta(description="What it was done to.")] | UnsetType = UNSET
    outcome: Annotated[AuditOutcome, Meta(description="Done or refused.")] | UnsetType = UNSET
    query: (
        Annotated[
            str,
            Meta(
                description="A search in the language of events, with the fields "
                + ", ".join(f"`{field.name}`" for field in AUDIT_FIELDS)
                + "."
            ),
        ]
        | UnsetType
    ) = UNSET
    limit: Annotated[
        int, Meta(ge=1, le=MAX_AUDIT_ENTRIES, description="Most entries to answer with.")
    ] = _PAGE
    cursor: (
        Annotated[str, Meta(description=f"The header {NEXT_CURSOR} of the page before.")]
        | UnsetType
    ) = UNSET
    format: Annotated[_Form, Meta(description="How to answer.")] = "json"


class AuditActor(Struct, frozen=True):
    """Who did it."""

    kind: ActorKind
    name: str
    id: str
    address: str
    """The IP address; empty without a request."""


class AuditAttributes(Struct, frozen=True):
    """An entry of the audit log."""

    number: int
    """Rises by one in each organisation."""
    at: str
    actor: AuditActor
    action: ActionName
    target: str
    before: dict[str, Any] | None
    """The values before the change that differ."""
    after: dict[str, Any] | None
    outcome: AuditOutcome
    reason: str
    hash: str
    """Of the entry and of the hash before it."""


_PARAMETERS = AuditParameters.__struct_encode_fields__


def list_audit_entries(request: Request) -> Reply:
    parameters = known_parameters(request.query_parameters.multi_items(), _PARAMETERS)
    query = read_audit_filters(parameters)
    limit = parameters.read("limit", _limit, _PAGE)
    before_number = parameters.read("cursor", read_entry_number, None)
    form: _Form = parameters.choice("format", get_args(_Form), "json")
    parameters.check()
    asked = query._replace(limit=limit + 1, before_number=before_number)
    found = request.store.audit.entries(request.organisation, asked)
    page = found[:limit]
    headers = ((NEXT_CURSOR.encode(), b"%d" % page[-1].number),) if found[limit:] else ()
    if form == "csv":
        return Reply(200, audit_csv(page), CSV, (*_CSV_HEADERS, *headers))
    documents = [Resource(str(entry.number), TYPE, audit_document(entry)) for entry in page]
    return Reply(200, encode_data(documents), headers=headers)


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MAX_AUDIT_ENTRIES:
        raise Invalid(Problem(f"must be a whole number from 1 to {MAX_AUDIT_ENTRIES}"))
    return int(text[:9])
