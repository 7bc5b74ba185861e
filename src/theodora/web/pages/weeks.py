"""Every deployment of a service as a tile, a row a week."""

from collections.abc import Iterator, Sequence
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
MOST_DEPLOYMENTS = 3_000
MANY_DEPLOYMENTS = 1_000
FEWER_WEEKS = 12
"""Of more than many deployments."""
_WEEK_NS = 7 * DAY_NS
_MOST_INCIDENTS = 100


class Weeks(NamedTuple):
    """The drawing, and what of the period is on it."""

    chart: Markup
    shown: int
    """Deployments on it."""
    only: int | None
    """So many of the newest weeks are drawn, where the period is longer than that."""


def weeks_of(visit: Visit, scope: Scope) -> Weeks:
    """`scope` is narrowed to the service and environment."""
    start_ns, end_ns = scope.period.start_ns, scope.period.end_ns
    since_ns = max(start_ns, end_ns - MOST_WEEKS * _WEEK_NS)
    tiles = tuple(_tiles(visit, scope, since_ns))
    if len(tiles) > MANY_DEPLOYMENTS:
        since_ns = max(since_ns, end_ns - _full_weeks(tiles, end_ns) * _WEEK_NS)
        tiles = tuple(tile for tile in tiles if tile.finished_at_ns >= since_ns)
    incidents = tuple(_incidents(visit, scope, since_ns))
    chart = timeline(tiles, scope.clock, since_ns, end_ns, incidents)
    weeks = -(-(end_ns - since_ns) // _WEEK_NS)
    return Weeks(chart, len(tiles), weeks if since_ns > start_ns else None)


def _full_weeks(tiles: Sequence[Tile], end_ns: int) -> int:
    """Of many deployments fewer weeks are drawn: none that holds some which were not read."""
    if len(tiles) < MOST_DEPLOYMENTS:
        return FEWER_WEEKS
    return min(FEWER_WEEKS, max(1, (end_ns - tiles[-1].finished_at_ns) // _WEEK_NS))


def _tiles(visit: Visit, scope: Scope, since_ns: int) -> Iterator[Tile]:
    sort = sort_key("finished_at", Kind.DEPLOYMENT)
    assert sort is not None
    window = NumberRange(sort, since_ns, scope.period.end_ns - 1)
    selection = Selection(query=all_of((scope.tree, window)), sort=sort, limit=MOST_DEPLOYMENTS)
    baseline = _baseline(visit, scope)
    for deployment in visit.store.deployments.select(visit.organisation, selection):
        recovery_sec = deployment.recovery_time_sec
        yield Tile(
            deployment.finished_at_ns,
            _shape(deployment, is_baseline=deployment.id == baseline),
            scope.href(deployment_path(deployment)),
            _words(deployment, scope),
            None if recovery_sec is None else deployment.finished_at_ns + recovery_sec * SECOND_NS,
        )


def _baseline(visit: Visit, scope: Scope) -> str:
    """The id of the first deployment ever, which ships the whole history and has no lead time."""
    sort = sort_key("finished_at", Kind.DEPLOYMENT)
    assert sort is not None
    first = Selection(query=scope.tree, sort=sort, descending=False, limit=1)
    found = visit.store.deployments.select(visit.organisation, first)
    return found[0].id if found else ""


def _shape(deployment: Deployment, *, is_baseline: bool) -> Shape:
    """That it failed goes before its being a remedy: a remedy may fail too."""
    if deployment.change_failure:
        return "failed"
    if deployment.deployment_type != "standard":
        return deployment.deployment_type
    if deployment.change_failure is None:
        return "pending"
    return "baseline" if is_baseline else "ok"


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
