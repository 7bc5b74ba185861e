"""The recovery chart: a dot for each failure on a logarithmic axis."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from markupsafe import Markup

from theodora.dora.metrics.calendar import Bucket
from theodora.events import RemediationType
from theodora.report import wording
from theodora.report.charts.goal import GoalLine, goal_drawn
from theodora.report.charts.plot import BASE, ROOF, Slot, TimeAxis, dates, hatches, time_axis_of
from theodora.report.charts.scales import log_place
from theodora.report.charts.series import empty_chart
from theodora.report.charts.svg import (
    beside,
    dots,
    drawing,
    group,
    level,
    linked,
    path,
    short,
    stretched,
    titled,
    triangle,
)

_LOW_SEC, _HIGH_SEC = 5 * wording.MINUTE_SEC, 2 * wording.DAY_SEC
_MOST_LINKS = 15
_GRID_SEC = (
    *(_LOW_SEC, 30 * wording.MINUTE_SEC),
    *(2 * wording.HOUR_SEC, 8 * wording.HOUR_SEC, _HIGH_SEC),
)
"""About as far from each other, on the logarithmic axis."""
_DOTS: dict[RemediationType | Literal[""], str] = {"rollback": "rd", "rollforward": "rf", "": "rd"}


class Recovery(NamedTuple):
    """A failed deployment, and how long its remediation took."""

    finished_at_ns: int
    seconds: float | None
    """None without a remediation."""
    type: RemediationType | Literal[""]
    name: str
    link: str

    @property
    def words(self) -> str:
        if self.seconds is None:
            return f"{self.name}: not fixed yet"
        return f"{self.name}: {self.type or 'fixed'} after {wording.duration(self.seconds)}"


def recovery_chart(
    recoveries: Sequence[Recovery],
    buckets: Sequence[Bucket],
    median: float | None,
    slots: Sequence[Slot],
    flags: str = "",
    goal: GoalLine | None = None,
) -> Markup:
    """Dots at their time within the slot of their interval; the newest come first, with links."""
    if not recoveries or not buckets:
        return empty_chart("no failures")
    axis = time_axis_of(buckets)
    newest, older = recoveries[:_MOST_LINKS], recoveries[_MOST_LINKS:]
    return drawing(
        "plot",
        BASE + 24,
        *hatches(slots),
        stretched(BASE + 1, *_grid(), *_older(older, axis)),
        group("t y", *_values()),
        group("t", *dates(slots, BASE + 18)),
        level("avg", _y(median)) if median is not None else "",
        goal_drawn(goal, _y(goal.value), is_above=goal.value > _HIGH_SEC) if goal else "",
        *_marks(newest, axis),
        flags,
    )


def _y(seconds: float) -> float:
    return BASE - log_place(seconds, _LOW_SEC, _HIGH_SEC) * (BASE - ROOF)


def _grid() -> Iterator[str]:
    axis, *lines = (f"M0 {short(_y(seconds))}h100" for seconds in _GRID_SEC)
    yield path("gr", *lines)
    yield path("ax", axis)


def _values() -> Iterator[str]:
    for seconds in _GRID_SEC:
        yield beside(_y(seconds) + 3.5, wording.duration(seconds))


def _older(recoveries: Sequence[Recovery], axis: TimeAxis) -> Iterator[str]:
    """Clipped at the ends of the axis, as the newest are; what is open lies at its top."""
    for class_, is_forward in (("rd", False), ("rf", True)):
        those = {
            (
                round(axis.x(each.finished_at_ns), 1),
                ROOF if each.seconds is None else round(_y(each.seconds)),
            )
            for each in recoveries
            if (each.type == "rollforward") == is_forward
        }
        yield dots(f"dots {class_}", those)
        yield dots("dots in", those) if is_forward else ""


def _marks(recoveries: Sequence[Recovery], axis: TimeAxis) -> Iterator[str]:
    for each in recoveries:
        yield linked(each.link, _mark(each, axis.x(each.finished_at_ns)))


def _mark(each: Recovery, x: float) -> str:
    """A dot; a triangle at the end of the axis for what lies beyond it or is not over."""
    title = titled(each.words)
    if each.seconds is None:
        return triangle("un", x, 0, title, points_up=True)
    if each.seconds > _HIGH_SEC:
        return triangle(_DOTS[each.type], x, 0, title, points_up=True)
    if each.seconds < _LOW_SEC:
        return triangle(_DOTS[each.type], x, BASE - 6, title, points_up=False)
    dot = f'cx="{short(x)}%" cy="{short(_y(each.seconds))}"'
    return f'<circle class="{_DOTS[each.type]}" {dot}/>{title}'
