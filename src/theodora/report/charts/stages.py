"""A bar of lead time stages, of one commit or the means of many."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from theodora.dora.derivation.stages import STAGES, Stage
from theodora.report import wording
from theodora.report.charts.svg import box, drawing, titled

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
