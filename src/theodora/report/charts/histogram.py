"""Histograms of lead times, in steps that widen, and of deployments by day."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
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
    *(each * _DAY for each in (2, 4, 7, 14)),
)
"""Where a step begins; the last one has no end."""


class Mark(NamedTuple):
    """A percentile to show, such as `p50`."""

    name: str
    seconds: float


def lead_time_histogram(
    counts: Sequence[int], links: Sequence[str], marks: Sequence[Mark]
) -> Markup:
    """Commits by lead time; one count and one link for each of `EDGES_SEC`."""
    if not any(counts):
        return empty_chart("no lead times in this period")
    names = [_step(index) for index in range(len(EDGES_SEC))]
    slots = [
        Slot(name, name, link, is_partial=False) for name, link in zip(names, links, strict=True)
    ]
    plot = Plot(slots, count_axis(max(counts)))
    return drawing(
        "plot",
        BASE + 24,
        slotted(len(slots), BASE + 1, plot.grid(), bars("b-ok", 0.88, _bars(plot, counts))),
        group("t y", *plot.values()),
        group("t v", *_numbers(plot, counts)),
        group("t s", *(label("", plot.middle(at), BASE + 16, it) for at, it in enumerate(names))),
        *(_mark(plot, mark, is_last=mark is marks[-1]) for mark in marks),
        hits(list(_hits(plot, counts))),
    )


def _step(index: int) -> str:
    """`<1 h`, `1–2 h`, `>14 d`."""
    if index == 0:
        return f"<{_in_unit(EDGES_SEC[1])}"
    if index == len(EDGES_SEC) - 1:
        return f">{_in_unit(EDGES_SEC[index])}"
    low, high = EDGES_SEC[index], EDGES_SEC[index + 1]
    return f"{low // _unit(high)}–{_in_unit(high)}"


def _in_unit(seconds: int) -> str:
    unit = _unit(seconds)
    return f"{seconds // unit}{wording.NARROW}{'h' if unit == _HOUR else 'd'}"


def _unit(seconds: int) -> int:
    return _HOUR if seconds <= _DAY else _DAY


def _bars(plot: Plot, counts: Sequence[int]) -> Iterator[tuple[float, float, float]]:
    for index, count in enumerate(counts):
        if count:
            yield index, plot.y(count), BASE


def _numbers(plot: Plot, counts: Sequence[int]) -> Iterator[str]:
    for index, count in enumerate(counts):
        if count:
            yield label("", plot.middle(index), plot.y(count) - 4, wording.number(count))


def _mark(plot: Plot, mark: Mark, *, is_last: bool) -> str:
    """A line, and its words on the side where the other mark is not."""
    x = plot.width * place_of(mark.seconds)
    goes_right = x < 12 or (is_last and x < 88)
    side, dx = ("t b st", 4) if goes_right else ("t b y", -4)
    words = f"{mark.name} {wording.duration(mark.seconds)}"
    return upright("pl", x, -8, BASE) + label(side, x, 0, words, dx=dx)


def place_of(seconds: float) -> float:
    """How many steps from the left; within a step, in proportion."""
    for index, (low, high) in enumerate(pairwise(EDGES_SEC)):
        if seconds < high:
            return index + (seconds - low) / (high - low)
    return len(EDGES_SEC) - 0.5


def _hits(plot: Plot, counts: Sequence[int]) -> Iterator[tuple[str, str]]:
    for slot, count in zip(plot.slots, counts, strict=True):
        yield slot.link, f"{slot.title}: {wording.counted(count, 'commit')}"


_DAY_BASE, _DAY_ROOF = 64, 12
"""The y of the axis and of the highest bar, whose count is above it."""
_MOST_DATES = 12


def day_histogram(counts: Sequence[Count], slots: Sequence[Slot], each: str = "day") -> Markup:
    """Low bars, one a day or one of any other interval, with the failed part on top."""
    if not counts:
        return Markup("")
    highest = max(count.total for count in counts) or 1
    width = 100 / len(slots)
    return drawing(
        "plot flush",
        _DAY_BASE + 18,
        *_partial(slots, width),
        slotted(len(slots), _DAY_BASE + 1, _grid(slots), *_day_bars(counts, highest)),
        *_dates(slots, width),
        label("t y", 100, 8, f"highest {wording.number(highest)} a {each}", dx=-2),
        hits(list(_day_hits(counts, slots))),
    )


def _every(slots: Sequence[Slot]) -> int:
    """Bars for each date label."""
    return -(-len(slots) // _MOST_DATES)


def _grid(slots: Sequence[Slot]) -> str:
    dates = (f"M{index - 0.5:g} 0V{_DAY_BASE}" for index in range(0, len(slots), _every(slots)))
    return path("gr", *dates) + path("ax", f"M-.5 {_DAY_BASE}h{len(slots)}")


def _dates(slots: Sequence[Slot], width: float) -> Iterator[str]:
    every = _every(slots)
    for index in range(0, len(slots), every):
        if index <= len(slots) - every / 2:
            class_ = "t st" if index // every % 4 == 0 else "t st k2"
            yield label(class_, index * width, _DAY_BASE + 13, slots[index].label, dx=3)


def _partial(slots: Sequence[Slot], width: float) -> Iterator[str]:
    for index, slot in enumerate(slots):
        if slot.is_partial:
            yield box("part", index * width, _DAY_ROOF, width, _DAY_BASE - _DAY_ROOF, HATCH)


def _day_bars(counts: Sequence[Count], highest: int) -> Iterator[str]:
    pixels = (_DAY_BASE - _DAY_ROOF) / highest
    fine: list[tuple[float, float, float]] = []
    failed: list[tuple[float, float, float]] = []
    for index, count in enumerate(counts):
        top = _DAY_BASE - count.total * pixels
        seam = top + count.failed * pixels
        if seam < _DAY_BASE:
            fine.append((index, seam, _DAY_BASE))
        if count.failed:
            failed.append((index, top, top + max(seam - top - 1, 1.5)))
    yield bars("b-ok", 0.76, fine)
    yield bars("b-day", 0.76, failed)


def _day_hits(counts: Sequence[Count], slots: Sequence[Slot]) -> Iterator[tuple[str, str]]:
    """Days without a deployment have no link."""
    for count, slot in zip(counts, slots, strict=True):
        yield slot.link, f"{slot.title}: {count.words}" if count.total else ""
