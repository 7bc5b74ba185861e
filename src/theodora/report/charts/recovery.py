"""The recovery chart: a dot for each failure on a logarithmic axis."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from markupsafe import Markup

from theodora.dora.metrics.calendar import Bucket
from theodora.events import RemediationType
from theodora.report import wording
from theodora.report.charts.plot import BASE, ROOF, Slot, dates, hatches
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


@dataclass(frozen=True, slots=True)
class _Course:
    """The x of instants: in the slot of its interval, so that charts can be read across."""

    edges_ns: Sequence[int]
    """Where the intervals begin, and where the last one ends."""

    def x(self, instant_ns: int) -> float:
        count = len(self.edges_ns) - 1
        index = max(bisect_right(self.edges_ns, instant_ns, hi=count) - 1, 0)
        start_ns, end_ns = self.edges_ns[index : index + 2]
        return 100 * (index + (instant_ns - start_ns) / (end_ns - start_ns)) / count


def recovery_chart(
    recoveries: Sequence[Recovery],
    buckets: Sequence[Bucket],
    median: float | None,
    slots: Sequence[Slot],
) -> Markup:
    """Dots at their time within the slot of their interval; the newest come first, with links."""
    if not recoveries or not buckets:
        return empty_chart("no failures")
    starts_ns = (each.period.start_ns for each in buckets)
    course = _Course([*starts_ns, buckets[-1].period.end_ns])
    newest, older = recoveries[:_MOST_LINKS], recoveries[_MOST_LINKS:]
    return drawing(
        "plot",
        BASE + 24,
        *hatches(slots),
        stretched(BASE + 1, *_grid(), *_older(older, course)),
        group("t y", *_values()),
        group("t", *dates(slots, BASE + 18)),
        level("avg", _y(median)) if median is not None else "",
        *_marks(newest, course),
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


def _older(recoveries: Sequence[Recovery], course: _Course) -> Iterator[str]:
    """Clipped at the ends of the axis, as the newest are; what is open lies at its top."""
    for class_, is_forward in (("rd", False), ("rf", True)):
        those = {
            (
                round(course.x(each.finished_at_ns), 1),
                ROOF if each.seconds is None else round(_y(each.seconds)),
            )
            for each in recoveries
            if (each.type == "rollforward") == is_forward
        }
        yield dots(f"dots {class_}", those)
        yield dots("dots in", those) if is_forward else ""


def _marks(recoveries: Sequence[Recovery], course: _Course) -> Iterator[str]:
    for each in recoveries:
        yield linked(each.link, _mark(each, course.x(each.finished_at_ns)))


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
