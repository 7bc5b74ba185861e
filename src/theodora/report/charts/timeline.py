"""The timeline of a service: one row for each week, with a tile for each deployment."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, NamedTuple, get_args

from markupsafe import Markup

from theodora.events.values import SECOND_NS
from theodora.report import wording
from theodora.report.charts.svg import (
    HATCH,
    bars,
    beside,
    box,
    drawing,
    group,
    label,
    linked,
    path,
    short,
    stretched,
    titled,
    upright,
)
from theodora.report.clock import Clock, weekday

_ROW = 30
_HEAD = 20
_WEEK_SEC = 7 * wording.DAY_SEC
MOST_TILES = 100
"""Most deployments drawn one by one with a link; more would make the page too long."""
MOST_IN_ROW = 400
MOST_STROKES = 1_000
"""Above either a row is drawn hour by hour, or several hours at a time."""
_MOST_TITLES = 12
"""Of incidents, the newest."""
_MOST_BARS = 200
_HOURS_A_BAR = (1, 2, 3, 4, 6, 12)

Shape = Literal["ok", "failed", "pending", "baseline", "rollback", "rollforward"]

_ANY: tuple[Shape, ...] = get_args(Shape)
_FAILED: tuple[Shape, ...] = ("failed",)
_HOURLY = (("b-ok", _ANY), ("b-day", _FAILED))

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
    """The geometry of the rows. In local time, every day is a seventh of the width."""

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
    incidents: Sequence[Incident] = (),
) -> Markup:
    """The weeks from `start_ns` to `end_ns`; the caller bounds how many those are."""
    any_week = _Weeks(clock, date.min, date.min)
    weeks = _Weeks(clock, any_week.week(start_ns), any_week.week(end_ns - 1))
    height = _HEAD + weeks.count * _ROW
    spans = _spans(weeks, incidents, end_ns)
    outages = [piece for tile in tiles for piece in _outage(weeks, tile, end_ns)]
    return drawing(
        "plot mosaic",
        height + 4,
        *_shapes(),
        *_weekend(height),
        *_now(weeks, end_ns),
        stretched(
            height,
            _grid(weeks, height),
            path("out", *outages),
            path("inc", *spans),
            *_marks(weeks, tiles),
        ),
        group("t st", *_days()),
        group("t y", *_dates(weeks)),
        group("t o st", *(part for tile in _singles(tiles) for part in _length(weeks, tile))),
        *(part for incident in incidents[:_MOST_TITLES] for part in _incident(weeks, incident)),
        *_tiles(weeks, tiles),
    )


def _shapes() -> Iterator[str]:
    yield "<defs>"
    for shape, (class_, drawn) in _SHAPES.items():
        yield f'<path id="t-{shape}" class="{class_}" d="{drawn}"/>'
    yield "</defs>"


def _weekend(height: float) -> Iterator[str]:
    yield box("we", 500 / 7, _HEAD, 200 / 7, height - _HEAD)


def _grid(weeks: _Weeks, height: float) -> str:
    """A line before each day and beneath each week."""
    days = (f"M{short(day * 100 / 7)} 14V{short(height)}" for day in range(7))
    rows = (f"M0 {short(_HEAD + (row + 1) * _ROW)}h100" for row in range(weeks.count))
    return path("gr", *days, *rows)


def _days() -> Iterator[str]:
    for day in range(7):
        yield label("", day * 100 / 7, 11, weekday(day), dx=5)


def _dates(weeks: _Weeks) -> Iterator[str]:
    for index in range(weeks.count):
        week = weeks.first + timedelta(days=7 * index)
        yield beside(weeks.y(week) + 16, weeks.clock.short_date(week), gap=8)


def _now(weeks: _Weeks, end_ns: int) -> Iterator[str]:
    """The future part of the newest week, if the period runs up to now."""
    now_ns = weeks.clock.now_ns
    if weeks.week(now_ns) == weeks.last and abs(now_ns - end_ns) < 60 * SECOND_NS:
        x, y = weeks.x(now_ns), weeks.y(weeks.last)
        yield box("part", x, y, 100 - x, _ROW, HATCH)
        yield upright("now", x, y, y + _ROW)
        if x < 85:
            yield label("t st", x, y + 16, f"now, {weeks.clock.time(now_ns)}", dx=6)


def _spans(weeks: _Weeks, incidents: Iterable[Incident], end_ns: int) -> Iterator[str]:
    """The time of all incidents, row by row, as one path."""
    rows: defaultdict[date, list[tuple[float, float]]] = defaultdict(list)
    for incident in incidents:
        until_ns = max(incident.finished_at_ns or end_ns, incident.started_at_ns)
        for week, begin, end in weeks.pieces(incident.started_at_ns, until_ns):
            rows[week].append((begin, max(end, begin + 0.4)))
    for week, spans in rows.items():
        y = short(weeks.y(week) + 3.5)
        yield from (f"M{short(begin)} {y}H{short(end)}" for begin, end in _merged(spans))


def _merged(spans: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    begin, end = min(spans)
    for other_begin, other_end in sorted(spans):
        if other_begin > end:
            yield begin, end
            begin = other_begin
        end = max(end, other_end) if other_begin <= end else other_end
    yield begin, end


def _incident(weeks: _Weeks, incident: Incident) -> Iterator[str]:
    """The title at the start of an incident."""
    week = weeks.week(incident.started_at_ns)
    if weeks.first <= week <= weeks.last:
        place = box("inc", weeks.x(incident.started_at_ns), weeks.y(week) + 2, 0.4, 3)
        yield linked("", place, titled(incident.words))


def _outage(weeks: _Weeks, tile: Tile, end_ns: int) -> Iterator[str]:
    """A line from a failure to its remediation, or to the end."""
    if tile.shape == "failed":
        for week, begin, end in weeks.pieces(tile.finished_at_ns, tile.remedied_at_ns or end_ns):
            across = short(max(end - begin, 0.4))
            yield f"M{short(begin)} {short(weeks.y(week) + 24.5)}h{across}"


def _length(weeks: _Weeks, tile: Tile) -> Iterator[str]:
    """How long that was, beside its end, where there is room."""
    if tile.shape != "failed" or tile.remedied_at_ns is None:
        return
    week, end = weeks.week(tile.remedied_at_ns), weeks.x(tile.remedied_at_ns)
    if weeks.first <= week <= weeks.last and end < 92:
        words = wording.duration((tile.remedied_at_ns - tile.finished_at_ns) / SECOND_NS)
        yield label("", end, weeks.y(week) + 27, words, dx=6)


def _by_week(weeks: _Weeks, tiles: Iterable[Tile]) -> dict[date, list[Tile]]:
    rows: defaultdict[date, list[Tile]] = defaultdict(list)
    for tile in tiles:
        week = weeks.week(tile.finished_at_ns)
        if weeks.first <= week <= weeks.last:
            rows[week].append(tile)
    return rows


def _tiles(weeks: _Weeks, tiles: Sequence[Tile]) -> Iterator[str]:
    """A link each; where there are many, those alone that are no everyday ones.

    A remediation has no link of its own: the failed deployment links to it.
    """
    singles = _singles(tiles)
    for week, row in _by_week(weeks, singles).items():
        drawn = (
            _tile(weeks, tile)
            if len(singles) == len(tiles) or tile.shape in {"failed", "pending"}
            else _shape(weeks, tile)
            for tile in row
        )
        yield f'<svg y="{short(weeks.y(week) + 12)}">{"".join(drawn)}</svg>'


def _singles(tiles: Sequence[Tile]) -> Sequence[Tile]:
    if len(tiles) <= MOST_TILES:
        return tiles
    rare = [tile for tile in tiles if tile.shape != "ok"]
    return rare if len(rare) <= MOST_TILES else ()


def _tile(weeks: _Weeks, tile: Tile) -> str:
    return linked(tile.link, _shape(weeks, tile), titled(tile.words))


def _shape(weeks: _Weeks, tile: Tile) -> str:
    return f'<use href="#t-{tile.shape}" x="{short(weeks.x(tile.finished_at_ns))}%"/>'


def _marks(weeks: _Weeks, tiles: Sequence[Tile]) -> Iterator[str]:
    """The tiles without links: a stroke for each, or a bar for some hours of a full week."""
    singles = _singles(tiles)
    if len(singles) == len(tiles):
        return
    rows = _by_week(weeks, tiles)
    is_full = len(tiles) > MOST_STROKES
    full = {week: row for week, row in rows.items() if is_full or len(row) > MOST_IN_ROW}
    strokes = [
        (tile, weeks.y(week) + 12)
        for week, row in rows.items()
        if week not in full
        for tile in row
        if tile.shape == "ok" or not singles
    ]
    for class_, is_failed in (("b-ok", False), ("b-day", True)):
        those = [each for each in strokes if (each[0].shape == "failed") == is_failed]
        ends = ((weeks.x(tile.finished_at_ns), y - 4, y + 4) for tile, y in those)
        yield bars(class_, 0.5, ends)
    yield from _hours(weeks, full)


def _hours(weeks: _Weeks, rows: Mapping[date, Sequence[Tile]]) -> Iterator[str]:
    """Bars as high as there are deployments in so many hours; failed ones at the bottom."""
    step = next(
        each
        for each in _HOURS_A_BAR
        if len(rows) * 168 / each <= _MOST_BARS or each == _HOURS_A_BAR[-1]
    )
    placed = {
        week: [(int(weeks.x(tile.finished_at_ns) * 1.68 / step), tile.shape) for tile in row]
        for week, row in rows.items()
    }
    for class_, shapes in _HOURLY:
        drawn: list[tuple[float, float, float]] = []
        for week, row in placed.items():
            highest = max(Counter(bar for bar, _ in row).values())
            counts = Counter(bar for bar, shape in row if shape in shapes)
            foot = weeks.y(week) + 20
            for bar, count in sorted(counts.items()):
                height = max(count / highest * 16, 1)
                drawn.append(((bar + 0.5) * step / 1.68, foot - height, foot))
        yield bars(class_, step / 1.68 * 0.8, drawn)
