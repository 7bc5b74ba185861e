"""Mean lead times, divided into the means of their stages, which add up to them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from theodora.dora.derivation.stages import STAGES, Stage
from theodora.dora.metrics.tally import Tally
from theodora.events.values import SECOND_NS


class StageMeans(NamedTuple):
    """Where the lead time of some commits went."""

    n: int
    """Commits whose lead time is known."""
    seconds: Mapping[Stage, float]
    """Of each stage that any of them went through, over all of them: who skipped it took 0."""

    @property
    def whole_sec(self) -> float:
        return sum(self.seconds.values())


def stage_means(tally: Tally) -> Sequence[StageMeans]:
    """By cell, at either granularity. Percentiles of stages would not add up; means do."""
    columns, positions = tally.deployments.columns, tally.deployments.positions
    commits = columns.commit_offsets[positions + 1] - columns.commit_offsets[positions]
    deployments = tally.deployments.total
    counts = np.zeros(len(deployments), np.int64)
    sums_ns = np.zeros((len(deployments), len(STAGES)))
    # Deployments are in order of their cells.
    has_any, starts = deployments > 0, np.cumsum(deployments) - deployments
    if has_any.any():
        counts[has_any] = np.add.reduceat(commits, starts[has_any])
        sums = np.take(columns.stage_sums_ns, positions, axis=0)
        sums_ns[has_any] = np.add.reduceat(sums, starts[has_any], axis=0)
    means = sums_ns / np.maximum(counts, 1)[:, np.newaxis] / SECOND_NS
    return [
        StageMeans(n, {stage: mean for stage, mean in zip(STAGES, those, strict=True) if mean})
        for n, those in zip(counts.tolist(), means.tolist(), strict=True)
    ]
