"""The metrics of rows, as if they were those of one period."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from theodora.dora import (
    DeploymentRow,
    IncidentRow,
    MetricsQuery,
    Period,
    make_report,
    select_deployments,
    select_incidents,
)
from theodora.dora.metrics.calendar import DAY_NS
from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.report import Report
from theodora.dora.metrics.statistics import SECOND_NS, Distribution, Durations, distributions

_END_NS = 2**62


def pooled(
    deployments: Iterable[DeploymentRow] = (),
    incidents: Iterable[IncidentRow] = (),
    *,
    days: int = 1,
    **how: Any,
) -> Metrics:
    """Of all of them, over so many days."""
    return _report(list(deployments), list(incidents), days, how).overall.total


def pooled_by(
    key: str, deployments: Iterable[DeploymentRow] = (), incidents: Iterable[IncidentRow] = ()
) -> Mapping[str, Metrics]:
    """The same by the values of a key."""
    found = _report(list(deployments), list(incidents), 1, {"group_by": (key,)})
    return {name: group.total for group in found.groups for name in group.group}


def _report(
    deployments: list[DeploymentRow],
    incidents: list[IncidentRow],
    days: int,
    how: Mapping[str, Any],
) -> Report:
    instants_ns = [each.finished_at_ns for each in deployments]
    instants_ns += [each.started_at_ns for each in incidents]
    start_ns = min(instants_ns, default=0)
    query = MetricsQuery(period=Period(start_ns, _END_NS), as_of_ns=start_ns + days * DAY_NS, **how)
    return make_report(query, select_deployments(deployments), select_incidents(incidents))


def durations(seconds: Iterable[float]) -> Durations:
    """Durations as statistics take them."""
    return np.array([round(each * SECOND_NS) for each in seconds], np.int64)


def distribution_of(seconds: Iterable[float]) -> Distribution:
    """Of one set."""
    ordered = np.sort(durations(seconds))
    found = distributions(ordered, np.array([0, len(ordered)]))
    return Distribution(*(figure[0] for figure in found))
