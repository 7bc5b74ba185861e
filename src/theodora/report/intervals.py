"""A table of metrics by interval, with the numbers of the charts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from theodora.dora.metrics.calendar import Interval
from theodora.dora.metrics.report import BucketMetrics
from theodora.report import wording
from theodora.report.scope import Scope
from theodora.report.wording import DASH

ADVERBS: Mapping[Interval, str] = {
    "day": "Day by day",
    "week": "Week by week",
    "month": "Month by month",
    "quarter": "Quarter by quarter",
    "total": "In all",
}

COLUMNS = (
    "Deployments",
    "Failed",
    "Evaluated",
    "Failure rate",
    "Lead p50",
    "Lead p90",
    "Commits",
    "Recovery p50",
    "Remedied",
    "Rework",
    "Rework rate",
)


class IntervalRow(NamedTuple):
    """One interval, in the order of `COLUMNS`."""

    name: str
    link: str
    cells: tuple[str, ...]


def interval_rows(series: Sequence[BucketMetrics], scope: Scope) -> Iterator[IntervalRow]:
    for each in series:
        metrics = each.metrics
        rate, rework = metrics.change_failure_rate, metrics.deployment_rework_rate
        lead, recovery = metrics.change_lead_time, metrics.failed_deployment_recovery_time
        yield IntervalRow(
            scope.clock.bucket(each.bucket, scope.interval),
            scope.link("/deployments", query=scope.query, **scope.within(each.bucket.covered)),
            (
                wording.number(metrics.deployment_frequency.count),
                wording.number(rate.failed),
                wording.number(rate.evaluated),
                wording.percent(rate.value, DASH),
                wording.duration(lead.p50, DASH),
                wording.duration(lead.p90, DASH),
                wording.number(lead.n),
                wording.duration(recovery.p50, DASH),
                wording.number(recovery.n),
                wording.number(rework.rework),
                wording.percent(rework.value, DASH),
            ),
        )
