"""The stages of lead times, each with its share of the time."""

from collections.abc import Iterator
from typing import NamedTuple

from theodora.dora.metrics.shapes import DistributionWithStages
from theodora.dora.metrics.statistics import Distribution
from theodora.report.charts import STAGE_NAMES
from theodora.report.charts.stages import Named


class StageRow(NamedTuple):
    """A stage, and what it took of all commits that went through it."""

    stage: Named
    share: float
    """Of all time that was measured."""
    took: Distribution


def stage_rows(lead: DistributionWithStages) -> Iterator[StageRow]:
    """The stages that any commit went through, in order; shares are of sums, which add up."""
    stages = lead.stages or {}
    whole = sum(map(total_sec, stages.values()))
    for stage, named in STAGE_NAMES.items():
        took = stages.get(stage)
        if took and took.n and whole:
            yield StageRow(named, total_sec(took) / whole, took)


def total_sec(took: Distribution) -> float:
    """The sum of all durations."""
    return (took.mean or 0) * took.n
