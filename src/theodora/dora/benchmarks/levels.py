"""Dated tables of performance levels, and the level of a measured value.

A level is a cluster that a survey of one year found; the tables are kept apart by year and
never mixed. Where published ranges leave holes between levels, a value takes the best level
whose worst edge it meets.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.table import (
    CHANGE_FAILURE_RATE,
    CHANGE_LEAD_TIME,
    DEPLOYMENT_FREQUENCY,
    DORA_METRICS,
    FAILED_DEPLOYMENT_RECOVERY_TIME,
)

HOUR = 3_600
DAY = 86_400
WEEK = 7 * DAY
MONTH = 30 * DAY

ON_DEMAND_PER_DAY = 2
"""Our reading of "on demand, multiple deployments a day"."""


Measured = Mapping[str, float | None]
"""The headlines that are compared with tables, by metric. None where there is no value."""


def headlines_of(metrics: Metrics) -> Measured:
    """The headlines of DORA's metrics."""
    return {each.name: metrics[each].headline for each in DORA_METRICS}


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
    edges: Mapping[str, tuple[Edge, ...]]
    """By metric."""
    worst: str = "low"

    def level(self, metric: str, value: float | None) -> str | None:
        """The level of `value`; None without a value, or if the table lacks the metric."""
        if value is None or metric not in self.edges:
            return None
        met = (edge.level for edge in self.edges[metric] if edge.admits(value))
        return next(met, self.worst)


def levels_of(table: LevelTable, measured: Measured) -> Mapping[str, str | None]:
    """The level of each metric that `table` has."""
    return {metric: table.level(metric, measured.get(metric)) for metric in table.edges}


DORA_2021 = LevelTable(
    id="dora-2021",
    year=2021,
    source="Accelerate State of DevOps Report 2021, pages 9 and 11",
    is_primary_source=True,
    shares={"elite": 0.26, "high": 0.40, "medium": 0.28, "low": 0.07},
    edges={
        DEPLOYMENT_FREQUENCY.name: (
            Edge("elite", ON_DEMAND_PER_DAY, "at least"),
            Edge("high", DAY / MONTH, "at least"),
            Edge("medium", DAY / (6 * MONTH), "at least"),
        ),
        CHANGE_LEAD_TIME.name: (
            Edge("elite", HOUR, "below"),
            Edge("high", WEEK, "at most"),
            Edge("medium", 6 * MONTH, "at most"),
        ),
        # The report gives high, medium and low one and the same range.
        CHANGE_FAILURE_RATE.name: (
            Edge("elite", 0.15, "at most"),
            Edge("high-to-low", 0.30, "at most"),
        ),
        FAILED_DEPLOYMENT_RECOVERY_TIME.name: (
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
        DEPLOYMENT_FREQUENCY.name: (
            Edge("high", ON_DEMAND_PER_DAY, "at least"),
            Edge("medium", DAY / MONTH, "at least"),
        ),
        CHANGE_LEAD_TIME.name: (
            Edge("high", WEEK, "at most"),
            Edge("medium", MONTH, "at most"),
        ),
        CHANGE_FAILURE_RATE.name: (
            Edge("high", 0.15, "at most"),
            Edge("medium", 0.30, "at most"),
        ),
        FAILED_DEPLOYMENT_RECOVERY_TIME.name: (
            Edge("high", DAY, "below"),
            Edge("medium", WEEK, "at most"),
        ),
    },
)

LEVEL_TABLES = (DORA_2022, DORA_2021)
"""Newest first. Years whose thresholds no source confirms are left out."""
