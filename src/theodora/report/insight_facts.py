"""What insights read from the store besides the metrics."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from theodora.dora.metrics.report import Report
from theodora.events import Deployment
from theodora.events.production import is_production
from theodora.query import Kind, all_of, parse, sort_key
from theodora.report.deployment_sources import sources_of
from theodora.report.figures import MOST_FAILURES, failed_deployments
from theodora.report.insight import OPEN, InsightFacts
from theodora.report.insights import Insights, insights_of
from theodora.report.scope import Scope
from theodora.report.subjects import may_concern
from theodora.storage import Organisation, Selection, Store
from theodora.storage.derivation.undeployed import UndeployedCommits

_MOST_OPEN = 100


def read_insights(
    store: Store, org: Organisation, key: str, scope: Scope
) -> tuple[Report, Insights]:
    """The sentences of now about a period, grouped by `key`, and the report behind them."""
    report = store.metrics.report(org, scope.metrics_query(group_by=(key,)), scope.tree)
    failed = failed_deployments(store, org, scope, MOST_FAILURES)
    sources = sources_of(store.health.received(org), scope.now_ns)
    facts = replace(
        facts_of_period(store, org, scope, failed),
        silent=[source for source in sources if source.is_stale],
        not_derived=store.health.not_derived(org),
    )
    return report, insights_of(report, key, scope, facts)


def facts_of_period(
    store: Store, org: Organisation, scope: Scope, failed: Sequence[Deployment]
) -> InsightFacts:
    """`failed` are the newest failed deployments of the period, at most `MOST_FAILURES`."""
    sort = sort_key("started_at", Kind.FAILURE)
    assert sort is not None
    selection = Selection(
        query=all_of((scope.tree, parse(OPEN))),
        to_ns=scope.period.end_ns - 1,
        sort=sort,
        descending=False,
        limit=_MOST_OPEN + 1,
    )
    found = store.failures.select(org, selection)
    unfixed = [each for each in failed if each.recovery_time_sec is None]
    are_all = len(failed) < MOST_FAILURES
    return InsightFacts(
        open_failures=found[:_MOST_OPEN],
        has_more_open=len(found) > _MOST_OPEN,
        unfixed=unfixed[-1] if unfixed and are_all else None,
        undeployed=undeployed_of(store, org, scope),
        begins_ns=_begins_ns(store, org),
    )


class _ServiceSubject(NamedTuple):
    """A service in an environment, with its team."""

    service: str
    env: str
    team: str


def undeployed_of(store: Store, org: Organisation, scope: Scope) -> Sequence[UndeployedCommits]:
    """What waits for production now, of what the search may be about; nothing in a past period."""
    if scope.period.end_ns < scope.now_ns:
        return ()
    waiting = store.derivations.undeployed(org)
    if not waiting:
        return ()
    production = store.settings.production_envs(org)
    teams = store.settings.teams(org)
    return [
        each
        for each in waiting
        if is_production(each.env, production.of_service(each.service))
        and may_concern(
            scope.tree,
            _ServiceSubject(each.service, each.env, teams.get(each.service, "")),
            production,
            teams,
        )
        is not False
    ]


def _begins_ns(store: Store, org: Organisation) -> int:
    """When the oldest deployment finished; 0 without any."""
    sort = sort_key("finished_at", Kind.DEPLOYMENT)
    assert sort is not None
    oldest = store.deployments.select(org, Selection(sort=sort, descending=False, limit=1))
    return oldest[0].finished_at_ns if oldest else 0
