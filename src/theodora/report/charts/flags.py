"""Flags of annotations: quiet lines across charts, with numbers above."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from theodora.dora.metrics.calendar import Bucket
from theodora.report.charts.plot import BASE, time_axis_of
from theodora.report.charts.svg import group, label, linked, path, short, stretched, titled

_CLOSE = 4
"""Percent of the width that a number needs on a phone."""

_Place = tuple[float, "Flag"]
"""A flag with its x in percent."""


class Flag(NamedTuple):
    """An annotation on the charts of a page."""

    at_ns: int
    number: int
    """By which the list below the charts has it."""
    words: str
    link: str


def flags_drawn(flags: Sequence[Flag], buckets: Sequence[Bucket], base: float = BASE) -> str:
    """The flags of a period, in order of time, above charts of its intervals with this axis."""
    if not flags or not buckets:
        return ""
    axis = time_axis_of(buckets)
    places = [(axis.x(each.at_ns), each) for each in flags]
    lines = path("an", *(f"M{short(x)} 0V{short(base)}" for x, _ in places))
    return stretched(base, lines) + group("t", *map(_number, _clusters(places)))


def _clusters(places: Sequence[_Place]) -> Iterator[Sequence[_Place]]:
    """Those whose numbers would lie upon each other share one: `2–4`."""
    first = 0
    for at in range(1, len(places) + 1):
        if at == len(places) or places[at][0] - places[at - 1][0] > _CLOSE:
            yield places[first:at]
            first = at


def _number(cluster: Sequence[_Place]) -> str:
    (first_x, first), (last_x, last) = cluster[0], cluster[-1]
    words = f"{first.number}–{last.number}" if len(cluster) > 1 else f"{first.number}"
    title = titled("; ".join(flag.words for _, flag in cluster))
    return linked(first.link, label("", (first_x + last_x) / 2, -3, words), title)
