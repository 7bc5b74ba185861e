"""Lead time stages: a bar of one commit or of the means of many, and a chart by interval."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from theodora.dora.derivation.stages import STAGES, Stage
from theodora.dora.metrics.stage_means import StageMeans
from theodora.report import wording
from theodora.report.charts.plot import Plot, Slot
from theodora.report.charts.scales import duration_axis
from theodora.report.charts.svg import bars, box, drawing, titled

_INSET = 0.16
"""The gap on either side of a column of the chart, as a share of its slot."""
_GAP = 0.25
_LEAST = 0.3
"""Percent of the width: a stage that took no time to speak of still shows."""


class Named(NamedTuple):
    """The label and class of a stage."""

    name: str
    class_: str


STAGE_NAMES: Mapping[Stage, Named] = {
    "time_to_pr_ready": Named("Code", "s1"),
    "review_time": Named("Review", "s2"),
    "merge_time": Named("Merge", "s3"),
    "time_to_deploy": Named("Wait", "s4"),
    "deploy_time": Named("Deploy", "s5"),
    "other": Named("Other", "s6"),
}
"""In the order in which a commit goes through them."""


class Span(NamedTuple):
    """A stage and its duration."""

    stage: Named
    seconds: float


def spans_of(stages: Mapping[Stage, float | None]) -> tuple[Span, ...]:
    """The stages that took place, in order; the rest of a lead time only if there is some."""
    return tuple(
        Span(STAGE_NAMES[stage], stages.get(stage) or 0)
        for stage in STAGES
        if stages.get(stage) or (stages.get(stage) is not None and stage != "other")
    )


def stages_words(spans: Sequence[Span]) -> str:
    """`code 1 h 52 min · review 3 h 8 min`."""
    return " · ".join(
        f"{span.stage.name.lower()} {wording.duration(span.seconds)}" for span in spans
    )


def stage_bar(spans: Sequence[Span], longest: float = 0, height: int = 10) -> Markup:
    """Stacked from the left; the full width is `longest`, or the sum of the spans."""
    return drawing("sb", height, *_boxes(spans, longest, height), titled(stages_words(spans)))


def _boxes(spans: Sequence[Span], longest: float, height: int) -> Iterator[str]:
    whole = max(longest, sum(span.seconds for span in spans)) or 1
    x = 0.0
    for span in spans:
        width = span.seconds / whole * 100
        yield box(span.stage.class_, x, 0, max(width - _GAP, _LEAST), height)
        x += width


def stages_chart(
    means: Sequence[StageMeans], slots: Sequence[Slot], cells: Sequence[int] = (), flags: str = ""
) -> Markup:
    """A column an interval, as high as its mean lead time, made of the means of its stages.

    It leads nowhere: the chart of lead times does, to the same deployments.
    """
    unlinked = [slot._replace(link="") for slot in slots]
    plot = Plot(unlinked, duration_axis(max(each.whole_sec for each in means)))
    titles = [
        f"mean {wording.duration(each.whole_sec)}: {stages_words(spans_of(each.seconds))}; "
        f"{wording.counted(each.n, 'commit')}"
        if each.n
        else "no commits in this period, no value"
        for each in means
    ]
    return plot.drawn(titles, _columns(plot, means), cells=cells, flags=flags)


def _columns(plot: Plot, means: Sequence[StageMeans]) -> Iterator[str]:
    """The part of each stage in all columns, as one path of strokes."""
    floors = [0.0] * len(means)
    for stage, named in STAGE_NAMES.items():
        parts: list[tuple[float, float, float]] = []
        for index, each in enumerate(means):
            if seconds := each.seconds.get(stage):
                top = floors[index] + seconds
                parts.append((index, plot.y(top), plot.y(floors[index])))
                floors[index] = top
        yield bars(named.class_, 1 - 2 * _INSET, parts)
