"""The timeline of a service's deployments, in rows of weeks, or of months where they are few."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from theodora.dora.metrics.calendar import Period
from theodora.events import Deployment, Failure
from theodora.events.values import DAY_NS, SECOND_NS
from theodora.query import Kind, all_of, any_of, parse, sort_key
from theodora.report import wording
from theodora.report.charts import Incident, Tile, months_between, timeline, weeks_between
from theodora.report.charts.timeline import MOST_TILES, Shape
from theodora.report.links import UNMEASURED, VERDICTS, deployment_path
from theodora.report.metric_words import FAILED
from theodora.report.scope import Scope
from theodora.storage import Selection
from theodora.storage.metrics.counts import DeploymentSummary, PeriodCounts
from theodora.web.pages.parts.freshness import PENDING
from theodora.web.pages.shell.page import Visit

MOST_WEEKS = 26
MOST_DEPLOYMENTS = 3_000
MANY_DEPLOYMENTS = 1_000
FEWER_WEEKS = 12
"""Of more than many deployments."""
_WEEK_NS = 7 * DAY_NS
_MOST_INCIDENTS = 100
_REMARKABLE = any_of((parse(FAILED), parse(PENDING)))


class Timeline(NamedTuple):
    """The drawing, and what of the period is on it."""

    chart: Markup
    """Empty where nothing happened."""
    shown: int
    """Deployments on it."""
    unit: str
    """`week` or `month`: what a row or a column is."""
    only: int | None
    """So many of the newest weeks are drawn, where the period is longer than that."""


def timeline_of(visit: Visit, scope: Scope) -> Timeline:
    """`scope` is narrowed to the service and environment."""
    start_ns, end_ns = scope.period.start_ns, scope.period.end_ns
    tiles, since_ns = visit.store.metrics.in_period(
        visit.organisation, scope.period, lambda those: _look(those, scope)
    )
    incidents = tuple(_incidents(visit, scope, since_ns))
    if not tiles and not incidents:
        return Timeline(Markup(""), 0, "week", None)
    is_quiet = _is_quiet(len(tiles), scope.period)
    rows = (months_between if is_quiet else weeks_between)(scope.clock, since_ns, end_ns)
    weeks = -(-(end_ns - since_ns) // _WEEK_NS)
    return Timeline(
        timeline(tiles, rows, end_ns, incidents),
        len(tiles),
        "month" if is_quiet else "week",
        weeks if since_ns > start_ns else None,
    )


def _is_quiet(deployments: int, period: Period) -> bool:
    """Whether there is less than one a week, so that most rows of weeks would be empty."""
    return deployments * _WEEK_NS < period.end_ns - period.start_ns


def _look(those: PeriodCounts, scope: Scope) -> tuple[list[Tile], int]:
    """The tiles, newest first, and the start of the drawing."""
    period = scope.period
    every = those.summaries(scope.tree, MOST_DEPLOYMENTS)
    if _is_quiet(len(every), period):
        return _tiles(those, every, scope), period.start_ns
    weeks = MOST_WEEKS
    if len(every) > MANY_DEPLOYMENTS:
        weeks = _full_weeks(every, period.end_ns)
    since_ns = max(period.start_ns, period.end_ns - weeks * _WEEK_NS)
    return _tiles(
        those, [each for each in every if each.finished_at_ns >= since_ns], scope
    ), since_ns


def _full_weeks(every: Sequence[DeploymentSummary], end_ns: int) -> int:
    """The number of weeks to draw of many deployments: only those that were read completely."""
    if len(every) < MOST_DEPLOYMENTS:
        return FEWER_WEEKS
    return min(FEWER_WEEKS, max(1, (end_ns - every[-1].finished_at_ns) // _WEEK_NS))


def _tiles(those: PeriodCounts, every: Sequence[DeploymentSummary], scope: Scope) -> list[Tile]:
    """The tiles; with many, only failed or pending ones have titles, unless they too are many."""
    if len(every) <= MOST_TILES:
        return [_tile_of_deployment(each, scope) for each in those.newest(scope.tree, len(every))]
    tiles = [_tile(each) for each in every]
    if sum(tile.shape != "ok" for tile in tiles) > MOST_TILES:
        return tiles
    plain = [tile for tile in tiles if tile.shape not in {"failed", "pending"}]
    remarkable = all_of((scope.tree, _REMARKABLE))
    marked = those.newest(remarkable, len(tiles) - len(plain))
    return sorted(
        [*plain, *(_tile_of_deployment(each, scope) for each in marked)],
        key=lambda tile: -tile.finished_at_ns,
    )


def _tile_of_deployment(deployment: Deployment, scope: Scope) -> Tile:
    recovery_sec = deployment.recovery_time_sec
    return Tile(
        deployment.finished_at_ns,
        _shape(deployment),
        scope.href(deployment_path(deployment)),
        _words(deployment, scope),
        None if recovery_sec is None else deployment.finished_at_ns + recovery_sec * SECOND_NS,
    )


def _tile(glimpse: DeploymentSummary) -> Tile:
    finished_at_ns, recovery_ns = glimpse.finished_at_ns, glimpse.recovery_ns
    remedied_at_ns = None if recovery_ns is None else finished_at_ns + recovery_ns
    return Tile(finished_at_ns, _shape(glimpse), "", "", remedied_at_ns)


def _shape(deployment: Deployment | DeploymentSummary) -> Shape:
    """That it failed goes before its being a remedy: a remedy may fail too."""
    if deployment.change_failure:
        return "failed"
    if deployment.deployment_type != "standard":
        return deployment.deployment_type
    if deployment.change_failure is None:
        return "pending"
    return "baseline" if deployment.lead_time_status else "ok"


def _words(deployment: Deployment, scope: Scope) -> str:
    _, verdict = VERDICTS[deployment.change_failure]
    name = wording.plain(deployment.version or deployment.id)
    status = deployment.lead_time_status
    flag = f", {UNMEASURED[status].lower()}" if status else ""
    return f"{name}, {scope.clock.moment(deployment.finished_at_ns)}: {verdict}{flag}"


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
