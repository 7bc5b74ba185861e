"""The lead time of a service, by stage and by commit."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from theodora.dora.metrics.shapes import DistributionWithStages
from theodora.events.values import SECOND_NS
from theodora.report.charts import (
    EDGES_SEC,
    Mark,
    Span,
    lead_time_histogram,
    stage_bar,
)
from theodora.report.scope import Scope
from theodora.report.stages import StageRow, stage_rows, total_sec
from theodora.web.pages.shell.page import Visit

_BAR_HEIGHT = 22
_EDGES_NS = [edge * SECOND_NS for edge in EDGES_SEC]


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
    bar = stage_bar([Span(row.stage, total_sec(row.took)) for row in stages], height=_BAR_HEIGHT)
    return LeadTimeSection(
        bar if stages else Markup(""),
        stages,
        _histogram(counts, lead),
        sum(counts),
    )


def _histogram(counts: Sequence[int], lead: DistributionWithStages) -> Markup:
    marks = [Mark("p50", lead.p50), Mark("p90", lead.p90)] if lead.p50 and lead.p90 else []
    return lead_time_histogram(counts, [""] * len(counts), marks)
