"""Deployments that may have caused a failure, by time alone: suggestions, which mark nothing."""

from collections.abc import Sequence

from theodora.events import Deployment, Failure
from theodora.events.values import DAY_NS
from theodora.query import NumberRange, Query, all_of, any_of
from theodora.query.operands import equals
from theodora.storage import Organisation, Selection, Store
from theodora.web.pages.parts.clauses import known_field

CAUSE_DAYS = 7
MOST_CAUSES = 20


def of_its_services(failure: Failure) -> Query:
    """Events of the services of a failure."""
    return any_of([equals(known_field("service"), service) for service in failure.services])


def possible_causes(store: Store, org: Organisation, failure: Failure) -> Sequence[Deployment]:
    """The deployments of its services and environment that began in the days before it did.

    The one that began last is first.
    """
    if not failure.services:
        return []
    clock, began_ns = known_field("started_at"), failure.started_at_ns
    conditions: list[Query] = [
        of_its_services(failure),
        NumberRange(clock, began_ns - CAUSE_DAYS * DAY_NS, began_ns),
    ]
    if failure.env:
        conditions.append(equals(known_field("env"), failure.env))
    selection = Selection(query=all_of(conditions), sort=clock, limit=MOST_CAUSES)
    return store.deployments.select(org, selection)
