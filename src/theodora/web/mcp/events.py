"""Tools about events: search, fields, explanation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from theodora.dora.derivation.explanation import explain as explanation_of
from theodora.dora.metrics.pull_requests import GROUPED as PULL_REQUEST_GROUPS
from theodora.errors import Invalid, Problem
from theodora.events import format_rfc3339
from theodora.events.document import TimestampForm
from theodora.query import Kind
from theodora.query.fields import Searched
from theodora.query.reference import (
    code,
    fields_table,
    pull_request_fields_table,
    sort_keys_table,
)
from theodora.report.event_columns import COLUMNS, cells_of
from theodora.report.explanation_text import explanation_lines
from theodora.report.links import failure_path, path_of, pull_request_path
from theodora.report.text_table import aligned
from theodora.storage import Position, Selection
from theodora.storage.metrics.columns import GROUPED
from theodora.web.api.cursors import encode_cursor
from theodora.web.api.list_requests import read_list
from theodora.web.api.pull_requests import encode_searched
from theodora.web.mcp.caller import INSTANT, Query, ToolCaller

MOST_EVENTS = 50
_MOST_COMMITS = 10


EventType = Literal["deployment", "failure", "pull_request"]


class FieldsArguments(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose fields to list."""

    event_type: Annotated[
        EventType, Meta(description="What a query is about: deployments and failures share theirs.")
    ] = "deployment"


class SearchArguments(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Which events to find."""

    event_type: Annotated[EventType, Meta(description="What to search.")] = "deployment"
    id: Annotated[str, Meta(description="One event, with all attributes.")] | UnsetType = UNSET
    query: Query | UnsetType = UNSET
    from_: (
        Annotated[
            str,
            Meta(description=f"Earliest start, of pull requests last update, included: {INSTANT}"),
        ]
        | UnsetType
    ) = UNSET
    to: Annotated[str, Meta(description=f"Latest, included: {INSTANT}")] | UnsetType = UNSET
    sort: (
        Annotated[
            str,
            Meta(
                description="A key of get_dora_fields, - in front for descending. Default: "
                "-started_at, of pull requests -updated_at."
            ),
        ]
        | UnsetType
    ) = UNSET
    limit: Annotated[int, Meta(description="Most events.", ge=1, le=MOST_EVENTS)] = 10
    cursor: (
        Annotated[str, Meta(description="From the answer before, with the same arguments.")]
        | UnsetType
    ) = UNSET


class ExplainArguments(Struct, frozen=True, forbid_unknown_fields=True):
    """Which deployment to explain."""

    id: Annotated[str, Meta(description="The id of the deployment.")]


def search(caller: ToolCaller, arguments: SearchArguments) -> str:
    """A table of the events that match, or one event as JSON."""
    kind = Kind(arguments.event_type)
    listed = caller.store.listed(kind)
    if arguments.id is not UNSET:
        event = listed.get(caller.organisation, arguments.id)
        page = caller.link(_PATHS[kind](event.id))
        return f"{encode_searched(event, TimestampForm.RFC3339).decode()}\n{page}"
    selection = _selection(caller, arguments, kind)
    # One more than asked for shows whether there are more.
    found = listed.select(caller.organisation, replace(selection, limit=selection.limit + 1))
    return "\n".join(_table(caller, found, selection, kind))


def _selection(caller: ToolCaller, arguments: SearchArguments, kind: Kind) -> Selection:
    asked = caller.with_instants(msgspec.to_builtins(arguments))
    try:
        return read_list(asked, kind)
    except Invalid as invalid:
        problems = (
            Problem(each.detail.replace("attribute", "argument")) for each in invalid.problems
        )
        raise Invalid(*problems) from None


def _table(
    caller: ToolCaller, found: Sequence[Searched], selection: Selection, kind: Kind
) -> Iterator[str]:
    shown = found[: selection.limit]
    if not shown:
        yield f"No {kind.words}s match."
        return
    columns = COLUMNS[kind]
    yield from aligned([columns, *(cells_of(event, columns) for event in shown)])
    if len(found) > len(shown):
        cursor = encode_cursor(kind, selection, _position(shown[-1], selection))
        window = "".join(
            f', "{name}": "{format_rfc3339(end_ns)}"'
            for name, end_ns in (("from", selection.from_ns), ("to", selection.to_ns))
            if end_ns is not None
        )
        yield f'There are more: ask again with the same arguments and "cursor": "{cursor}"{window}.'
    yield f"The page of one: {caller.link(_PATHS[kind](''))}ID"


def _position(event: Searched, selection: Selection) -> Position:
    value = next(iter(selection.sort.values(event)), None)
    return Position(int(value) if isinstance(value, bool) else value, event.id)


_PATHS: Mapping[Kind, Callable[[str], str]] = {
    Kind.DEPLOYMENT: path_of,
    Kind.FAILURE: failure_path,
    Kind.PULL_REQUEST: pull_request_path,
}
"""The page of one, by its id."""


def list_fields(_: ToolCaller, arguments: FieldsArguments) -> str:
    """The fields of queries, the sort keys and the groups, as Markdown."""
    if arguments.event_type == Kind.PULL_REQUEST.value:
        fields, groups = pull_request_fields_table(), code(*PULL_REQUEST_GROUPS)
    else:
        fields, groups = fields_table(), f"{code(*GROUPED)} and the keys of custom tags"
    return f"{fields}\n\n{sort_keys_table()}\n\nMetrics can be grouped by {groups}."


def explain(caller: ToolCaller, arguments: ExplainArguments) -> str:
    """The explanation in lines."""
    found = caller.store.derivations.explain(caller.organisation, arguments.id)
    explained = explanation_of(found.derived, found.preceding, found.repository, found.settings)
    lines = explanation_lines(explained, _MOST_COMMITS)
    return "\n".join((*lines, "", caller.link(path_of(explained.id))))
