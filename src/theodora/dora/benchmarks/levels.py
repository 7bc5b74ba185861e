"""Dated tables of performance levels, and where a measured value stands in them.

A level is a cluster that a survey of one year found; the tables are kept apart by year and
never mixed. Where published ranges leave holes between levels, a value takes the best level
whose worst edge it meets.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from theodora.dora.metrics.metrics import Metrics

MetricName = Literal[
    "change_lead_time",
    "deployment_frequency",
    "failed_deployment_recovery_time",
    "change_failure_rate",
    "deployment_rework_rate",
]

HOUR = 3_600
DAY = 86_400
WEEK = 7 * DAY
MONTH = 30 * DAY

ON_DEMAND_PER_DAY = 2
"""Our reading of "on demand, multiple deployments a day"."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The figures that are compared with tables. None where there is no value."""

    change_lead_time: float | None = None
    """Median, seconds."""
    deployment_frequency: float | None = None
    """Deployments a day."""
    failed_deployment_recovery_time: float | None = None
    """Median, seconds."""
    change_failure_rate: float | None = None
    deployment_rework_rate: float | None = None


def measured(metrics: Metrics) -> Measured:
    """The figures of `metrics` that are compared; without a deployment there is no frequency."""
    frequency = metrics.deployment_frequency
    return Measured(
        change_lead_time=metrics.change_lead_time.p50,
        deployment_frequency=frequency.per_day if frequency.count else None,
        failed_deployment_recovery_time=metrics.failed_deployment_recovery_time.p50,
        change_failure_rate=metrics.change_failure_rate.value,
        deployment_rework_rate=metrics.deployment_rework_rate.value,
    )


class Edge(msgspec.Struct, frozen=True):
    """The worst value that still belongs to a level."""

    level: str
    limit: float
    meets: Literal["below", "at most", "at least"]

    def admits(self, value: float) -> bool:
        match self.meets:
            case "below":
                return value < self.limit
            case "at most":
                return value <= self.limit
            case "at least":
                return value >= self.limit


class LevelTable(msgspec.Struct, frozen=True, kw_only=True):
    """One year's levels: for each metric the edges, best first, and what lies beyond the last."""

    id: str
    year: int
    source: str
    is_primary_source: bool
    shares: Mapping[str, float] = {}
    """Of the teams surveyed, by level."""
    edges: Mapping[MetricName, tuple[Edge, ...]]
    worst: str = "low"

    def level(self, metric: MetricName, value: float | None) -> str | None:
        """The level of `value`; None without a value, or if the table lacks the metric."""
        if value is None or metric not in self.edges:
            return None
        met = (edge.level for edge in self.edges[metric] if edge.admits(value))
        return next(met, self.worst)


def levels_of(table: LevelTable, measured: Measured) -> Mapping[MetricName, str | None]:
    """The level of each metric that `table` has."""
    return {metric: table.level(metric, getattr(measured, metric)) for metric in table.edges}


DORA_2021 = LevelTable(
    id="dora-2021",
    year=2021,
    source="Accelerate State of DevOps Report 2021, pages 9 and 11",
    is_primary_source=True,
    shares={"elite": 0.26, "high": 0.40, "medium": 0.28, "low": 0.07},
    edges={
        "deployment_frequency": (
            Edge("elite", ON_DEMAND_PER_DAY, "at least"),
            Edge("high", DAY / MONTH, "at least"),
            Edge("medium", DAY / (6 * MONTH), "at least"),
        ),
        "change_lead_time": (
            Edge("elite", HOUR, "below"),
            Edge("high", WEEK, "at most"),
            Edge("medium", 6 * MONTH, "at most"),
        ),
        # The report gives high, medium and low one and the same range.
        "change_failure_rate": (
            Edge("elite", 0.15, "at most"),
            Edge("high-to-low", 0.30, "at most"),
        ),
        "failed_deployment_recovery_time": (
            Edge("elite", HOUR, "below"),
            Edge("high", DAY, "below"),
            Edge("medium", WEEK, "at most"),
        ),
    },
)

DORA_2022 = LevelTable(
    id="dora-2022",
    year=2022,
    source="Accelerate State of DevOps Report 2022, as reprinted by the W. W. Norton blog",
    is_primary_source=False,
    edges={
        "deployment_frequency": (
            Edge("high", ON_DEMAND_PER_DAY, "at least"),
            Edge("medium", DAY / MONTH, "at least"),
        ),
        "change_lead_time": (
            Edge("high", WEEK, "at most"),
            Edge("medium", MONTH, "at most"),
        ),
        "change_failure_rate": (
            Edge("high", 0.15, "at most"),
            Edge("medium", 0.30, "at most"),
        ),
        "failed_deployment_recovery_time": (
            Edge("high", DAY, "below"),
            Edge("medium", WEEK, "at most"),
        ),
    },
)

LEVEL_TABLES = (DORA_2022, DORA_2021)
"""Newest first. Years whose thresholds no source confirms are left out."""
