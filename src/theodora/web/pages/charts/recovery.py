"""Recovery: a dot a failure on a logarithmic axis, since they are few and far between."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from markupsafe import Markup

from theodora.dora.buckets import Period
from theodora.events import RemediationType
from theodora.web.pages import wording
from theodora.web.pages.charts.scales import log_place
from theodora.web.pages.charts.series import empty_chart
from theodora.web.pages.charts.slots import BASE, ROOF
from theodora.web.pages.charts.svg import (
    drawing,
    label,
    level,
    linked,
    short,
    titled,
    triangle,
)

_LOW_SEC, _HIGH_SEC = 5 * wording.MINUTE_SEC, 2 * wording.DAY_SEC
_GRID_SEC = (_LOW_SEC, wording.HOUR_SEC, 6 * wording.HOUR_SEC, wording.DAY_SEC, _HIGH_SEC)
_DOTS: dict[RemediationType | Literal[""], str] = {"rollback": "rd", "rollforward": "rf", "": "rd"}


class Recovery(NamedTuple):
    """A failed deployment, and how long it was until it was remedied."""

    finished_at_ns: int
    seconds: float | None
    """None while nothing has remedied it."""
    type: RemediationType | Literal[""]
    name: str
    link: str

    @property
    def words(self) -> str:
        if self.seconds is None:
            return f"{self.name}: not remedied yet"
        return f"{self.name}: {self.type or 'remedied'} after {wording.duration(self.seconds)}"


def recovery_chart(
    recoveries: Sequence[Recovery], period: Period, median: float | None, dates: Sequence[str]
) -> Markup:
    """Dots at their true time; `dates` are labels evenly over the period, its start first."""
    if not recoveries:
        return empty_chart("no failures")
    return drawing(
        "plot",
        BASE + 24,
        *_grid(),
        *(label("t", 100 * index / len(dates), BASE + 18, day) for index, day in enumerate(dates)),
        level("avg", _y(median)) if median is not None else "",
        *_marks(recoveries, period),
    )


def _y(seconds: float) -> float:
    return BASE - log_place(seconds, _LOW_SEC, _HIGH_SEC) * (BASE - ROOF)


def _grid() -> Iterator[str]:
    for seconds in _GRID_SEC:
        y = _y(seconds)
        yield level("ax" if seconds == _LOW_SEC else "gr", y)
        yield label("t y", 0, y + 3.5, wording.duration(seconds), dx=-7)


def _marks(recoveries: Sequence[Recovery], period: Period) -> Iterator[str]:
    length = period.end_ns - period.start_ns
    for each in recoveries:
        x = 100 * (each.finished_at_ns - period.start_ns) / length
        yield linked(each.link, _mark(each, x))


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
