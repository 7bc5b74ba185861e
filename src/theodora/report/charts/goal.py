"""A goal across a chart: a labelled line, which says nothing of how near anything is."""

from typing import NamedTuple

from theodora.report.charts.svg import label, level

_FURTHEST = 2
"""A goal of up to so many times the highest value is on the axis; one beyond would flatten it."""


class GoalLine(NamedTuple):
    """A goal in the unit of an axis, and in words."""

    value: float
    words: str


def highest_with(goal: GoalLine | None, highest: float) -> float:
    """What the axis reaches so that a goal that is not far away is on it."""
    is_near = goal is not None and goal.value <= _FURTHEST * highest
    return max(highest, goal.value) if goal and is_near else highest


def goal_drawn(goal: GoalLine | None, y: float, *, is_above: bool) -> str:
    """The line at `y` with its label; above the axis only the label, with an arrow."""
    if goal is None:
        return ""
    if is_above:
        return label("t gl", 100, y - 4, f"goal {goal.words} ↑")
    return level("goal", y) + label("t gl", 100, y - 4, f"goal {goal.words}")
