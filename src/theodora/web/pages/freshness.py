"""How fresh the numbers of a page are: a line that stands beneath every search."""

from typing import NamedTuple

from theodora.dora.metrics import Metrics
from theodora.events import Deployment, Failure
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
    org, store = visit.organisation, visit.store
    return Freshness(
        store.deployments.last_received(org),
        store.failures.last_received(org),
        total.change_failure_rate.pending,
        scope.link("/deployments", query=scope.also(PENDING)),
    )
