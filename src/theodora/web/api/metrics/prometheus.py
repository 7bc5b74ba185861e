"""The metrics of the last days for Prometheus, one set for each service and environment."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from theodora.dora.metrics.calendar import DAY_NS, Period
from theodora.dora.metrics.report import GroupReport, MetricsQuery
from theodora.errors import Invalid, Problem
from theodora.query import Production
from theodora.web.http.operations import Request
from theodora.web.http.responses import PROMETHEUS, Reply

LABELS = ("service", "env")
DEFAULT_DAYS = 28
MOST_DAYS = 366

_QUANTILES = {"0.5": "p50", "0.75": "p75", "0.9": "p90", "0.95": "p95"}


class Gauge(NamedTuple):
    """One figure of each group: where it stands in `Metrics`, its name and what it says."""

    metric: str
    member: str
    name: str
    help: str


GAUGES = (
    Gauge(
        "deployment_frequency",
        "count",
        "deployments",
        "Deployments finished in the window.",
    ),
    Gauge(
        "deployment_frequency",
        "per_day",
        "deployments_per_day",
        "Deployments a day over the window.",
    ),
    Gauge(
        "change_lead_time",
        "n",
        "lead_time_commits",
        "Commits whose lead time is known.",
    ),
    Gauge(
        "change_failure_rate",
        "value",
        "change_failure_ratio",
        "Failed deployments as a share of those evaluated.",
    ),
    Gauge("change_failure_rate", "failed", "failed_deployments", "Deployments that failed."),
    Gauge(
        "change_failure_rate",
        "evaluated",
        "evaluated_deployments",
        "Deployments with a verdict.",
    ),
    Gauge(
        "change_failure_rate",
        "pending",
        "pending_deployments",
        "Deployments without a verdict yet.",
    ),
    Gauge(
        "failed_deployment_recovery_time",
        "n",
        "recovered_deployments",
        "Failed deployments that another one remedied.",
    ),
    Gauge(
        "failed_deployment_recovery_time",
        "unresolved",
        "unresolved_deployments",
        "Failed deployments that nothing has remedied yet.",
    ),
    Gauge(
        "deployment_rework_rate",
        "value",
        "deployment_rework_ratio",
        "Rework deployments (unplanned fixes) as a share of those evaluated.",
    ),
    Gauge(
        "deployment_rework_rate",
        "rework",
        "rework_deployments",
        "Rework deployments (unplanned fixes).",
    ),
    Gauge("incident_time_to_restore", "n", "restored_incidents", "Incidents that have ended."),
    Gauge("incident_time_to_restore", "open", "open_incidents", "Incidents that have not ended."),
)

SPANS = (
    Gauge(
        "change_lead_time",
        "",
        "change_lead_time_seconds",
        "Time from a commit to the end of its deployment.",
    ),
    Gauge(
        "failed_deployment_recovery_time",
        "",
        "failed_deployment_recovery_time_seconds",
        "Time from a failed deployment to the one that remedied it.",
    ),
    Gauge(
        "incident_time_to_restore",
        "",
        "incident_time_to_restore_seconds",
        "Time from the start of an incident to its end.",
    ),
)
"""Durations, of which quantiles are told."""


def scrape(request: Request) -> Reply:
    """Deployments to production alone; the groups with the most of them if there are many."""
    days = _days(request.query_parameters.multi_items())
    now_ns, org = request.now_ns, request.organisation
    query = MetricsQuery(
        period=Period(now_ns - days * DAY_NS, now_ns), as_of_ns=now_ns, group_by=LABELS
    )
    groups = request.store.metrics.report(org, query, Production()).groups
    ordered = sorted(groups, key=lambda group: -group.total.deployment_frequency.count)
    shown = ordered[: request.prometheus_groups]
    return Reply(200, exposition(shown, len(groups) - len(shown), days), PROMETHEUS)


def exposition(groups: Sequence[GroupReport], left_out: int, days: int) -> bytes:
    """In Prometheus' text format. A figure that has no value has no sample."""
    registry = CollectorRegistry()
    registry.register(_Families(groups, left_out, days))
    return generate_latest(registry)


class _Families(Collector):
    """What one scrape finds."""

    def __init__(self, groups: Sequence[GroupReport], left_out: int, days: int) -> None:
        self._metrics = {group.group: group.total for group in groups}
        self._left_out = left_out
        self._days = days

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield _family("window_seconds", "Length of the window of all others.", self._days * 86_400)
        yield _family("groups_left_out", "Groups that are one too many.", self._left_out)
        for gauge in GAUGES:
            family = _family(gauge.name, gauge.help, labels=LABELS)
            for labels, metrics in self._metrics.items():
                _add(family, labels, getattr(getattr(metrics, gauge.metric), gauge.member))
            yield family
        for gauge in SPANS:
            family = _family(gauge.name, gauge.help, labels=(*LABELS, "quantile"))
            for labels, metrics in self._metrics.items():
                for quantile, member in _QUANTILES.items():
                    spans = getattr(metrics, gauge.metric)
                    _add(family, (*labels, quantile), getattr(spans, member))
            yield family


def _family(
    name: str, help_: str, value: float | None = None, labels: Sequence[str] = ()
) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"theodora_dora_{name}", help_, value, labels or None)


def _add(family: GaugeMetricFamily, labels: Sequence[str], value: float | None) -> None:
    if value is not None:
        family.add_metric(labels, value)


def _days(parameters: Iterable[tuple[str, str]]) -> int:
    """The length of the window that a scrape asks for."""
    given: Mapping[str, str] = dict(parameters)
    for name in given.keys() - {"days"}:
        raise Invalid(Problem('the only parameter is "days"', parameter=name))
    text = given.get("days", str(DEFAULT_DAYS))
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MOST_DAYS):
        detail = f'parameter "days" must be a number from 1 to {MOST_DAYS}'
        raise Invalid(Problem(detail, parameter="days"))
    return int(text)
