"""The line about the freshness of a page's numbers."""

from typing import NamedTuple

from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.table import CHANGE_FAILURE_RATE
from theodora.events import Deployment, Failure
from theodora.report.scope import Scope
from theodora.web.pages.shell.page import Visit

PENDING = "_missing_:change_failure"


class Freshness(NamedTuple):
    """The last received events and pending work."""

    deployment: Deployment | None
    failure: Failure | None
    pending: int
    pending_link: str
    unmarked: int
    """Failures that name a deployment, where none is marked as failed for want of the setting."""


def freshness(visit: Visit, total: Metrics, scope: Scope, service: str | None = None) -> Freshness:
    """The organisation's freshness; only the pending deployments are those of `scope`.

    `unmarked` is of the service, if one is given.
    """
    org, store = visit.organisation, visit.store
    return Freshness(
        store.deployments.last_received(org),
        store.failures.last_received(org),
        total[CHANGE_FAILURE_RATE].pending,
        scope.link("/deployments", query=scope.also(PENDING)),
        _unmarked(visit, service) if not total[CHANGE_FAILURE_RATE].hits else 0,
    )


def _unmarked(visit: Visit, service: str | None) -> int:
    unmarked = visit.attention.unmarked
    return sum(service is None or service in services for services in unmarked)
