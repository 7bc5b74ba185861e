"""The frame of charts by interval: slots, axis and grid."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from theodora.dora.metrics.calendar import Bucket
from theodora.query import Query
from theodora.report.charts.scales import Axis
from theodora.report.charts.svg import (
    HATCH,
    beside,
    box,
    drawing,
    group,
    hits,
    hits_of_table,
    label,
    path,
    short,
    slotted,
)
from theodora.report.scope import Scope

BASE = 150
"""The y of the axis, in pixels."""
ROOF = 6
"""The y of the highest grid line."""

_MOST_LABELS = 5
_MOST_HITS = 16
"""Words and a link for each of more intervals, in every chart, would make pages too long."""


class Slot(NamedTuple):
    """One interval on the x axis."""

    label: str
    title: str
    link: str
    is_partial: bool


def slots_of(buckets: Iterable[Bucket], scope: Scope, *clauses: str | Query) -> tuple[Slot, ...]:
    """The intervals of a chart; each leads to its deployments, narrowed by `clauses`."""
    query = scope.also(*clauses) if clauses else scope.query
    return tuple(
        Slot(
            _label(each, scope),
            scope.clock.bucket(each, scope.interval),
            scope.link("/deployments", query=query, **scope.within(each.covered)),
            each.is_partial,
        )
        for each in buckets
    )


def leading(slots: Iterable[Slot], counts: Iterable[int]) -> tuple[Slot, ...]:
    """The same, but empty intervals have no link."""
    pairs = zip(slots, counts, strict=True)
    return tuple(slot if count else slot._replace(link="") for slot, count in pairs)


def _label(bucket: Bucket, scope: Scope) -> str:
    whole = bucket.period
    if whole.start_ns <= scope.now_ns < whole.end_ns:
        return "now"
    return scope.clock.short_day(whole.start_ns)


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The x of instants: each in the slot of its interval, so that charts can be read across."""

    edges_ns: Sequence[int]
    """Where the intervals begin, and where the last one ends."""

    def x(self, instant_ns: int) -> float:
        """In percent."""
        count = len(self.edges_ns) - 1
        index = max(bisect_right(self.edges_ns, instant_ns, hi=count) - 1, 0)
        start_ns, end_ns = self.edges_ns[index : index + 2]
        return 100 * (index + (instant_ns - start_ns) / (end_ns - start_ns)) / count


def time_axis_of(buckets: Sequence[Bucket]) -> TimeAxis:
    """The time axis of one interval or more."""
    return TimeAxis([*(each.period.start_ns for each in buckets), buckets[-1].period.end_ns])


@dataclass(frozen=True, slots=True)
class Plot:
    """The geometry of a chart with slots side by side, above an axis that begins at 0."""

    slots: Sequence[Slot]
    axis: Axis

    @property
    def width(self) -> float:
        """The width of a slot, in percent."""
        return 100 / len(self.slots)

    def left(self, index: int, inset: float = 0) -> float:
        """The left end of a slot, moved into it by `inset`, a share of its width."""
        return (index + inset) * self.width

    def middle(self, index: int) -> float:
        return self.left(index, 0.5)

    def y(self, value: float) -> float:
        """The position of a value in pixels; a value above the axis is clipped at its end."""
        return BASE - min(value / self.axis.top, 1) * (BASE - ROOF)

    def drawn(
        self,
        titles: Sequence[str],
        inside: Iterable[str],
        *marks: str,
        below: float = 0,
        cells: Sequence[int] = (),
        flags: str = "",
    ) -> Markup:
        """The complete chart; `titles` describe each slot's values.

        `inside` are paths by slots, as for `slotted`; `marks` lie above them. `cells` are the
        columns of the table of intervals with the same values. `flags` are drawn above all.
        """
        return drawing(
            "plot",
            BASE + 24 + below,
            *hatches(self.slots),
            slotted(len(self.slots), BASE + 1, self.grid(), *inside),
            group("t y", *self.values()),
            *marks,
            group("t", *dates(self.slots, BASE + 18 + below)),
            self._hits(titles, cells),
            flags,
        )

    def grid(self) -> str:
        """Lines at the round values, for `slotted`; the axis by itself."""
        across = len(self.slots)
        lines = [f"M-.5 {short(self.y(value))}h{across}" for value in self.axis.values]
        return path("gr", *lines[1:]) + path("ax", lines[0])

    def values(self) -> Iterator[str]:
        """The labels of the lines, for a `group`."""
        for value, words in zip(self.axis.values, self.axis.labels, strict=True):
            yield beside(self.y(value) + 3.5, words)

    def _hits(self, titles: Sequence[str], cells: Sequence[int]) -> str:
        """Of many slots the table alone has links and words; the script takes them from there."""
        if len(self.slots) > _MOST_HITS and cells:
            return hits_of_table(cells, len(self.slots))
        said = zip(self.slots, titles, strict=True)
        return hits([(slot.link, f"{slot.title}: {words}") for slot, words in said])


def hatches(slots: Sequence[Slot]) -> Iterator[str]:
    """Behind the marks of slots that are partial."""
    width = 100 / len(slots)
    for index, slot in enumerate(slots):
        if slot.is_partial:
            yield box("part", index * width, 0, width, BASE, HATCH)


def dates(slots: Sequence[Slot], y: float) -> Iterator[str]:
    """Labels of a few slots, evenly spaced, and always of the last if it is running."""
    count = len(slots)
    every = -(-count // _MOST_LABELS)
    has_now = slots[-1].label == "now"
    for index, slot in enumerate(slots):
        is_now = has_now and index == count - 1
        is_near_now = has_now and count - 1 - index < every / 2
        if is_now or (index % every == 0 and not is_near_now):
            yield label("", (index + 0.5) * 100 / count, y, slot.label)
