"""Charts of metrics by interval, each with a summary sentence."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from theodora.dora.metrics.report import GroupReport
from theodora.events import Deployment
from theodora.query import all_of, parse
from theodora.report import wording
from theodora.report.cards import FAILED, REWORK, WITH_COMMITS
from theodora.report.charts import (
    Recovery,
    deployments_chart,
    failure_rate_of,
    lead_time_chart,
    rate_chart,
    recovery_chart,
    rework_rate_of,
    slots_of,
)
from theodora.report.links import deployment_path
from theodora.report.scope import Scope
from theodora.storage import Organisation, Store
from theodora.storage.metrics.counts import PeriodCounts

MOST_FAILURES = 300
_DATES = 4


class Figure(NamedTuple):
    """A chart, its name, one sentence, and what its marks mean."""

    title: str
    about: str
    chart: Markup
    legend: tuple[tuple[str, str], ...]
    """The class of a mark, and its word."""


_INTERVAL = (("iv", "95 % interval"), ("avg", "whole period"))


def figures_of(report: GroupReport, scope: Scope, failed: Sequence[Deployment]) -> Iterator[Figure]:
    """`failed` are the deployments of the period that failed."""
    total, series = report.total, report.series
    buckets = [each.bucket for each in series]
    count, lead = total.deployment_frequency.count, total.change_lead_time
    rate, rework = failure_rate_of(total), rework_rate_of(total)
    recovery = total.failed_deployment_recovery_time
    pending = total.change_failure_rate.pending
    yield Figure(
        "Deployments",
        f"{wording.number(count)} in all, {wording.number(rate.hits)} failed"
        + (f", {wording.number(pending)} pending" if pending else ""),
        deployments_chart(series, slots_of(buckets, scope)),
        (("b-ok", "not failed"), ("b-fail", "failed"), ("b-pend", "pending"), ("part", "partial")),
    )
    yield Figure(
        "Change lead time",
        f"median {wording.duration(lead.p50)}, p90 {wording.duration(lead.p90)}, "
        "from commit to running"
        if lead.n
        else "from commit to running",
        lead_time_chart(series, slots_of(buckets, scope, WITH_COMMITS)),
        (("l-1", "p50"), ("l-2", "p90")),
    )
    yield Figure(
        "Failed deployment recovery",
        "one mark a failure, log scale"
        + (f"; median {wording.duration(recovery.p50)}" if recovery.n else "")
        + (f", {wording.number(recovery.unresolved)} open" if recovery.unresolved else ""),
        recovery_chart(
            [_recovery(each, scope) for each in failed], scope.period, recovery.p50, _dates(scope)
        ),
        (("rd", "rollback"), ("rf", "rollforward"), ("un", "open"), ("avg", "median")),
    )
    for title, whole, rates, clause, words, cells in (
        ("Change failure rate", rate, failure_rate_of, FAILED, "failed of evaluated", (3, 1, 2)),
        (
            "Deployment rework rate",
            rework,
            rework_rate_of,
            REWORK,
            "rollbacks, rollforwards, rework",
            (10, 9),
        ),
    ):
        yield Figure(
            title,
            f"{wording.of_all(whole.hits, whole.n)} = {wording.percent(whole.value)}; {words}"
            if whole.n
            else words,
            rate_chart(
                [rates(each.metrics) for each in series],
                slots_of(buckets, scope, clause),
                whole,
                cells,
            ),
            _INTERVAL,
        )


def failed_deployments(
    store: Store, org: Organisation, scope: Scope, limit: int
) -> list[Deployment]:
    """Those of the scope's period that failed, newest first."""
    return store.metrics.in_period(
        org, scope.period, lambda those: newest_failed(those, scope, limit)
    )


def newest_failed(those: PeriodCounts, scope: Scope, limit: int) -> list[Deployment]:
    """The same, for the subject with more events."""
    return those.newest(all_of((scope.tree, parse(FAILED))), limit)


def _recovery(failed: Deployment, scope: Scope) -> Recovery:
    return Recovery(
        failed.finished_at_ns,
        failed.recovery_time_sec,
        failed.remediation.type if failed.remediation else "",
        f"{failed.service} {failed.version or failed.id}",
        scope.href(deployment_path(failed)),
    )


def _dates(scope: Scope) -> list[str]:
    length = scope.period.end_ns - scope.period.start_ns
    return [
        scope.clock.short_day(scope.period.start_ns + length * index // _DATES)
        for index in range(_DATES)
    ]
