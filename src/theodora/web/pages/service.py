"""One service in one environment: its metrics, its deployments, its failures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from theodora.dora.metrics.groups import name_of, value_named
from theodora.dora.metrics.report import GroupReport, Report
from theodora.dora.metrics.table import CHANGE_LEAD_TIME, DEPLOYMENT_FREQUENCY
from theodora.errors import NotFound
from theodora.events import Deployment
from theodora.events.production import is_production
from theodora.events.values import SECOND_NS
from theodora.query import (
    Exists,
    Query,
    all_of,
    complement,
    to_text,
)
from theodora.query.fields import resolve
from theodora.query.operands import equals
from theodora.report.annotations import ChartAnnotations, annotations_of
from theodora.report.cards import cards_of
from theodora.report.figures import MOST_FAILURES, failed_deployments, figures_of
from theodora.report.goals import goals_for
from theodora.report.insight_needs import undeployed_words
from theodora.report.intervals import interval_values
from theodora.report.links import deployment_path
from theodora.report.metric_words import FAILED
from theodora.report.scope import Scope, service_of, service_path
from theodora.web.pages.parts.freshness import freshness
from theodora.web.pages.parts.latest_deployment import last_deployment
from theodora.web.pages.parts.lead_times import lead_times_of
from theodora.web.pages.parts.timeline import timeline_of
from theodora.web.pages.shell.page import Answer, View, Visit

MOST_ROWS = 6


class Environment(NamedTuple):
    """One of the environments that the service is deployed to."""

    name: str
    deployments: int
    """In the period."""
    link: str
    is_shown: bool


class FailedDeploymentRow(NamedTuple):
    """A failed deployment and its fix."""

    deployment: Deployment
    path: str
    remedy: Deployment | None
    remedy_path: str
    age_sec: float
    """The time since it failed, if it has no fix yet."""


def show_service(visit: Visit) -> Answer:
    """Raises `NotFound` for a service that was never deployed."""
    service = service_of(visit.path)
    own = equals(resolve("service"), service)
    last = last_deployment(visit, (own,))
    if last is None:
        raise NotFound(f'no deployment of a service "{service}" has been received')
    report = _by_environment(visit, own)
    settings = visit.store.settings.effective(visit.organisation, service)
    env = _environment(visit, report, last.deployment, settings.production_envs)
    scope = _narrowed(visit.scope, own, env)
    group = _group(report, env) or _empty(visit, scope)
    failed = failed_deployments(visit.store, visit.organisation, scope, MOST_FAILURES)
    path = service_path(service)
    annotations = _annotations(visit, scope, last.deployment.team)
    goals = _goals(visit, service, last.deployment.team)
    return View(
        {
            "service": service,
            "path": path,
            "env": env,
            "environments": tuple(_environments(visit.scope, path, report, env)),
            "last": last,
            "team_link": _team_link(visit.scope, last.deployment.team),
            "settings": settings,
            "own": {"env": visit.query_parameters.get("env")},
            "looked_at": scope,
            "cards": cards_of(group, group.series, scope),
            "total": group.total,
            "undeployed": _undeployed(visit, service, env),
            "freshness": freshness(visit, group.total, scope, service),
            "compared_days": report.previous_period.days(),
            "timeline": timeline_of(visit, scope),
            "lead_times": lead_times_of(visit, scope, group.total[CHANGE_LEAD_TIME], settings),
            "annotations": annotations,
            "figures": tuple(figures_of(group, scope, failed, annotations.flags, goals)),
            **_failure_values(visit, scope, failed),
            **interval_values(group.series, scope),
        }
    )


def _failure_values(visit: Visit, scope: Scope, failed: Sequence[Deployment]) -> Mapping[str, Any]:
    """The table of failed deployments, and the link to all of them."""
    return {
        "failed": tuple(_failed(visit, scope, failed[:MOST_ROWS])),
        "failed_link": scope.link("/deployments", query=scope.also(FAILED)),
    }


def _goals(visit: Visit, service: str, team: str | None) -> Mapping[str, float]:
    return goals_for(visit.store.goals.all_of(visit.organisation), service, team or "")


def _undeployed(visit: Visit, service: str, env: str) -> str:
    """What is merged but not deployed to the environment; empty if that is nothing."""
    waiting = visit.store.derivations.undeployed(visit.organisation)
    found = (each for each in waiting if each.service == service and each.env == env)
    return next((undeployed_words(each, visit.now_ns) for each in found), "")


def _by_environment(visit: Visit, own: Query) -> Report:
    query = visit.scope.metrics_query(group_by=("env",), stages=True)
    return visit.store.metrics.report(visit.organisation, query, own)


def _annotations(visit: Visit, scope: Scope, team: str | None) -> ChartAnnotations:
    """Those of the service in the environment, and of its team."""
    field = resolve("team")
    of_team = equals(field, team) if team else complement(Exists(field))
    return annotations_of(visit.store, visit.organisation, scope, all_of((scope.tree, of_team)))


def _team_link(scope: Scope, team: str | None) -> str:
    return scope.link("/", query=to_text(equals(resolve("team"), team))) if team else ""


def _environment(
    visit: Visit, report: Report, last: Deployment, production_envs: Sequence[str]
) -> str:
    """The one asked for, else the production environment most deployed to, else any."""
    asked = visit.query_parameters.get("env")
    if asked:
        return asked
    by_count = sorted(
        report.groups,
        key=lambda group: (
            is_production(value_named(group.group[0]), production_envs),
            group.total[DEPLOYMENT_FREQUENCY].count,
        ),
    )
    return by_count[-1].group[0] if by_count else name_of(last.env)


def _environments(scope: Scope, path: str, report: Report, env: str) -> Iterator[Environment]:
    counts = {group.group[0]: group.total[DEPLOYMENT_FREQUENCY].count for group in report.groups}
    for name, count in {**counts, env: counts.get(env, 0)}.items():
        yield Environment(name, count, scope.link(path, env=name), name == env)


def _narrowed(scope: Scope, own: Query, env: str) -> Scope:
    """The page's scope, its search being the service and the environment."""
    field = resolve("env")
    value = value_named(env)
    in_env = complement(Exists(field)) if value is None else equals(field, value)
    return replace(scope, query=to_text(all_of((own, in_env))))


def _group(report: Report, env: str) -> GroupReport | None:
    return next((group for group in report.groups if group.group == (env,)), None)


def _empty(visit: Visit, scope: Scope) -> GroupReport:
    """The report of an environment without an event in either period."""
    query = scope.metrics_query(stages=True)
    return visit.store.metrics.report(visit.organisation, query, scope.tree).overall


def _failed(
    visit: Visit, scope: Scope, failed: Sequence[Deployment]
) -> Iterator[FailedDeploymentRow]:
    for deployment in failed:
        remedy = _remedy(visit, deployment)
        path = deployment_path(remedy) if remedy else ""
        age_sec = (scope.now_ns - deployment.finished_at_ns) / SECOND_NS
        yield FailedDeploymentRow(deployment, deployment_path(deployment), remedy, path, age_sec)


def _remedy(visit: Visit, deployment: Deployment) -> Deployment | None:
    if deployment.remediation is None:
        return None
    try:
        return visit.store.deployments.get(visit.organisation, deployment.remediation.id)
    except NotFound:
        return None
