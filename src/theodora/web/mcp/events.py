"""Tools about events: search, fields, explanation."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from theodora.dora.derivation.explanation import explain as explanation_of
from theodora.errors import Invalid, Problem
from theodora.events import Failure, format_rfc3339
from theodora.events.document import TimestampForm
from theodora.query import Event, Kind
from theodora.query.reference import code, fields_table, sort_keys_table
from theodora.report.event_columns import COLUMNS, cells_of
from theodora.report.explanation_text import explanation_lines
from theodora.report.links import failure_path, path_of
from theodora.report.text_table import aligned
from theodora.storage import Position, Selection
from theodora.storage.metrics.columns import GROUPED
from theodora.web.api.cursors import encode_cursor
from theodora.web.api.list_requests import read_list
from theodora.web.api.wire import encode_resource
from theodora.web.mcp.caller import INSTANT, NoArguments, Query, ToolCaller

MOST_EVENTS = 50
_MOST_COMMITS = 10


class SearchArguments(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Which events to find."""

    event_type: Annotated[Literal["deployment", "failure"], Meta(description="What to search.")] = (
        "deployment"
    )
    id: Annotated[str, Meta(description="One event, with all attributes.")] | UnsetType = UNSET
    query: Query | UnsetType = UNSET
    from_: Annotated[str, Meta(description=f"Earliest start, included: {INSTANT}")] | UnsetType = (
        UNSET
    )
    to: Annotated[str, Meta(description=f"Latest start, included: {INSTANT}")] | UnsetType = UNSET
    sort: (
        Annotated[
            str,
            Meta(
                description="A key of get_dora_fields, - in front for descending. Default: "
                "-started_at."
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
    events = caller.store.failures if kind is Kind.FAILURE else caller.store.deployments
    if arguments.id is not UNSET:
        event = events.get(caller.organisation, arguments.id)
        return f"{encode_resource(event, TimestampForm.RFC3339).decode()}\n{_page(caller, event)}"
    selection = _selection(caller, arguments, kind)
    # One more than asked for shows whether there are more.
    found = events.select(caller.organisation, replace(selection, limit=selection.limit + 1))
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
    caller: ToolCaller, found: Sequence[Event], selection: Selection, kind: Kind
) -> Iterator[str]:
    shown = found[: selection.limit]
    if not shown:
        yield f"No {kind.value}s match."
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
    yield f"The page of one: {caller.link(f'/{kind.value}s/')}ID"


def _position(event: Event, selection: Selection) -> Position:
    value = next(iter(selection.sort.values(event)), None)
    return Position(int(value) if isinstance(value, bool) else value, event.id)


def _page(caller: ToolCaller, event: Event) -> str:
    is_failure = isinstance(event, Failure)
    return caller.link(failure_path(event.id) if is_failure else path_of(event.id))


def list_fields(_: ToolCaller, __: NoArguments) -> str:
    """The fields of queries, the sort keys and the groups, as Markdown."""
    groups = f"Metrics can be grouped by {code(*GROUPED)} and the keys of custom tags."
    return f"{fields_table()}\n\n{sort_keys_table()}\n\n{groups}"


def explain(caller: ToolCaller, arguments: ExplainArguments) -> str:
    """The explanation in lines."""
    found = caller.store.derivations.explain(caller.organisation, arguments.id)
    explained = explanation_of(found.derived, found.preceding, found.repository, found.settings)
    lines = explanation_lines(explained, _MOST_COMMITS)
    return "\n".join((*lines, "", caller.link(path_of(explained.id))))
