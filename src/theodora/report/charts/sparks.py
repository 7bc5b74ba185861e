"""Sparklines and score bars beside a value."""

from collections.abc import Sequence

from markupsafe import Markup

from theodora.report.charts.svg import (
    HATCH,
    bars,
    box,
    dots,
    drawing,
    path,
    short,
    slotted,
)

_HEIGHT = 28
_INSET = 0.12
_TILE, _GAP = 9, 2
_PITCH = _TILE + _GAP
TILES = 10


def sparkline(
    values: Sequence[float | None], *, last_is_partial: bool = False, highest: float = 0
) -> Markup:
    """A bar an interval, a dot where there is no value.

    As high as there is room is the highest of them, or `highest`: bars above it are cut off, with a
    line at their end.
    """
    most = highest or max((value for value in values if value is not None), default=0) or 1
    tops = [
        None if value is None else _HEIGHT - max(round(min(value / most, 1) * _HEIGHT), 1)
        for value in values
    ]
    cut = (index for index, value in enumerate(values) if value is not None and value > most)
    running = ""
    if last_is_partial and tops and tops[-1] is not None:
        slot, top = 100 / len(tops), tops.pop() or 0
        x, width = (len(tops) + _INSET) * slot, slot * (1 - 2 * _INSET)
        running = box("sp-p", x, top, width, _HEIGHT - top, HATCH)
    known = [(index, top, _HEIGHT) for index, top in enumerate(tops) if top is not None]
    unknown = [(index, _HEIGHT - 2) for index, top in enumerate(tops) if top is None]
    series = slotted(
        len(values),
        _HEIGHT,
        bars("sp", 1 - 2 * _INSET, known),
        dots("nil", unknown),
        path("cut", *(f"M{short(index - 0.4)} 1h.8" for index in cut)),
    )
    return drawing("spark", _HEIGHT, series, running)


def score_tiles(score: float, mean: float | None = None) -> Markup:
    """Ten tiles for a score from 0 to 10, and a triangle beneath at the mean of others.

    Tiles are the dashes of a line, so that a line as long as the score fills its share of them.
    """
    width = _length(TILES)
    mark = ""
    if mean is not None:
        mark = f'<path class="tm" d="M{short(mean * _PITCH - _GAP / 2)} 10.5l3.5 5h-7z"/>'
    return Markup(  # noqa: S704 - made of numbers alone
        f'<svg class="tiles" width="{short(width)}" height="16" aria-hidden="true">'
        f'<path class="tl" d="M0 4.5h{short(width)}"/>'
        f'<path class="tf" d="M0 4.5h{short(_length(score))}"/>{mark}</svg>'
    )


def _length(score: float) -> float:
    """The length in pixels: complete tiles with their gaps, and the share of the last one."""
    whole = int(score)
    return whole * _PITCH + (score - whole) * _TILE - (_GAP if whole == score > 0 else 0)
