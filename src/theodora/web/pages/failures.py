"""Failures: incidents as a list, and one of them with what it is linked to; closing it."""

from datetime import datetime
from functools import partial
from typing import NamedTuple

from theodora.dora.derivation.incidents import DEPLOYMENT_TAG, incidents_by_deployment
from theodora.dora.metrics.table import INCIDENT_TIME_TO_RESTORE
from theodora.events import Deployment, Failure
from theodora.events.values import DAY_NS, FAILURE_TEXTS, SECOND_NS
from theodora.query import Kind, NumberRange, Query, all_of, any_of, resolve, to_text
from theodora.query.operands import equals
from theodora.report import wording
from theodora.report.links import failure_path
from theodora.report.scope import Scope, service_path
from theodora.storage import Selection
from theodora.web.http.security import WRITE
from theodora.web.pages.deployments import ExplorerRow, rows_of
from theodora.web.pages.parts.clauses import clauses_of, known_field
from theodora.web.pages.parts.csv_download import csv_stream
from theodora.web.pages.parts.event_json import event_json
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
from theodora.web.pages.shell.page import Answer, Download, SeeOther, View, Visit

CLOCK = "started_at"
PATH = "/failures"

COLUMNS = (
    ListColumn("started_at", "Started"),
    ListColumn("name", "Name", begins_ascending=True),
    ListColumn("severity", "Severity", begins_ascending=True),
    ListColumn("time_to_restore", "Restored after", is_number=True),
)
"""What the table is sorted by, and its heads; services and teams come between."""

_BEFORE_NS = 60 * DAY_NS
"""How far back a deployment that an incident names is looked for."""
_NEAR_NS = 7 * DAY_NS
_MOST_NEAR = 20


class FailureRow(NamedTuple):
    """One failure of the list."""

    failure: Failure
    path: str
    restored: str
    """Empty while it is open."""
    open_for: str


class Linked(NamedTuple):
    """A deployment that the failure names, and how."""

    row: ExplorerRow
    how: str


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
            "rows": tuple(_row(each, scope.now_ns) for each in page.events),
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


def show_failure(visit: Visit) -> Answer:
    """Raises `NotFound` for a failure that is not there."""
    id_ = visit.path_parameters["id"]
    failure = visit.store.failures.get(visit.organisation, id_)
    if visit.query_parameters.get("as") == "json":
        return Download(event_json(failure).encode(), "application/json")
    return _page(visit, failure)


def close_failure(visit: Visit) -> Answer:
    """Sets the end, like sending the failure again with its end."""
    id_ = visit.path_parameters["id"]
    failure = visit.store.failures.get(visit.organisation, id_)
    text = visit.form.get("finished_at", "")
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        return _page(visit, failure, "Enter the date and time it ended.", text, 400)
    zone = local.tzinfo or visit.scope.calendar.zone
    finished_at_ns = round(local.replace(tzinfo=zone).timestamp()) * SECOND_NS
    if not failure.last_opened_at_ns <= finished_at_ns <= visit.now_ns + DAY_NS:
        start = "last time it was reopened" if failure.periods else "start"
        problem = f"The end cannot be before the {start}, or far in the future."
        return _page(visit, failure, problem, text, 400)
    closed = failure.ended(finished_at_ns)
    visit.store.failures.add(visit.organisation, closed, visit.now_ns, actor=visit.actor).result()
    return SeeOther(visit.scope.link(failure_path(id_), saved="closed"))


def _page(
    visit: Visit, failure: Failure, problem: str = "", finished_at: str = "", status: int = 200
) -> View:
    scope = visit.scope
    linked = _linked(visit, failure)
    near = _near(visit, failure)
    services = [
        (service, scope.link(service_path(service), query=None)) for service in failure.services
    ]
    return View(
        {
            "failure": failure,
            "texts": [
                (text.label, getattr(failure, text.name))
                for text in FAILURE_TEXTS
                if text.name != "name"
            ],
            "path": failure_path(failure.id),
            "row": _row(failure, scope.now_ns),
            "services": services,
            "linked": linked,
            "near": near,
            "near_link": scope.link(
                "/deployments",
                query=to_text(_of_services(failure)) if failure.services else "",
                from_=_iso(scope, failure.started_at_ns - _NEAR_NS),
                to=_iso(scope, (failure.finished_at_ns or scope.now_ns) + SECOND_NS),
            ),
            "json": event_json(failure),
            "finished_at": finished_at or _iso(scope, failure.finished_at_ns or scope.now_ns),
            "problem": problem,
            "may_write": visit.may(WRITE),
            "saved": visit.query_parameters.get("saved") == "closed",
        },
        status,
        template="failure.html",
    )


def _iso(scope: Scope, instant_ns: int) -> str:
    return f"{scope.clock.local(instant_ns):%Y-%m-%dT%H:%M}"


def _row(failure: Failure, now_ns: int) -> FailureRow:
    restored = failure.time_to_restore
    age_sec = (now_ns - failure.started_at_ns) / SECOND_NS
    return FailureRow(
        failure,
        failure_path(failure.id),
        "" if restored is None else wording.duration(restored),
        wording.duration(max(age_sec, 0)),
    )


def _of_services(failure: Failure) -> Query:
    return any_of([equals(known_field("service"), service) for service in failure.services])


def _deployments(visit: Visit, failure: Failure, start_ns: int, limit: int) -> list[Deployment]:
    """The deployments of its services, from `start_ns` up to its end, newest first."""
    if not failure.services:
        return []
    clock = known_field("finished_at")
    until_ns = failure.finished_at_ns or visit.now_ns
    selection = Selection(
        query=all_of((_of_services(failure), NumberRange(clock, start_ns, until_ns))),
        sort=clock,
        limit=limit,
    )
    return visit.store.deployments.select(visit.organisation, selection)


def _near(visit: Visit, failure: Failure) -> tuple[ExplorerRow, ...]:
    start_ns = failure.started_at_ns - _NEAR_NS
    return tuple(rows_of(visit, _deployments(visit, failure, start_ns, _MOST_NEAR)))


def _linked(visit: Visit, failure: Failure) -> tuple[Linked, ...]:
    """The deployment that it names, by the rules that derivation goes by."""
    start_ns = failure.started_at_ns - _BEFORE_NS
    earlier = list(reversed(_deployments(visit, failure, start_ns, 1_000)))
    keys = visit.store.settings.match_keys(visit.organisation)
    named = incidents_by_deployment([failure], earlier, keys=keys)
    rows = rows_of(visit, [each for each in earlier if each.id in named])
    return tuple(Linked(row, _how(failure, row.deployment)) for row in rows)


def _how(failure: Failure, deployment: Deployment) -> str:
    if f"{DEPLOYMENT_TAG}{deployment.id}" in failure.custom_tags:
        return "its tag names the id"
    if failure.git and deployment.git and failure.git.commit_sha == deployment.git.commit_sha:
        return "it was seen on the same commit"
    return "it was seen on the same version"
