"""Charts: pure functions from values to SVG, drawn on the server; they need no script."""

from theodora.report.charts.flags import Flag, flags_drawn
from theodora.report.charts.goal import GoalLine
from theodora.report.charts.histogram import (
    DAY_BASE,
    EDGES_SEC,
    Mark,
    day_histogram,
    lead_time_histogram,
)
from theodora.report.charts.plot import Slot, slots_of
from theodora.report.charts.recovery import Recovery, recovery_chart
from theodora.report.charts.scales import count_axis, duration_axis, rate_axis
from theodora.report.charts.series import (
    Count,
    RateCourse,
    deployments_chart,
    duration_chart,
    empty_chart,
    rate_chart,
)
from theodora.report.charts.sparks import score_tiles, sparkline
from theodora.report.charts.stages import (
    STAGE_NAMES,
    Span,
    spans_of,
    stage_bar,
    stages_chart,
    stages_words,
)
from theodora.report.charts.timeline import Incident, Tile, timeline
from theodora.report.charts.timeline_rows import months_between, weeks_between

__all__ = [
    "DAY_BASE",
    "EDGES_SEC",
    "STAGE_NAMES",
    "Count",
    "Flag",
    "GoalLine",
    "Incident",
    "Mark",
    "RateCourse",
    "Recovery",
    "Slot",
    "Span",
    "Tile",
    "count_axis",
    "day_histogram",
    "deployments_chart",
    "duration_axis",
    "duration_chart",
    "empty_chart",
    "flags_drawn",
    "lead_time_histogram",
    "months_between",
    "rate_axis",
    "rate_chart",
    "recovery_chart",
    "score_tiles",
    "slots_of",
    "spans_of",
    "sparkline",
    "stage_bar",
    "stages_chart",
    "stages_words",
    "timeline",
    "weeks_between",
]
