"""The wall: what is deployed, failing or pending now, in a page that refreshes itself."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from theodora.dora.metrics.calendar import Period
from theodora.events import Deployment, Failure
from theodora.events.values import DAY_NS, HOUR_NS
from theodora.query import Kind, NumberRange, all_of, parse, sort_key
from theodora.report.insight import OPEN, PENDING, UNFIXED
from theodora.report.scope import Scope
from theodora.storage import Selection
from theodora.web.pages.deployments import ExplorerRow, rows_of
from theodora.web.pages.failure import Linked, PossibleCause, candidates_of, linked_to
from theodora.web.pages.failures import FailureRow, row_of
from theodora.web.pages.parts.clauses import known_field
from theodora.web.pages.shell.page import Answer, View, Visit

REFRESH_SECONDS = 30
HOURS = 2
_PENDING_DAYS = 7
"""For so long after a deployment without a verdict or fix, it is still of interest."""
_MOST_DEPLOYMENTS = 40
_MOST_FAILURES = 10
_MOST_WAITING = 10
_MOST_CAUSES = 3


class OpenFailure(NamedTuple):
    """A failure that is not over, with the deployments that caused it or may have."""

    row: FailureRow
    linked: tuple[Linked, ...]
    candidates: tuple[PossibleCause, ...]
    """Only while none is linked."""


class Newest(NamedTuple):
    """The newest events of a kind, and whether there are more."""

    rows: tuple[ExplorerRow, ...]
    has_more: bool


def show_now(visit: Visit) -> Answer:
    """Everything, unless the address has a search; the period is always the last hours."""
    now_ns = visit.scope.now_ns
    scope = replace(
        visit.scope,
        query=visit.scope.given.get("query", ""),
        range=f"{HOURS}h",
        period=Period(now_ns - HOURS * HOUR_NS, now_ns),
    )
    failures = _open(visit, scope)
    deployed = _newest(visit, scope, "", HOURS * HOUR_NS, _MOST_DEPLOYMENTS)
    is_refreshing = visit.query_parameters.get("refresh") != "off"
    own = {"query": scope.query}
    return View(
        {
            "scope": scope,
            "seconds": REFRESH_SECONDS if is_refreshing else 0,
            "switch": scope.link(
                "/now", **own, range=None, refresh="off" if is_refreshing else None
            ),
            "failures": tuple(_failures(visit, failures[:_MOST_FAILURES])),
            "has_more_failures": len(failures) > _MOST_FAILURES,
            "failures_link": scope.link("/failures", query=scope.also(OPEN), range="1y"),
            "deployed": deployed,
            "last": () if deployed.rows else _newest(visit, scope, "", None, 1).rows,
            "deployed_link": scope.link("/deployments", **own, range=scope.range),
            "unfixed": _newest(visit, scope, UNFIXED, _PENDING_DAYS * DAY_NS, _MOST_WAITING),
            "unfixed_link": scope.link("/deployments", query=scope.also(UNFIXED), range="7d"),
            "pending": _newest(visit, scope, PENDING, _PENDING_DAYS * DAY_NS, _MOST_WAITING),
            "pending_link": scope.link("/deployments", query=scope.also(PENDING), range="7d"),
            "hours": HOURS,
            "days": _PENDING_DAYS,
            "searched": scope.query,
        }
    )


def _open(visit: Visit, scope: Scope) -> list[Failure]:
    """The failures that began last first."""
    sort = sort_key("started_at", Kind.FAILURE)
    assert sort is not None
    selection = Selection(
        query=all_of((scope.tree, parse(OPEN))),
        sort=sort,
        limit=_MOST_FAILURES + 1,
    )
    return visit.store.failures.select(visit.organisation, selection)


def _failures(visit: Visit, failures: list[Failure]) -> Iterator[OpenFailure]:
    for failure in failures:
        linked = linked_to(visit, failure)
        is_to_link = not linked and visit.may_write(failure.team)
        candidates = candidates_of(visit, failure, linked)[:_MOST_CAUSES] if is_to_link else ()
        yield OpenFailure(
            row_of(failure, visit.now_ns),
            linked,
            tuple(each for each in candidates if visit.may_write(each.row.deployment.team)),
        )


def _newest(visit: Visit, scope: Scope, clause: str, since_ns: int | None, limit: int) -> Newest:
    """The newest that match; those of the last `since_ns` nanoseconds, or of all time."""
    finished = known_field("finished_at")
    conditions = [scope.tree, parse(clause)]
    if since_ns is not None:
        conditions.append(NumberRange(finished, scope.now_ns - since_ns, None))
    selection = Selection(query=all_of(conditions), sort=finished, limit=limit + 1)
    found: list[Deployment] = visit.store.deployments.select(visit.organisation, selection)
    return Newest(tuple(rows_of(visit, found[:limit])), len(found) > limit)
