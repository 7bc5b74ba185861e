"""The lead time of a service, by stage and by commit."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from theodora.dora.derivation.settings import ServiceSettings
from theodora.dora.metrics.shapes import DistributionWithStages
from theodora.events.values import SECOND_NS, UnmeasuredStatus
from theodora.query import Field
from theodora.query.fields import Scalar
from theodora.query.operands import equals
from theodora.report.charts import (
    EDGES_SEC,
    Mark,
    Span,
    lead_time_histogram,
    stage_bar,
)
from theodora.report.scope import Scope
from theodora.report.stages import StageRow, stage_rows, total_sec
from theodora.storage.metrics.counts import PeriodCounts, ValueCounts
from theodora.web.pages.parts.clauses import known_field
from theodora.web.pages.shell.page import Visit

_BAR_HEIGHT = 22
_EDGES_NS = [edge * SECOND_NS for edge in EDGES_SEC]


_LEFT_OUT: Mapping[UnmeasuredStatus, tuple[str, str]] = {
    "gap": (
        "deployment came more than {gap} days after the one before",
        "deployments came more than {gap} days after the ones before",
    ),
    "baseline": (
        "deployment is the first known of its repository",
        "deployments are the first known of their repositories",
    ),
    "shallow": (
        "deployment has commits of a shallow clone",
        "deployments have commits of shallow clones",
    ),
}
"""Why a deployment has no lead times: one, and several."""


class UnmeasuredDeployments(NamedTuple):
    """Deployments without lead times for one reason."""

    deployments: int
    words: str
    link: str


class LeadTimeSection(NamedTuple):
    """Both drawings, and the numbers of the first."""

    bar: Markup
    stages: tuple[StageRow, ...]
    histogram: Markup
    commits: int
    left_out: tuple[UnmeasuredDeployments, ...]


def lead_times_of(
    visit: Visit, scope: Scope, lead: DistributionWithStages, settings: ServiceSettings
) -> LeadTimeSection:
    """`scope` is narrowed to the service and environment, whose settings those are."""
    status = known_field("lead_time_status")

    def look(those: PeriodCounts) -> tuple[list[int], ValueCounts]:
        statuses = those.values(scope.tree, status, len(_LEFT_OUT) + 1)
        return those.commits(scope.tree, _EDGES_NS), statuses

    counts, statuses = visit.store.metrics.in_period(visit.organisation, scope.period, look)
    stages = tuple(stage_rows(lead))
    bar = stage_bar([Span(row.stage, total_sec(row.took)) for row in stages], height=_BAR_HEIGHT)
    return LeadTimeSection(
        bar if stages else Markup(""),
        stages,
        _histogram(counts, lead),
        sum(counts),
        tuple(_left_out(scope, dict(statuses), status, settings.lead_time_gap_days)),
    )


def _left_out(
    scope: Scope, found: Mapping[Scalar | None, int], status: Field, gap_days: int
) -> Iterator[UnmeasuredDeployments]:
    for value, (one, several) in _LEFT_OUT.items():
        if count := found.get(value, 0):
            words = (one if count == 1 else several).format(gap=gap_days)
            link = scope.link("/deployments", query=scope.also(equals(status, value)))
            yield UnmeasuredDeployments(count, words, link)


def _histogram(counts: Sequence[int], lead: DistributionWithStages) -> Markup:
    marks = [Mark("p50", lead.p50), Mark("p90", lead.p90)] if lead.p50 and lead.p90 else []
    return lead_time_histogram(counts, marks)
