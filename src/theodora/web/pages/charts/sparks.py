"""Small drawings beside a value: how it went, and where it stands."""

from collections.abc import Sequence

from markupsafe import Markup

from theodora.web.pages.charts.svg import HATCH, box, boxes, drawing, short, stretched

_HEIGHT = 28
_INSET = 0.12
_TILE, _PITCH = 9, 11
TILES = 10


def sparkline(values: Sequence[float | None], *, last_is_partial: bool = False) -> Markup:
    """A bar an interval, the highest as high as there is room; a dot where there is no value."""
    highest = max((value for value in values if value is not None), default=0) or 1
    slot = 100 / max(len(values), 1)
    width = slot * (1 - 2 * _INSET)
    bars: list[tuple[float, float, float, float]] = []
    nothing: list[tuple[float, float, float, float]] = []
    running = ""
    for index, value in enumerate(values):
        x = (index + _INSET) * slot
        if value is None:
            nothing.append((x + width / 4, _HEIGHT - 2, width / 2, 2))
            continue
        height = max(value / highest * _HEIGHT, 1)
        if last_is_partial and index == len(values) - 1:
            running = box("sp-p", x, _HEIGHT - height, width, height, HATCH)
        else:
            bars.append((x, _HEIGHT - height, width, height))
    series = stretched(_HEIGHT, boxes("sp", bars), boxes("nil", nothing))
    return drawing("spark", _HEIGHT, series, running)


def score_tiles(score: float, mean: float | None = None) -> Markup:
    """Ten tiles for a score from 0 to 10, and a triangle beneath at the mean of others."""
    filled = "".join(_tile(index, min(1.0, score - index)) for index in range(TILES))
    blank = "".join(_tile(index, 1.0) for index in range(TILES))
    mark = ""
    if mean is not None:
        tip = short(mean * _PITCH - (_PITCH - _TILE) / 2)
        mark = f'<path class="tm" d="M{tip} 10.5l3.5 5h-7z"/>'
    width = TILES * _PITCH - (_PITCH - _TILE)
    return Markup(  # noqa: S704 - made of numbers alone
        f'<svg class="tiles" width="{width}" height="16" aria-hidden="true">'
        f'<path class="tl" d="{blank}"/><path class="tf" d="{filled}"/>{mark}</svg>'
    )


def _tile(index: int, share: float) -> str:
    if share <= 0:
        return ""
    width = short(_TILE * share)
    return f"M{index * _PITCH} 0h{width}v{_TILE}h-{width}z"
