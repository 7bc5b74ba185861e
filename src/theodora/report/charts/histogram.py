"""Histograms of lead times, in steps that fit them, and of deployments by day."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from theodora.report import wording
from theodora.report.charts.plot import BASE, Plot, Slot
from theodora.report.charts.scales import count_axis
from theodora.report.charts.series import Count, empty_chart
from theodora.report.charts.svg import (
    HATCH,
    bars,
    box,
    drawing,
    group,
    hits,
    label,
    path,
    slotted,
    upright,
)

_HOUR, _DAY = wording.HOUR_SEC, wording.DAY_SEC
EDGES_SEC: tuple[int, ...] = (
    *(each * _HOUR for each in (0, 1, 2, 4, 8, 12, 24)),
    *(each * _DAY for each in (2, 4, 7, 14, 30, 60, 90, 180, 365)),
)
"""Where a step begins that lead times are counted in; the last one has no end."""
_MOST_STEPS = 11
_MARK_LINE = 12
"""Pixels between the labels of percentiles, which are above each other."""


class LeadTimeStep(NamedTuple):
    """A bar, in seconds; the last one of all has no end."""

    low: int
    high: int | None
    commits: int

    @property
    def name(self) -> str:
        """`<1 h`, `1–2 h`, `12 h – 2 d`, `>365 d`."""
        if not self.low and self.high:
            return f"<{_in_unit(self.high)}"
        if self.high is None:
            return f">{_in_unit(self.low)}"
        if _unit(self.low) == _unit(self.high) or self.low == _DAY:
            return f"{self.low // _unit(self.high)}–{_in_unit(self.high)}"
        return f"{_in_unit(self.low)}–{_in_unit(self.high)}"


class Mark(NamedTuple):
    """A percentile to show, such as `p50`."""

    name: str
    seconds: float


def lead_time_histogram(counts: Sequence[int], marks: Sequence[Mark]) -> Markup:
    """Commits by lead time, one count for each of `EDGES_SEC`; marks from the lowest up."""
    if not any(counts):
        return empty_chart("no lead times in this period")
    steps = steps_of(counts)
    plot = Plot(
        [Slot(step.name, step.name, "", is_partial=False) for step in steps],
        count_axis(max(step.commits for step in steps)),
    )
    return drawing(
        "plot hist",
        BASE + 24,
        slotted(len(steps), BASE + 1, plot.grid(), bars("b-ok", 0.88, _bars(plot, steps))),
        group("t y", *plot.values()),
        *(_mark(place_of(mark.seconds, steps), mark, at) for at, mark in enumerate(marks)),
        group("t v", *_numbers(plot, steps)),
        group("t s", *_names(plot)),
        hits([("", f"{step.name}: {wording.counted(step.commits, 'commit')}") for step in steps]),
    )


def steps_of(counts: Sequence[int]) -> Sequence[LeadTimeStep]:
    """The steps from the first to the last that has commits, and an empty one beyond each end.

    Where those are too many, neighbours with the fewest commits become one.
    """
    all_steps = [
        LeadTimeStep(low, high, count)
        for low, high, count in zip(EDGES_SEC, (*EDGES_SEC[1:], None), counts, strict=True)
    ]
    filled = [index for index, count in enumerate(counts) if count]
    steps = all_steps[max(filled[0] - 1, 0) : filled[-1] + 2]
    while len(steps) > _MOST_STEPS:
        at = min(range(len(steps) - 1), key=lambda at: steps[at].commits + steps[at + 1].commits)
        one, other = steps[at : at + 2]
        steps[at : at + 2] = [LeadTimeStep(one.low, other.high, one.commits + other.commits)]
    return steps


def _in_unit(seconds: int) -> str:
    unit = _unit(seconds)
    return f"{seconds // unit}{wording.NARROW}{'h' if unit == _HOUR else 'd'}"


def _unit(seconds: int) -> int:
    return _HOUR if seconds <= _DAY else _DAY


def _bars(plot: Plot, steps: Sequence[LeadTimeStep]) -> Iterator[tuple[float, float, float]]:
    for index, step in enumerate(steps):
        if step.commits:
            yield index, plot.y(step.commits), BASE


def _numbers(plot: Plot, steps: Sequence[LeadTimeStep]) -> Iterator[str]:
    for index, step in enumerate(steps):
        if step.commits:
            words = wording.number(step.commits)
            yield label("", plot.middle(index), plot.y(step.commits) - 4, words)


def _names(plot: Plot) -> Iterator[str]:
    """Phones have room for each second one."""
    for index, slot in enumerate(plot.slots):
        yield label("k2" if index % 2 else "", plot.middle(index), BASE + 16, slot.label)


def _mark(x: float, mark: Mark, index: int) -> str:
    """A line, and its words on the side with more room, above those of the mark before."""
    side, dx = ("t b st", 4) if x < 50 else ("t b y", -4)
    y = -_MARK_LINE * (index + 1)
    words = f"{mark.name} {wording.duration(mark.seconds)}"
    return upright("pl", x, y - 9, BASE) + label(side, x, y, words, dx=dx)


def place_of(seconds: float, steps: Sequence[LeadTimeStep]) -> float:
    """The x in percent; in proportion within a step, and in the middle of one without an end."""
    for index, step in enumerate(steps):
        if step.high is None:
            return 100 * (index + 0.5) / len(steps)
        if seconds < step.high:
            share = max(seconds - step.low, 0) / (step.high - step.low)
            return 100 * (index + share) / len(steps)
    return 100.0


DAY_BASE, _DAY_ROOF = 64, 12
"""The y of the axis and of the highest bar, whose count is above it."""
_MOST_DATES = 12


def day_histogram(
    counts: Sequence[Count], slots: Sequence[Slot], each: str = "day", flags: str = ""
) -> Markup:
    """Low bars, one a day or one of any other interval, with the failed part on top."""
    if not counts:
        return Markup("")
    highest = max(count.total for count in counts) or 1
    width = 100 / len(slots)
    return drawing(
        "plot flush",
        DAY_BASE + 18,
        *_partial(slots, width),
        slotted(len(slots), DAY_BASE + 1, _grid(slots), *_day_bars(counts, highest)),
        *_dates(slots, width),
        label("t y", 100, 8, f"highest {wording.number(highest)} a {each}", dx=-2),
        hits(list(_day_hits(counts, slots))),
        flags,
    )


def _every(slots: Sequence[Slot]) -> int:
    """Bars for each date label."""
    return -(-len(slots) // _MOST_DATES)


def _grid(slots: Sequence[Slot]) -> str:
    dates = (f"M{index - 0.5:g} 0V{DAY_BASE}" for index in range(0, len(slots), _every(slots)))
    return path("gr", *dates) + path("ax", f"M-.5 {DAY_BASE}h{len(slots)}")


def _dates(slots: Sequence[Slot], width: float) -> Iterator[str]:
    every = _every(slots)
    for index in range(0, len(slots), every):
        if index <= len(slots) - every / 2:
            class_ = "t st" if index // every % 4 == 0 else "t st k2"
            yield label(class_, index * width, DAY_BASE + 13, slots[index].label, dx=3)


def _partial(slots: Sequence[Slot], width: float) -> Iterator[str]:
    for index, slot in enumerate(slots):
        if slot.is_partial:
            yield box("part", index * width, _DAY_ROOF, width, DAY_BASE - _DAY_ROOF, HATCH)


def _day_bars(counts: Sequence[Count], highest: int) -> Iterator[str]:
    pixels = (DAY_BASE - _DAY_ROOF) / highest
    fine: list[tuple[float, float, float]] = []
    failed: list[tuple[float, float, float]] = []
    for index, count in enumerate(counts):
        top = DAY_BASE - count.total * pixels
        seam = top + count.failed * pixels
        if seam < DAY_BASE:
            fine.append((index, seam, DAY_BASE))
        if count.failed:
            failed.append((index, top, top + max(seam - top - 1, 1.5)))
    yield bars("b-ok", 0.76, fine)
    yield bars("b-day", 0.76, failed)


def _day_hits(counts: Sequence[Count], slots: Sequence[Slot]) -> Iterator[tuple[str, str]]:
    """Days without a deployment have no link."""
    for count, slot in zip(counts, slots, strict=True):
        yield slot.link, f"{slot.title}: {count.words}" if count.total else ""
