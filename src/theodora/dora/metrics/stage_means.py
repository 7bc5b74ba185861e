"""Mean lead times, divided into the means of their stages, which add up to them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from theodora.dora.derivation.stages import STAGES, Stage
from theodora.dora.metrics.columns import UNKNOWN_NS
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
    commits = tally.commits
    stages_ns = commits.columns.stages_ns
    assert stages_ns is not None, "stages are loaded where they are asked for"
    spans_ns = np.take(stages_ns, commits.positions, axis=0)
    spans_ns[spans_ns == UNKNOWN_NS] = 0
    counts = commits.total
    sums_ns = np.zeros((len(counts), len(STAGES)))
    # They are in order of their cells. Whole numbers of nanoseconds could be too large to be added.
    has_any, starts = counts > 0, np.cumsum(counts) - counts
    if has_any.any():
        sums_ns[has_any] = np.add.reduceat(spans_ns, starts[has_any], axis=0, dtype=np.float64)
    means = sums_ns / np.maximum(counts, 1)[:, np.newaxis] / SECOND_NS
    return [
        StageMeans(n, {stage: mean for stage, mean in zip(STAGES, those, strict=True) if mean})
        for n, those in zip(counts.tolist(), means.tolist(), strict=True)
    ]
