"""The lead time of a service, by stage and by commit."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from theodora.dora.metrics.shapes import DistributionWithStages
from theodora.dora.metrics.statistics import Distribution
from theodora.events.values import SECOND_NS
from theodora.report.charts import (
    EDGES_SEC,
    STAGE_NAMES,
    Mark,
    Span,
    lead_time_histogram,
    stage_bar,
)
from theodora.report.charts.stages import Named
from theodora.report.scope import Scope
from theodora.web.pages.shell.page import Visit

_BAR_HEIGHT = 22
_EDGES_NS = [edge * SECOND_NS for edge in EDGES_SEC]


class StageRow(NamedTuple):
    """A stage, and what it took of all commits that went through it."""

    stage: Named
    share: float
    """Of all time that was measured."""
    took: Distribution


class LeadTimeSection(NamedTuple):
    """Both drawings, and the numbers of the first."""

    bar: Markup
    stages: tuple[StageRow, ...]
    histogram: Markup
    commits: int


def lead_times_of(visit: Visit, scope: Scope, lead: DistributionWithStages) -> LeadTimeSection:
    """`scope` is narrowed to the service and environment."""
    counts = visit.store.metrics.in_period(
        visit.organisation, scope.period, lambda those: those.commits(scope.tree, _EDGES_NS)
    )
    stages = tuple(stage_rows(lead))
    bar = stage_bar([Span(row.stage, _total_sec(row.took)) for row in stages], height=_BAR_HEIGHT)
    return LeadTimeSection(
        bar if stages else Markup(""),
        stages,
        _histogram(counts, lead),
        sum(counts),
    )


def stage_rows(lead: DistributionWithStages) -> Iterator[StageRow]:
    """The stages that any commit went through, in order; shares are of sums, which add up."""
    stages = lead.stages or {}
    whole = sum(map(_total_sec, stages.values()))
    for stage, named in STAGE_NAMES.items():
        took = stages.get(stage)
        if took and took.n and whole:
            yield StageRow(named, _total_sec(took) / whole, took)


def _total_sec(took: Distribution) -> float:
    return (took.mean or 0) * took.n


def _histogram(counts: Sequence[int], lead: DistributionWithStages) -> Markup:
    marks = [Mark("p50", lead.p50), Mark("p90", lead.p90)] if lead.p50 and lead.p90 else []
    return lead_time_histogram(counts, [""] * len(counts), marks)
