"""Every deployment of a service: one row a week, Monday to Sunday, a tile each at its true time."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, NamedTuple

from markupsafe import Markup

from theodora.events.values import SECOND_NS
from theodora.web.pages import wording
from theodora.web.pages.charts.svg import (
    HATCH,
    box,
    boxes,
    drawing,
    label,
    level,
    linked,
    short,
    stretched,
    titled,
    upright,
)
from theodora.web.pages.clock import Clock, weekday

_ROW = 30
_HEAD = 20
_WEEK_SEC = 7 * wording.DAY_SEC
MOST_TILES = 250
"""So many are drawn one by one, with a link each; more would make the page too long."""
MOST_IN_ROW = 400
"""Above this a row is drawn hour by hour."""

Shape = Literal["ok", "failed", "pending", "baseline", "rollback", "rollforward"]

_SHAPES: dict[Shape, tuple[str, str]] = {
    "ok": ("m-ok", "M-4-4h8v8h-8z"),
    "failed": ("m-fail", "M0-6.5 6.5 0 0 6.5-6.5 0z"),
    "pending": ("m-pend", "M-4-4h8v8h-8z"),
    "baseline": ("m-base", "M-4-4h8v8h-8z"),
    "rollback": ("m-fix", "M4-5v10L-4.5 0z"),
    "rollforward": ("m-fix", "M-4-5v10L4.5 0z"),
}


class Tile(NamedTuple):
    """A deployment on the timeline."""

    finished_at_ns: int
    shape: Shape
    link: str
    words: str
    remedied_at_ns: int | None = None
    """Of one that failed: the line beneath runs from it to then, or to now."""


class Incident(NamedTuple):
    """A thin line above the tiles."""

    started_at_ns: int
    finished_at_ns: int | None
    words: str


@dataclass(frozen=True, slots=True)
class _Weeks:
    """The rows, and where on them an instant lies. Local clocks: a day is a seventh, always."""

    clock: Clock
    first: date
    """A Monday."""
    last: date

    @property
    def count(self) -> int:
        return (self.last - self.first).days // 7 + 1

    def week(self, instant_ns: int) -> date:
        day = self.clock.local(instant_ns).date()
        return day - timedelta(days=day.weekday())

    def x(self, instant_ns: int) -> float:
        local = self.clock.local(instant_ns)
        seconds = local.hour * 3_600 + local.minute * 60 + local.second
        return 100 * (local.weekday() * wording.DAY_SEC + seconds) / _WEEK_SEC

    def y(self, week: date) -> float:
        """The top of a row; the newest is the first."""
        return _HEAD + (self.last - week).days // 7 * _ROW

    def pieces(self, start_ns: int, end_ns: int) -> Iterator[tuple[date, float, float]]:
        """A span row by row: it runs on into the next where it passes Sunday."""
        week, last = self.week(start_ns), self.week(end_ns)
        begin = self.x(start_ns)
        while week <= last:
            end = self.x(end_ns) if week == last else 100.0
            if self.first <= week <= self.last:
                yield week, begin, end
            week, begin = week + timedelta(days=7), 0.0


def timeline(
    tiles: Sequence[Tile],
    clock: Clock,
    start_ns: int,
    end_ns: int,
    incidents: Iterable[Incident] = (),
) -> Markup:
    """The weeks from `start_ns` to `end_ns`; the caller bounds how many those are."""
    any_week = _Weeks(clock, date.min, date.min)
    weeks = _Weeks(clock, any_week.week(start_ns), any_week.week(end_ns - 1))
    height = _HEAD + weeks.count * _ROW
    return drawing(
        "plot mosaic",
        height + 4,
        *_shapes(),
        *_days(height),
        *_rows(weeks),
        *_now(weeks, end_ns),
        *(part for incident in incidents for part in _incident(weeks, incident, end_ns)),
        *(part for tile in tiles for part in _outage(weeks, tile, end_ns)),
        *_tiles(weeks, tiles),
    )


def _shapes() -> Iterator[str]:
    yield "<defs>"
    for shape, (class_, path) in _SHAPES.items():
        yield f'<path id="t-{shape}" class="{class_}" d="{path}"/>'
    yield "</defs>"


def _days(height: float) -> Iterator[str]:
    for day in range(7):
        x = day * 100 / 7
        if day >= 5:
            yield box("we", x, _HEAD, 100 / 7, height - _HEAD)
        yield upright("gr", x, 14, height)
        yield label("t st", x, 11, weekday(day), dx=5)


def _rows(weeks: _Weeks) -> Iterator[str]:
    for index in range(weeks.count):
        week = weeks.first + timedelta(days=7 * index)
        y = weeks.y(week)
        yield level("gr", y + _ROW)
        yield label("t y", 0, y + 16, weeks.clock.short_date(week), dx=-8)


def _now(weeks: _Weeks, end_ns: int) -> Iterator[str]:
    """What is yet to come of the newest week, where the period runs up to now."""
    now_ns = weeks.clock.now_ns
    if weeks.week(now_ns) == weeks.last and abs(now_ns - end_ns) < 60 * SECOND_NS:
        x, y = weeks.x(now_ns), weeks.y(weeks.last)
        yield box("part", x, y, 100 - x, _ROW, HATCH)
        yield upright("now", x, y, y + _ROW)
        if x < 85:
            yield label("t st", x, y + 16, f"now, {weeks.clock.time(now_ns)}", dx=6)


def _incident(weeks: _Weeks, incident: Incident, end_ns: int) -> Iterator[str]:
    until_ns = max(incident.finished_at_ns or end_ns, incident.started_at_ns)
    for week, begin, end in weeks.pieces(incident.started_at_ns, until_ns):
        drawn = box("inc", begin, weeks.y(week) + 2, max(end - begin, 0.35), 3)
        yield linked("", drawn, titled(incident.words))


def _outage(weeks: _Weeks, tile: Tile, end_ns: int) -> Iterator[str]:
    """From a failure to its remedy, its length beside it."""
    if tile.shape != "failed":
        return
    until_ns = tile.remedied_at_ns or end_ns
    last = (date.min, 0.0)
    for week, begin, end in weeks.pieces(tile.finished_at_ns, until_ns):
        yield box("out", begin, weeks.y(week) + 23, max(end - begin, 0.35), 3)
        last = (week, max(end, begin + 0.35))
    week, end = last
    if tile.remedied_at_ns and weeks.first <= week <= weeks.last and end < 92:
        length = wording.duration((until_ns - tile.finished_at_ns) / SECOND_NS)
        yield label("t o st", end, weeks.y(week) + 27, length, dx=4)


def _tiles(weeks: _Weeks, tiles: Sequence[Tile]) -> Iterator[str]:
    by_week: defaultdict[date, list[Tile]] = defaultdict(list)
    for tile in tiles:
        week = weeks.week(tile.finished_at_ns)
        if weeks.first <= week <= weeks.last:
            by_week[week].append(tile)
    is_dense = len(tiles) > MOST_TILES
    for week, row in by_week.items():
        y = weeks.y(week) + 12
        quiet = [tile for tile in row if is_dense and tile.shape == "ok"]
        if len(row) > MOST_IN_ROW:
            yield from _hours(weeks, row, y)
        elif quiet:
            drawn = ((weeks.x(tile.finished_at_ns) - 0.3, y - 4, 0.6, 8) for tile in quiet)
            yield stretched(_HEAD + weeks.count * _ROW, boxes("m-ok", drawn))
        singles = (tile for tile in row if not is_dense or tile.shape != "ok")
        yield from (_tile(weeks, tile, y) for tile in singles)


def _tile(weeks: _Weeks, tile: Tile, y: float) -> str:
    use = f'<use href="#t-{tile.shape}" x="{short(weeks.x(tile.finished_at_ns))}%" y="{short(y)}"/>'
    return linked(tile.link, use, titled(tile.words))


def _hours(weeks: _Weeks, row: Iterable[Tile], y: float) -> Iterator[str]:
    """A bar an hour, as high as there are deployments in it, its count as the title."""
    counts: defaultdict[int, int] = defaultdict(int)
    for tile in row:
        counts[int(weeks.x(tile.finished_at_ns) / 100 * 168)] += 1
    highest = max(counts.values())
    for hour, count in sorted(counts.items()):
        height = max(count / highest * 16, 1.5)
        drawn = box("m-ok", hour / 1.68, y + 8 - height, 0.52, height)
        yield linked("", drawn, titled(wording.counted(count, "deployment")))
