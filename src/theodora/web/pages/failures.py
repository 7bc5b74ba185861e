"""Failures: incidents as a list, and as a CSV file."""

from functools import partial
from typing import NamedTuple

from theodora.dora.metrics.table import INCIDENT_TIME_TO_RESTORE
from theodora.events import Failure
from theodora.events.values import FAILURE_TEXTS, SECOND_NS
from theodora.query import Kind, resolve
from theodora.report import wording
from theodora.report.links import failure_path
from theodora.storage import Selection
from theodora.web.pages.parts.clauses import clauses_of
from theodora.web.pages.parts.csv_download import csv_stream
from theodora.web.pages.parts.listing import (
    ListColumn,
    every_event,
    heads,
    neighbours,
    own_parameters,
    read_listing,
    read_page,
    request_body,
)
from theodora.web.pages.shell.page import Answer, View, Visit

CLOCK = "started_at"
PATH = "/failures"

COLUMNS = (
    ListColumn("started_at", "Started"),
    ListColumn("name", "Name", begins_ascending=True),
    ListColumn("severity", "Severity", begins_ascending=True),
    ListColumn("time_to_restore", "Restored after", is_number=True),
)
"""What the table is sorted by, and its heads; services and teams come between."""


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
    return View(
        {
            "restore": report.overall.total[INCIDENT_TIME_TO_RESTORE],
            "clauses": len(clauses_of(tree)),
            "columns": tuple(heads(scope, PATH, listing, COLUMNS)),
            "rows": tuple(row_of(each, scope.now_ns) for each in page.events),
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
