"""Failures: incidents as a list, and as a CSV file."""

from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from typing import NamedTuple

from theodora.dora.metrics.table import INCIDENT_TIME_TO_RESTORE
from theodora.events import Failure
from theodora.events.values import FAILURE_TEXTS, SECOND_NS
from theodora.query import Kind, resolve
from theodora.report import wording
from theodora.report.links import failure_path
from theodora.report.scope import service_path
from theodora.storage import Selection
from theodora.web.pages.parts.clauses import clauses_of
from theodora.web.pages.parts.csv_download import csv_stream
from theodora.web.pages.parts.list_columns import (
    ABSENT,
    CellPart,
    CellParts,
    ListColumn,
    ListContext,
    choose_columns,
    field_column,
    heads,
    tag_column,
)
from theodora.web.pages.parts.listing import (
    every_event,
    neighbours,
    own_parameters,
    read_listing,
    read_page,
    request_body,
)
from theodora.web.pages.shell.page import Answer, View, Visit

CLOCK = "started_at"
PATH = "/failures"
_MOST_SERVICES = 4


class FailureRow(NamedTuple):
    """One failure of the list."""

    failure: Failure
    path: str
    restored: str
    """Empty while it is open."""
    open_for: str


def show_failures(visit: Visit) -> Answer:
    scope = visit.scope
    tree = scope.tree
    listing = read_listing(visit, Kind.FAILURE, CLOCK)
    page = read_page(
        listing,
        tree,
        partial(_select, visit),
        _started_at_ns,
    )
    report = visit.store.metrics.report(
        visit.organisation, scope.metrics_query(interval="total"), tree
    )
    own = own_parameters(listing)
    choice = choose_columns(scope, COLUMNS, partial(tag_column, _FAILURE))
    return View(
        {
            "restore": report.overall.total[INCIDENT_TIME_TO_RESTORE],
            "clauses": len(clauses_of(tree)),
            "columns": tuple(heads(scope, PATH, listing, choice.shown)),
            "choice": choice,
            "rows": tuple(
                choice.cells(row_of(each, scope.now_ns), ListContext(scope)) for each in page.events
            ),
            "shown": page.events,
            "listing": listing,
            "neighbours": tuple(neighbours(scope, PATH, listing, page)),
            "own": own,
            "csv_link": scope.link(f"{PATH}.csv", **own),
            "request": request_body(listing, tree, "dora_failures_list_request"),
        }
    )


CSV_COLUMNS = (
    *("id", "service", *(text.name for text in FAILURE_TEXTS)),
    *(
        "commit_sha",
        "repository_id",
        "source",
        "started_at",
        "finished_at",
        "time_to_restore",
        "tags",
    ),
)


def failures_csv(visit: Visit) -> Answer:
    """The complete list, however long it is."""
    listing = read_listing(visit, Kind.FAILURE, CLOCK)
    found = every_event(listing, visit.scope.tree, partial(_select, visit), _started_at_ns)
    rows = ([" ".join(resolve(name).texts(each)) for name in CSV_COLUMNS] for each in found)
    return csv_stream("failures.csv", CSV_COLUMNS, rows)


def _select(visit: Visit, selection: Selection) -> list[Failure]:
    return visit.store.failures.select(visit.organisation, selection)


def _started_at_ns(failure: Failure) -> int:
    return failure.started_at_ns


def row_of(failure: Failure, now_ns: int) -> FailureRow:
    restored = failure.time_to_restore
    age_sec = (now_ns - failure.started_at_ns) / SECOND_NS
    return FailureRow(
        failure,
        failure_path(failure.id),
        "" if restored is None else wording.duration(restored),
        wording.duration(max(age_sec, 0)),
    )


def _name_cell(row: FailureRow, context: ListContext) -> CellParts:
    failure = row.failure
    link = context.scope.href(row.path)
    return (CellPart(failure.name or failure.id, link, is_given=True),)


def _services_cell(row: FailureRow, context: ListContext) -> CellParts:
    failure, scope = row.failure, context.scope
    if not failure.services:
        return (CellPart(f"team {failure.team}", is_given=True),) if failure.team else ABSENT
    named = (
        CellPart(service, scope.link(service_path(service), query=None), is_given=True)
        for service in failure.services[:_MOST_SERVICES]
    )
    more = len(failure.services) - _MOST_SERVICES
    return (*named, *((CellPart(f"and {more} more"),) if more > 0 else ()))


def _restored_cell(row: FailureRow, _: ListContext) -> CellParts:
    if row.restored:
        return (CellPart(row.restored),)
    return (CellPart(f"open for {row.open_for}", look="bad"),)


_FAILURE = attrgetter("failure")
_field = partial(field_column, Kind.FAILURE, _FAILURE)

COLUMNS: Sequence[ListColumn[FailureRow]] = (
    _field("started_at", "Started", shown="usually"),
    ListColumn("name", "Name", _name_cell, "always", begins_ascending=True, is_head=True),
    ListColumn("service", "Services", _services_cell, separator=", "),
    _field("env", "Environment"),
    _field("team", "Team"),
    _field("severity", "Severity", shown="usually"),
    _field("version", "Version"),
    _field("repository_id", "Repository"),
    _field("finished_at", "Restored"),
    ListColumn("time_to_restore", "Restored after", _restored_cell, is_number=True),
    _field("source", "Source"),
    _field("created_at", "Received"),
    _field("id", "Id"),
)
"""The columns of the list, in order."""
