"""Every deployment of a service as a tile, a row a week."""

from collections.abc import Iterator
from typing import NamedTuple

from markupsafe import Markup

from theodora.dora.buckets import DAY_NS
from theodora.events import Deployment, Failure
from theodora.events.values import SECOND_NS
from theodora.query import Kind, NumberRange, all_of, sort_key
from theodora.storage import Selection
from theodora.web.pages import wording
from theodora.web.pages.charts import Incident, Tile, timeline
from theodora.web.pages.charts.timeline import Shape
from theodora.web.pages.frame import Visit
from theodora.web.pages.last import VERDICTS, deployment_path
from theodora.web.pages.scope import Scope

MOST_WEEKS = 26
MOST_DEPLOYMENTS = 5_000
_MOST_INCIDENTS = 100


class Weeks(NamedTuple):
    """The drawing, and what of the period is on it."""

    chart: Markup
    shown: int
    """Deployments on it."""
    is_cut: bool
    """Whether the period is longer than what is drawn: the newest weeks are."""


def weeks_of(visit: Visit, scope: Scope) -> Weeks:
    """`scope` is narrowed to the service and environment."""
    since_ns = max(scope.period.start_ns, scope.period.end_ns - MOST_WEEKS * 7 * DAY_NS)
    tiles = tuple(_tiles(visit, scope, since_ns))
    incidents = tuple(_incidents(visit, scope, since_ns))
    chart = timeline(tiles, scope.clock, since_ns, scope.period.end_ns, incidents)
    return Weeks(chart, len(tiles), since_ns > scope.period.start_ns)


def _tiles(visit: Visit, scope: Scope, since_ns: int) -> Iterator[Tile]:
    sort = sort_key("finished_at", Kind.DEPLOYMENT)
    assert sort is not None
    window = NumberRange(sort, since_ns, scope.period.end_ns - 1)
    selection = Selection(query=all_of((scope.tree, window)), sort=sort, limit=MOST_DEPLOYMENTS)
    for deployment in visit.store.deployments.select(visit.organisation, selection):
        recovery_sec = deployment.recovery_time_sec
        yield Tile(
            deployment.finished_at_ns,
            _shape(deployment),
            scope.href(deployment_path(deployment)),
            _words(deployment, scope),
            None if recovery_sec is None else deployment.finished_at_ns + recovery_sec * SECOND_NS,
        )


def _shape(deployment: Deployment) -> Shape:
    """That it failed goes before its being a remedy: a remedy may fail too."""
    if deployment.change_failure:
        return "failed"
    if deployment.deployment_type != "standard":
        return deployment.deployment_type
    return "pending" if deployment.change_failure is None else "ok"


def _words(deployment: Deployment, scope: Scope) -> str:
    _, verdict = VERDICTS[deployment.change_failure]
    name = wording.plain(deployment.version or deployment.id)
    return f"{name}, {scope.clock.moment(deployment.finished_at_ns)}: {verdict}"


def _incidents(visit: Visit, scope: Scope, since_ns: int) -> Iterator[Incident]:
    sort = sort_key("started_at", Kind.FAILURE)
    assert sort is not None
    selection = Selection(
        query=scope.tree,
        from_ns=since_ns,
        to_ns=scope.period.end_ns,
        sort=sort,
        limit=_MOST_INCIDENTS,
    )
    for failure in visit.store.failures.select(visit.organisation, selection):
        yield Incident(failure.started_at_ns, failure.finished_at_ns, _incident(failure, scope))


def _incident(failure: Failure, scope: Scope) -> str:
    name = wording.plain(failure.name or "Incident")
    return f"{name}, {scope.clock.moment(failure.started_at_ns)}"
