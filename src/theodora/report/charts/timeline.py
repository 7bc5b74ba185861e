"""The timeline of a service: rows of weeks or months, with a tile for each deployment."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

from markupsafe import Markup

from theodora.events.values import SECOND_NS
from theodora.report import wording
from theodora.report.charts.svg import (
    HATCH,
    bars,
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
from theodora.report.charts.timeline_rows import ROW, TimelineRows

_INCIDENT, _TILE, _OUTAGE = 5, 14, 25.5
"""The middle of each below the top of its row, in pixels."""
_LAST_LABEL = 78
"""The x beyond which the label of now would leave the drawing of a phone."""
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


def timeline(
    tiles: Sequence[Tile], rows: TimelineRows, end_ns: int, incidents: Sequence[Incident] = ()
) -> Markup:
    """Tiles on `rows`, whose number the caller bounds; what is not over yet runs to `end_ns`."""
    outages = [piece for tile in tiles for piece in _outage(rows, tile, end_ns)]
    return drawing(
        "plot mosaic",
        rows.height + 4,
        *_shapes(),
        *rows.ground(),
        *_now(rows, end_ns),
        stretched(
            rows.height,
            _grid(rows),
            path("out", *(f"M{short(x)} {short(y)}h{short(end - x)}" for x, y, end in outages)),
            path("inc", *_spans(rows, incidents, end_ns)),
            *_marks(rows, tiles),
        ),
        *rows.labels(),
        group("t o st", *_lengths(rows, _singles(tiles), outages)),
        *(part for incident in incidents[:_MOST_TITLES] for part in _incident(rows, incident)),
        *_tiles(rows, tiles),
    )


def _shapes() -> Iterator[str]:
    yield "<defs>"
    for shape, (class_, drawn) in _SHAPES.items():
        yield f'<path id="t-{shape}" class="{class_}" d="{drawn}"/>'
    yield "</defs>"


def _grid(rows: TimelineRows) -> str:
    """A line before each column and beneath each row."""
    height = short(rows.height)
    columns = (f"M{short(x)} {short(rows.head - 6)}V{height}" for x in rows.columns())
    beneath = (f"M0 {short(rows.y(row + 1))}h100" for row in range(rows.count))
    return path("gr", *columns, *beneath)


def _now(rows: TimelineRows, end_ns: int) -> Iterator[str]:
    """The future part of the newest row, if the period runs up to now."""
    now_ns = rows.clock.now_ns
    x, y = rows.x(now_ns), rows.y(0)
    if rows.row(now_ns) == 0 and abs(now_ns - end_ns) < 60 * SECOND_NS and x < 100:
        yield box("part", x, y, 100 - x, ROW, HATCH)
        yield upright("now", x, y, y + ROW)
        if x < _LAST_LABEL:
            yield label("t st", x, y + 18, f"now, {rows.clock.time(now_ns)}", dx=6)


def _spans(rows: TimelineRows, incidents: Iterable[Incident], end_ns: int) -> Iterator[str]:
    """The time of all incidents, row by row, as one path."""
    by_row: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
    for incident in incidents:
        until_ns = max(incident.finished_at_ns or end_ns, incident.started_at_ns)
        for row, begin, end in rows.pieces(incident.started_at_ns, until_ns):
            by_row[row].append((begin, max(end, begin + 0.4)))
    for row, spans in by_row.items():
        y = short(rows.y(row) + _INCIDENT)
        yield from (f"M{short(begin)} {y}H{short(end)}" for begin, end in _merged(spans))


def _merged(spans: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    begin, end = min(spans)
    for other_begin, other_end in sorted(spans):
        if other_begin > end:
            yield begin, end
            begin = other_begin
        end = max(end, other_end) if other_begin <= end else other_end
    yield begin, end


def _incident(rows: TimelineRows, incident: Incident) -> Iterator[str]:
    """The title at the start of an incident."""
    row = rows.row(incident.started_at_ns)
    if rows.has(row):
        place = box("inc", rows.x(incident.started_at_ns), rows.y(row) + _INCIDENT - 1.5, 0.4, 3)
        yield linked("", place, titled(incident.words))


def _outage(rows: TimelineRows, tile: Tile, end_ns: int) -> Iterator[tuple[float, float, float]]:
    """The lines (x, y, end) from a failure to its remediation, or to the end."""
    if tile.shape == "failed":
        for row, begin, end in rows.pieces(tile.finished_at_ns, tile.remedied_at_ns or end_ns):
            yield begin, rows.y(row) + _OUTAGE, max(end, begin + 0.4)


def _lengths(
    rows: TimelineRows, tiles: Iterable[Tile], outages: Iterable[tuple[float, float, float]]
) -> Iterator[str]:
    """How long each outage was, beside its end, where nothing else is."""
    begins = {(y, x) for x, y, _ in outages}
    taken: dict[float, float] = {}
    """How far the labels of a row reach, by its line."""
    for tile in sorted(tiles, key=lambda tile: tile.remedied_at_ns or 0):
        if tile.shape != "failed" or tile.remedied_at_ns is None:
            continue
        row, end = rows.row(tile.remedied_at_ns), rows.x(tile.remedied_at_ns)
        y = rows.y(row) + _OUTAGE
        words = wording.duration((tile.remedied_at_ns - tile.finished_at_ns) / SECOND_NS)
        reach = end + len(words) + 2  # A letter is at most a percent of the width of a computer's.
        is_free = taken.get(y, 0) <= end and not any(
            line == y and end < x < reach for line, x in begins
        )
        if rows.has(row) and reach <= 100 and is_free:
            taken[y] = reach
            yield label("", end, y + 2.5, words, dx=6)


def _by_row(rows: TimelineRows, tiles: Iterable[Tile]) -> dict[int, list[Tile]]:
    found: defaultdict[int, list[Tile]] = defaultdict(list)
    for tile in tiles:
        row = rows.row(tile.finished_at_ns)
        if rows.has(row):
            found[row].append(tile)
    return found


def _tiles(rows: TimelineRows, tiles: Sequence[Tile]) -> Iterator[str]:
    """A link each; where there are many, those alone that are no everyday ones.

    A remediation has no link of its own: the failed deployment links to it.
    """
    singles = _singles(tiles)
    for row, those in _by_row(rows, singles).items():
        drawn = (
            _tile(rows, tile)
            if len(singles) == len(tiles) or tile.shape in {"failed", "pending"}
            else _shape(rows, tile)
            for tile in those
        )
        yield f'<svg y="{short(rows.y(row) + _TILE)}">{"".join(drawn)}</svg>'


def _singles(tiles: Sequence[Tile]) -> Sequence[Tile]:
    if len(tiles) <= MOST_TILES:
        return tiles
    rare = [tile for tile in tiles if tile.shape != "ok"]
    return rare if len(rare) <= MOST_TILES else ()


def _tile(rows: TimelineRows, tile: Tile) -> str:
    return linked(tile.link, _shape(rows, tile), titled(tile.words))


def _shape(rows: TimelineRows, tile: Tile) -> str:
    return f'<use href="#t-{tile.shape}" x="{short(rows.x(tile.finished_at_ns))}%"/>'


def _marks(rows: TimelineRows, tiles: Sequence[Tile]) -> Iterator[str]:
    """The tiles without links: a stroke for each, or a bar for some hours of a full week."""
    singles = _singles(tiles)
    if len(singles) == len(tiles):
        return
    by_row = _by_row(rows, tiles)
    is_full = len(tiles) > MOST_STROKES
    full = {row: those for row, those in by_row.items() if is_full or len(those) > MOST_IN_ROW}
    strokes = [
        (tile, rows.y(row) + _TILE)
        for row, those in by_row.items()
        if row not in full
        for tile in those
        if tile.shape == "ok" or not singles
    ]
    for class_, is_failed in (("b-ok", False), ("b-day", True)):
        those = [each for each in strokes if (each[0].shape == "failed") == is_failed]
        ends = ((rows.x(tile.finished_at_ns), y - 4, y + 4) for tile, y in those)
        yield bars(class_, 0.5, ends)
    yield from _hours(rows, full)


def _hours(rows: TimelineRows, full: Mapping[int, Sequence[Tile]]) -> Iterator[str]:
    """Bars as high as there are deployments in so many hours; failed ones at the bottom."""
    step = next(
        each
        for each in _HOURS_A_BAR
        if len(full) * 168 / each <= _MOST_BARS or each == _HOURS_A_BAR[-1]
    )
    placed = {
        row: [(int(rows.x(tile.finished_at_ns) * 1.68 / step), tile.shape) for tile in those]
        for row, those in full.items()
    }
    for class_, shapes in _HOURLY:
        drawn: list[tuple[float, float, float]] = []
        for row, those in placed.items():
            highest = max(Counter(bar for bar, _ in those).values())
            counts = Counter(bar for bar, shape in those if shape in shapes)
            foot = rows.y(row) + _TILE + 8
            for bar, count in sorted(counts.items()):
                height = max(count / highest * 16, 1)
                drawn.append(((bar + 0.5) * step / 1.68, foot - height, foot))
        yield bars(class_, step / 1.68 * 0.8, drawn)
