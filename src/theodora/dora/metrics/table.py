"""The table of metrics: everything that is known of each, in one row.

The answers of the API and their schemas, CSV files, `/metrics/dora`, pages, reports, the command
line and help are made from it. A new metric is a row and the function that counts it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeAlias, cast

import msgspec
import numpy as np

from theodora.dora.derivation.stages import STAGES
from theodora.dora.metrics.columns import FAILED, PENDING, UNKNOWN_NS, Ints
from theodora.dora.metrics.durations import Cells
from theodora.dora.metrics.shapes import (
    DAYS_PER_MONTH,
    DAYS_PER_WEEK,
    DISTRIBUTION_WITH_OPEN,
    DISTRIBUTION_WITH_STAGES,
    FREQUENCY,
    RATE,
    RATE_WITH_PENDING,
    F,
    Shape,
)
from theodora.dora.metrics.statistics import Distribution, none_where, wilson_intervals
from theodora.dora.metrics.tally import Tally

Family = Literal["throughput", "instability"]
"""The two that DORA sorts its five metrics into."""

Column: TypeAlias = Sequence[Any]
"""One figure of every cell."""


class Counted(NamedTuple):
    """A metric of every cell."""

    columns: Sequence[Column]
    """In the order of its figures; the last ones may be left out if they have defaults."""
    durations: Cells | None = None
    """What a distribution is of."""
    independent: Callable[[], Cells] | None = None
    """Durations that chance draws one by one, if those are others."""


class Figure(NamedTuple):
    """A member of a metric's JSON, with its description."""

    name: str
    about: str = ""
    """Empty for the headline, which the metric's own definition describes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metric(Generic[F]):
    """One metric."""

    name: str
    """In JSON, CSV and addresses."""
    title: str
    short: str
    """The title of a column."""
    about: str
    """Its definition, in a sentence."""
    counted_by: str
    """The instant of an event that puts it into a period."""
    noun: str
    """What is counted, or has durations."""
    better: Literal["up", "down"]
    family: Family | None = None
    """None for a metric that is not one of DORA's five: it has no score, and pages show it less."""
    shape: Shape[F]
    figures: tuple[Figure, ...]
    """In the order of the shape's members."""
    gauges: Mapping[str, str]
    """The names of figures in Prometheus, after `theodora_dora_`; durations also have quantiles."""
    columns: Mapping[str, str]
    """The titles of figures in tables with several metrics."""
    brief: tuple[str, ...]
    """The figures that are shown interval by interval."""
    count: Callable[[Tally], Counted]
    struct: type[F] = field(init=False)
    """The shape, with the names that its members have in JSON."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "struct", self._named())

    @property
    def full_title(self) -> str:
        """`Failed deployment recovery time`: the name in words."""
        return self.name.replace("_", " ").capitalize()

    @property
    def quantiles(self) -> str:
        """The name in Prometheus of the percentiles of a metric that has some."""
        return f"{self.name}_seconds"

    @property
    def key(self) -> str:
        """`lead_time`: the short title in addresses."""
        return self.short.lower().replace(" ", "_")

    def member(self, figure: str) -> str:
        """The name of a figure in the shape."""
        position = [each.name for each in self.figures].index(figure)
        return self.shape.struct.__struct_fields__[position]

    def read(self, figures: F, figure: str) -> Any:
        return getattr(figures, self.member(figure))

    def about_figure(self, name: str) -> str:
        return next(each.about for each in self.figures if each.name == name) or self.about

    def _named(self) -> type[F]:
        members = msgspec.structs.fields(self.shape.struct)
        named = list(zip(members, self.figures, strict=True))
        struct = msgspec.defstruct(
            self.name.title().replace("_", ""),
            [
                (
                    member.name,
                    Annotated[member.type, msgspec.Meta(description=figure.about or self.about)],
                    member.default,
                )
                for member, figure in named
            ],
            bases=(self.shape.struct,),
            rename={member.name: figure.name for member, figure in named},
            frozen=True,
            gc=False,
            module=__name__,
            namespace={"__doc__": self.about},
        )
        return cast("type[F]", struct)


def _deployments(tally: Tally) -> Counted:
    """Rates by exact division: nothing is rounded before it is used."""
    placed, days = tally.deployments, tally.days
    is_to_come = days <= 0
    per_day = placed.total / np.where(is_to_come, 1, days)
    rates = (per_day, per_day * DAYS_PER_WEEK, per_day * DAYS_PER_MONTH)
    finished_at_ns = placed.columns.finished_at_ns[placed.positions]
    return Counted(
        (
            placed.total.tolist(),
            *none_where(is_to_come, *rates),
            tally.periods.active_days(placed.total, finished_at_ns).tolist(),
        )
    )


def _lead_times(tally: Tally) -> Counted:
    durations = tally.lead_times()
    figures = durations.distributions()
    stages = (_stages(tally),) if tally.has_stages else ()
    # The commits of a deployment have their end in common: they are one observation.
    return Counted((*figures, *stages), durations, tally.mean_lead_times)


def _stages(tally: Tally) -> Sequence[Mapping[str, Distribution]]:
    """The distributions of each stage over its commits, at either granularity."""
    commits = tally.commits
    stages_ns = commits.columns.stages_ns
    assert stages_ns is not None, "stages are loaded where they are asked for"
    by_stage = (
        commits.durations(each, each[commits.positions] != UNKNOWN_NS).distributions()
        for each in stages_ns.T
    )
    found = zip(*(map(Distribution, *each) for each in by_stage), strict=True)
    return [dict(zip(STAGES, each, strict=True)) for each in found]


def _failures(tally: Tally) -> Counted:
    pending = tally.deployments.total - tally.evaluated
    return Counted((*_rates(tally.failed, tally.evaluated), pending.tolist()))


def _recoveries(tally: Tally) -> Counted:
    placed = tally.deployments
    recovery_ns = placed.columns.recovery_ns
    failed = np.flatnonzero(tally.verdicts == FAILED)
    remedied = failed[recovery_ns[placed.positions[failed]] != UNKNOWN_NS]
    durations = placed.durations(recovery_ns, remedied)
    figures = durations.distributions()
    return Counted((*figures, (tally.failed - np.array(figures.n, np.int64)).tolist()), durations)


def _rework(tally: Tally) -> Counted:
    placed = tally.deployments
    is_rework = placed.columns.is_rework[placed.positions]
    hits = placed.number_of((tally.verdicts != PENDING) & is_rework)
    return Counted(_rates(hits, tally.evaluated))


def _incidents(tally: Tally) -> Counted:
    placed = tally.incidents
    restore_ns = placed.columns.restore_ns
    durations = placed.durations(restore_ns, restore_ns[placed.positions] != UNKNOWN_NS)
    still_open = placed.number_of(placed.columns.is_open[placed.positions])
    return Counted((*durations.distributions(), still_open.tolist()), durations)


def _rates(hits: Ints, n: Ints) -> tuple[Column, ...]:
    """The columns of a `Rate`, in its order."""
    values = hits / np.maximum(n, 1)
    figures = none_where(n == 0, values, *wilson_intervals(hits, n))
    return (*figures, hits.tolist(), n.tolist())


_RATE = (
    Figure("value"),
    Figure("low", "The lower end of its 95 % interval."),
    Figure("high", "The upper end of its 95 % interval."),
)
_MEAN_AND_PERCENTILES = (
    Figure("mean", "The mean, in seconds."),
    Figure("p50", "The median, in seconds."),
    Figure("p75", "The 75th percentile, in seconds."),
    Figure("p90", "The 90th percentile, in seconds."),
    Figure("p95", "The 95th percentile, in seconds."),
)

DEPLOYMENT_FREQUENCY = Metric(
    name="deployment_frequency",
    title="Deployment frequency",
    short="Deployments",
    about="Deployments, and their rate over the exact length of the period.",
    counted_by="finish",
    noun="deployment",
    better="up",
    family="throughput",
    shape=FREQUENCY,
    figures=(
        Figure("count", "Deployments finished in the window."),
        Figure("per_day", "Deployments a day over the window."),
        Figure("per_week", "Deployments a week."),
        Figure("per_month", "Deployments a month of 30.436875 days."),
        Figure("active_days", "Local dates with at least one deployment."),
    ),
    gauges={"count": "deployments", "per_day": "deployments_per_day"},
    columns={"count": "deployments", "per_day": "per_day", "active_days": "active_days"},
    brief=("count",),
    count=_deployments,
)
CHANGE_LEAD_TIME = Metric(
    name="change_lead_time",
    title="Change lead time",
    short="Lead time",
    about="Time from a commit to the end of its deployment.",
    counted_by="finish of the deployment",
    noun="commit",
    better="down",
    family="throughput",
    shape=DISTRIBUTION_WITH_STAGES,
    figures=(
        Figure("n", "Commits whose lead time is known."),
        *_MEAN_AND_PERCENTILES,
        Figure("stages", "How long each stage took, of the commits that went through it."),
    ),
    gauges={"n": "lead_time_commits"},
    columns={"p50": "lead_time_p50_sec", "p90": "lead_time_p90_sec", "n": "commits"},
    brief=("p50", "p90", "n"),
    count=_lead_times,
)
CHANGE_FAILURE_RATE = Metric(
    name="change_failure_rate",
    title="Change failure rate",
    short="Failure rate",
    about="Failed deployments as a share of those evaluated.",
    counted_by="finish",
    noun="deployment",
    better="down",
    family="instability",
    shape=RATE_WITH_PENDING,
    figures=(
        *_RATE,
        Figure("failed", "Deployments that failed."),
        Figure("evaluated", "Deployments with a verdict."),
        Figure("pending", "Deployments without a verdict yet."),
    ),
    gauges={
        "value": "change_failure_ratio",
        "failed": "failed_deployments",
        "evaluated": "evaluated_deployments",
        "pending": "pending_deployments",
    },
    columns={
        "value": "failure_rate",
        "failed": "failed",
        "evaluated": "evaluated",
        "pending": "pending",
    },
    brief=("failed", "evaluated", "value"),
    count=_failures,
)
FAILED_DEPLOYMENT_RECOVERY_TIME = Metric(
    name="failed_deployment_recovery_time",
    title="Failed deployment recovery",
    short="Recovery",
    about="Time from a failed deployment to the one that fixed it.",
    counted_by="finish of the failed one",
    noun="failure",
    better="down",
    family="throughput",
    shape=DISTRIBUTION_WITH_OPEN,
    figures=(
        Figure("n", "Failed deployments that another one fixed."),
        *_MEAN_AND_PERCENTILES,
        Figure("unresolved", "Failed deployments without a fix yet."),
    ),
    gauges={"n": "recovered_deployments", "unresolved": "unresolved_deployments"},
    columns={"p50": "recovery_p50_sec", "n": "remedied", "unresolved": "unresolved"},
    brief=("p50", "n"),
    count=_recoveries,
)
DEPLOYMENT_REWORK_RATE = Metric(
    name="deployment_rework_rate",
    title="Deployment rework rate",
    short="Rework rate",
    about="Rework deployments (unplanned fixes) as a share of those evaluated.",
    counted_by="finish",
    noun="deployment",
    better="down",
    family="instability",
    shape=RATE,
    figures=(
        *_RATE,
        Figure("rework", "Rework deployments (unplanned fixes)."),
        Figure("evaluated", "Deployments with a verdict."),
    ),
    gauges={"value": "deployment_rework_ratio", "rework": "rework_deployments"},
    columns={"value": "rework_rate", "rework": "rework"},
    brief=("rework", "value"),
    count=_rework,
)
INCIDENT_TIME_TO_RESTORE = Metric(
    name="incident_time_to_restore",
    title="Incident time to restore",
    short="Time to restore",
    about="Time from the start of an incident to its end.",
    counted_by="start",
    noun="incident",
    better="down",
    shape=DISTRIBUTION_WITH_OPEN,
    figures=(
        Figure("n", "Incidents that have ended."),
        *_MEAN_AND_PERCENTILES,
        Figure("open", "Incidents that have not ended."),
    ),
    gauges={"n": "restored_incidents", "open": "open_incidents"},
    columns={"p50": "time_to_restore_p50_sec", "n": "restored", "open": "open_incidents"},
    brief=(),
    count=_incidents,
)

METRICS: tuple[Metric[Any], ...] = (
    DEPLOYMENT_FREQUENCY,
    CHANGE_LEAD_TIME,
    CHANGE_FAILURE_RATE,
    FAILED_DEPLOYMENT_RECOVERY_TIME,
    DEPLOYMENT_REWORK_RATE,
    INCIDENT_TIME_TO_RESTORE,
)
"""In the order of the API's documents."""

_FAMILIES = ("throughput", "instability", None)
IN_DORAS_ORDER: tuple[Metric[Any], ...] = tuple(
    sorted(METRICS, key=lambda each: _FAMILIES.index(each.family))
)
"""Throughput first, then instability, then the others: as people see them."""
DORA_METRICS: tuple[Metric[Any], ...] = tuple(each for each in IN_DORAS_ORDER if each.family)
"""DORA's own, which have scores."""


def metric_named(name: str) -> Metric[Any]:
    return next(each for each in METRICS if each.name == name)
