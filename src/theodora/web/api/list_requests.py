"""The requests of lists: which events, in which order, from which position on."""

from decimal import Decimal
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from theodora.errors import Invalid, Problem
from theodora.events import nanoseconds_from_integer, nanoseconds_from_rfc3339
from theodora.events.attributes import no_timestamp, shortened, wrong_type
from theodora.events.json_values import JsonObject, exact_integer, type_name
from theodora.events.values import INT64
from theodora.query import Query, parse_cached
from theodora.query.ast import Everything
from theodora.query.fields import Field, Kind
from theodora.query.parser import MAX_CHARACTERS
from theodora.query.pull_request_fields import sort_field, sort_keys_of
from theodora.storage import Position, Selection
from theodora.web.api.cursors import (
    NEXT_CURSOR,
    ForeignCursor,
    UnreadableCursor,
    decode_cursor,
)
from theodora.web.api.wire import decode_attributes, raise_all, read_text

MAX_LIST_LIMIT = 1_000
DEFAULT_LIST_LIMIT = 10
LIST_TYPES = {
    Kind.DEPLOYMENT: "dora_deployments_list_request",
    Kind.FAILURE: "dora_failures_list_request",
    Kind.PULL_REQUEST: "dora_pull_requests_list_request",
}
DEFAULT_SORTS = {
    Kind.DEPLOYMENT: "-started_at",
    Kind.FAILURE: "-started_at",
    Kind.PULL_REQUEST: "-updated_at",
}
_WINDOWS = {Kind.DEPLOYMENT: "start", Kind.FAILURE: "start", Kind.PULL_REQUEST: "update"}
"""The instant of an event that lies in the window."""


_DateTime = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
_UnixTime = Annotated[int, Meta(ge=1, le=INT64[1], extra_json_schema={"format": "int64"})]


def _asked_instant(about: str) -> Any:
    """The type of an end of a list's window: either form that responses write."""
    description = f"{about} RFC 3339, or Unix time in any of the units that creates take."
    return Annotated[_DateTime | _UnixTime, Meta(description=description)]


def _list_input(kind: Kind) -> type[msgspec.Struct]:
    sorts = [prefix + name for name in sort_keys_of(kind) for prefix in ("", "-")]
    limit = Meta(ge=1, le=MAX_LIST_LIMIT, extra_json_schema={"format": "int32"})
    sort = Meta(
        description="A key, `-` in front for descending.", extra_json_schema={"enum": sorts}
    )
    query = Meta(description="Search query, see the search language.", max_length=MAX_CHARACTERS)
    cursor = Meta(
        description=f"The `{NEXT_CURSOR}` of the page before, for the same from, to, sort and "
        "query."
    )
    window = _WINDOWS[kind]
    return msgspec.defstruct(
        f"{kind.words.title().replace(' ', '')}ListInput",
        [
            ("from_", _asked_instant(f"Earliest {window}, included.") | UnsetType, UNSET),
            ("to", _asked_instant(f"Latest {window}, included.") | UnsetType, UNSET),
            ("limit", Annotated[int, limit], DEFAULT_LIST_LIMIT),
            ("sort", Annotated[str, sort] | UnsetType, UNSET),
            ("query", Annotated[str, query] | UnsetType, UNSET),
            ("cursor", Annotated[str, cursor] | UnsetType, UNSET),
        ],
        frozen=True,
        rename={"from_": "from"},
        namespace={"__doc__": f"Which {kind.words}s to list."},
    )


LIST_INPUTS = {kind: _list_input(kind) for kind in Kind}
"""What list requests are sent with."""


def decode_list(body: bytes, kind: Kind) -> Selection:
    """The selection of a list request; `Invalid` lists all problems."""
    return decode_attributes(body, partial(read_list, kind=kind), LIST_TYPES[kind])


def read_list(attributes: JsonObject, kind: Kind) -> Selection:
    """The same of attributes without a document around them."""
    problems: list[Problem] = []
    from_ns, to_ns = (_instant(attributes, name, problems) for name in ("from", "to"))
    limit = _limit(attributes, problems)
    sort, descending = _sort(attributes, kind, problems)
    query = _query(attributes, kind, problems)
    cursor = read_text(attributes, "cursor", problems)
    raise_all(problems)
    selection = Selection(
        query=query, from_ns=from_ns, to_ns=to_ns, sort=sort, descending=descending, limit=limit
    )
    return replace(selection, after=_place(cursor, kind, selection)) if cursor else selection


def _instant(attributes: JsonObject, name: str, problems: list[Problem]) -> int | None:
    """A date-time or a Unix timestamp: whatever a response writes is taken here as well."""
    value = attributes.get(name)
    if value is not None and type_name(value) == "number":
        return _timestamp(value, name, problems)
    text = read_text(attributes, name, problems)
    if text is None:
        return None
    instant_ns = nanoseconds_from_rfc3339(text)
    if instant_ns is None:
        detail = f'error decoding attribute "{name}": invalid date-time "{shortened(text)}"'
        problems.append(Problem(detail, (name,)))
    return instant_ns


def _timestamp(value: int | Decimal, name: str, problems: list[Problem]) -> int | None:
    integer = exact_integer(value)
    if integer is None:
        problems.append(wrong_type(name, value))
        return None
    instant_ns = nanoseconds_from_integer(integer)
    if instant_ns is None:
        problems.append(no_timestamp(name))
    return instant_ns


def _limit(attributes: JsonObject, problems: list[Problem]) -> int:
    value = attributes.get("limit")
    if value is None:
        return DEFAULT_LIST_LIMIT
    if type_name(value) != "number":
        problems.append(wrong_type("limit", value))
        return DEFAULT_LIST_LIMIT
    limit = exact_integer(value)
    if limit is None:
        problems.append(Problem('attribute "limit" must be an integer', ("limit",)))
    elif not 1 <= limit <= MAX_LIST_LIMIT:
        detail = f'attribute "limit" must be between 1 and {MAX_LIST_LIMIT}'
        problems.append(Problem(detail, ("limit",)))
    else:
        return limit
    return DEFAULT_LIST_LIMIT


def _sort(attributes: JsonObject, kind: Kind, problems: list[Problem]) -> tuple[Field, bool]:
    """The field to sort by, and whether from the greatest value down."""
    text = read_text(attributes, "sort", problems) or DEFAULT_SORTS[kind]
    name = text.removeprefix("-")
    field = sort_field(name, kind)
    if field is None:
        detail = f'attribute "sort" must be one of "{" ".join(sort_keys_of(kind))}"'
        problems.append(Problem(detail, ("sort",)))
        return _sort({}, kind, problems)
    return field, name != text


def _query(attributes: JsonObject, kind: Kind, problems: list[Problem]) -> Query:
    text = attributes.get("query")
    if text is None:
        return Everything()
    if not isinstance(text, str):
        problems.append(wrong_type("query", text))
        return Everything()
    try:
        return parse_cached(text, kind)
    except Invalid as invalid:
        problems.extend(invalid.problems)
        return Everything()


def _place(cursor: str, kind: Kind, selection: Selection) -> Position:
    """The position of a cursor, read last because it depends on the other attributes."""
    try:
        return decode_cursor(cursor, kind, selection)
    except UnreadableCursor:
        detail = f'error decoding attribute "cursor": invalid cursor "{shortened(cursor)}"'
    except ForeignCursor:
        detail = (
            'attribute "cursor" must be sent with the "query", "from", "to" and "sort" of the '
            "request it was answered to"
        )
    raise Invalid(Problem(detail, ("cursor",)))
