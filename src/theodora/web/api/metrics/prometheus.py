"""The metrics of the last days for Prometheus, one set for each team, service and environment."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from theodora.dora.metrics.calendar import Period
from theodora.dora.metrics.report import GroupReport, MetricsQuery
from theodora.dora.metrics.table import DEPLOYMENT_FREQUENCY, METRICS, Metric
from theodora.errors import Invalid, Problem
from theodora.events.values import DAY_NS, SECOND_NS
from theodora.query import Production
from theodora.report.deployment_sources import DeploymentSource, sources_of
from theodora.web.http.exposition import VARY, expose
from theodora.web.http.operations import Request
from theodora.web.http.responses import Reply

LABELS = ("team", "service", "env")
DEFAULT_DAYS = 28
MOST_DAYS = 366


class ScrapeParameters(Struct, frozen=True):
    """The parameter of a scrape."""

    days: Annotated[
        int, Meta(description="Length of the window up to now.", ge=1, le=MOST_DAYS)
    ] = DEFAULT_DAYS


_PREFIX = "theodora_dora_"
_QUANTILES = {"0.5": "p50", "0.75": "p75", "0.9": "p90", "0.95": "p95"}


def scrape(request: Request) -> Reply:
    """Deployments to production alone; the groups with the most of them if there are many."""
    days = _days(request.query_parameters.multi_items())
    now_ns, org = request.now_ns, request.organisation
    query = MetricsQuery(
        period=Period(now_ns - days * DAY_NS, now_ns), as_of_ns=now_ns, group_by=LABELS
    )
    groups = request.store.metrics.report(org, query, Production()).groups
    ordered = sorted(groups, key=lambda group: -group.total[DEPLOYMENT_FREQUENCY].count)
    shown = ordered[: request.prometheus_groups]
    sources = sources_of(request.store.health.received(org), now_ns)
    registry = CollectorRegistry()
    registry.register(_Families(shown, len(groups) - len(shown), days))
    registry.register(_Sources(sources))
    body, media_type = expose(registry, request.headers.get("accept", ""))
    return Reply(200, body, media_type, VARY)


class _Families(Collector):
    """The results of one scrape. A figure without a value has no sample."""

    def __init__(self, groups: Sequence[GroupReport], left_out: int, days: int) -> None:
        self._metrics = {group.group: group.total for group in groups}
        self._left_out = left_out
        self._days = days

    def collect(self) -> Iterator[Family]:
        yield _family("window_seconds", "Length of the window of all others.", self._days * 86_400)
        yield _family("groups_left_out", "Groups omitted because of the limit.", self._left_out)
        for metric in METRICS:
            yield from self._gauges(metric)
        for metric in METRICS:
            if metric.shape.unit == "seconds":
                yield self._quantiles(metric)

    def _gauges(self, metric: Metric[Any]) -> Iterator[GaugeMetricFamily]:
        found = [(labels, metrics[metric]) for labels, metrics in self._metrics.items()]
        for figure, name in metric.gauges.items():
            family = _family(name, metric.about_figure(figure), labels=LABELS)
            member = metric.member(figure)
            for labels, figures in found:
                _add(family, labels, getattr(figures, member))
            yield family

    def _quantiles(self, metric: Metric[Any]) -> Family:
        """A summary without a sum and a count, which would have to be counters."""
        family = Family(f"{_PREFIX}{metric.quantiles}", metric.about, "summary")
        for group, metrics in self._metrics.items():
            figures = metrics[metric]
            labels = dict(zip(LABELS, group, strict=True))
            for quantile, member in _QUANTILES.items():
                value: float | None = getattr(figures, member)
                if value is not None:
                    family.add_sample(family.name, {**labels, "quantile": quantile}, value)
        return family


class _Sources(Collector):
    """When the sources of deployments sent something last."""

    def __init__(self, sources: Sequence[DeploymentSource]) -> None:
        self._sources = sources

    def collect(self) -> Iterator[GaugeMetricFamily]:
        received = _family(
            "source_last_received_timestamp_seconds",
            "When the source sent its last deployment.",
            labels=("source",),
        )
        silent = _family(
            "source_silent",
            "1 if the source has been silent for much longer than usual.",
            labels=("source",),
        )
        for source in self._sources:
            received.add_metric((source.name,), source.last_ns / SECOND_NS)
            silent.add_metric((source.name,), source.is_stale)
        yield received
        yield silent


def _family(
    name: str, help_: str, value: float | None = None, labels: Sequence[str] = ()
) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}{name}", help_, value, labels or None)


def _add(family: GaugeMetricFamily, labels: Sequence[str], value: float | None) -> None:
    if value is not None:
        family.add_metric(labels, value)


def _days(parameters: Iterable[tuple[str, str]]) -> int:
    """The length of the window of a scrape."""
    given: Mapping[str, str] = dict(parameters)
    for name in given.keys() - {"days"}:
        raise Invalid(Problem('the only parameter is "days"', parameter=name))
    text = given.get("days", str(DEFAULT_DAYS))
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MOST_DAYS):
        detail = f'parameter "days" must be a number from 1 to {MOST_DAYS}'
        raise Invalid(Problem(detail, parameter="days"))
    return int(text)
