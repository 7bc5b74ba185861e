"""How fresh the numbers of a page are: a line that stands beneath every search."""

from typing import NamedTuple

from theodora.dora.metrics import Metrics
from theodora.events import Deployment, Failure
from theodora.query import Kind, sort_key
from theodora.storage import Selection
from theodora.web.pages.frame import Visit
from theodora.web.pages.scope import Scope

PENDING = "_missing_:change_failure"


class Freshness(NamedTuple):
    """What came last, and what is still to come."""

    deployment: Deployment | None
    failure: Failure | None
    pending: int
    pending_link: str


def freshness(visit: Visit, total: Metrics, scope: Scope) -> Freshness:
    """Of the whole organisation, but for what is pending: that is of `scope`."""
    last = {kind: sort_key("created_at", kind) for kind in Kind}
    by_deployment, by_failure = last[Kind.DEPLOYMENT], last[Kind.FAILURE]
    assert by_deployment is not None
    assert by_failure is not None
    org, store = visit.organisation, visit.store
    deployments = store.deployments.select(org, Selection(sort=by_deployment, limit=1))
    failures = store.failures.select(org, Selection(sort=by_failure, limit=1))
    return Freshness(
        deployments[0] if deployments else None,
        failures[0] if failures else None,
        total.change_failure_rate.pending,
        scope.link("/deployments", query=scope.also(PENDING)),
    )
