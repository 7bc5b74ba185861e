"""SVG elements with x in percent of the width and y in pixels, so that text never scales.

A series is one path in a nested drawing that is stretched over the width; dots, texts and
patterns stay outside of it. Elements have classes instead of styles.
"""

from collections.abc import Iterable, Iterator, Sequence

from markupsafe import Markup, escape

from theodora.report.wording import visible

HATCH = ' fill="url(#hatch)"'
"""The pattern of partial values, defined by the frame."""
STRIPE = ' fill="url(#stripe)"'
"""The pattern of failures, visible without colour."""


def short(value: float) -> str:
    """A coordinate, in as few characters as do: a tenth of a pixel, or of a percent."""
    return f"{round(value, 1) + 0.0:g}"


def drawing(class_: str, height: float, *parts: str) -> Markup:
    """A chart; a table beside it has the same numbers, so screen readers may skip it."""
    inside = "".join(parts)
    return Markup(  # noqa: S704 - parts are made of numbers and of texts that are escaped
        f'<svg class="{class_}" height="{short(height)}" aria-hidden="true">{inside}</svg>'
    )


def stretched(height: float, *parts: str) -> str:
    """Paths whose x are percents of the width."""
    return _nested("0 0 100", height, parts)


def slotted(count: int, height: float, *parts: str) -> str:
    """Paths of slots side by side: x counts them, and 0 is the middle of the first."""
    return _nested(f"-.5 0 {count}", height, parts)


def _nested(view: str, height: float, parts: Iterable[str]) -> str:
    inside = "".join(parts)
    if not inside:
        return ""
    tall = short(height)
    return f'<svg viewBox="{view} {tall}" height="{tall}" preserveAspectRatio="none">{inside}</svg>'


def path(class_: str, *moves: str) -> str:
    drawn = "".join(moves)
    return f'<path class="{class_}" d="{drawn}"/>' if drawn else ""


def bars(class_: str, width: float, those: Iterable[tuple[float, float, float]]) -> str:
    """Upright bars (x, top, bottom) as one path of strokes, for what is stretched.

    `width` is in what x is: slots, or percents.
    """
    drawn = "".join(_strokes(those))
    across = f"{round(width, 2):g}"
    return f'<path class="{class_}" stroke-width="{across}" d="{drawn}"/>' if drawn else ""


def _strokes(those: Iterable[tuple[float, float, float]]) -> Iterator[str]:
    """To the foot of each bar and up to its top, from the bar before where that is shorter."""
    at_x = at_y = None
    for bar in those:
        x, high, low = (round(each, 1) for each in bar)
        whole = f"M{short(x)} {short(low)}V{short(high)}"
        step = whole
        if at_x is not None and at_y is not None:
            down = _shorter(low - at_y)
            space = "" if down.startswith("-") else " "
            step = f"m{_shorter(x - at_x)}{space}{down}v{_shorter(high - low)}"
        yield min(step, whole, key=len)
        at_x, at_y = x, high


def _shorter(value: float) -> str:
    """The same as `short`, without a zero before the point."""
    return short(value).replace("0.", ".", 1) if abs(value) < 1 else short(value)


def dots(class_: str, those: Iterable[tuple[float, float]]) -> str:
    """Dots (x, y) as one path: strokes without length, whose round ends are not stretched."""
    return path(class_, *(f"M{short(x)} {short(y)}h0" for x, y in those))


def line(class_: str, points: Iterable[tuple[float, float]]) -> str:
    """A line through points, for what is stretched."""
    drawn = " ".join(f"{short(x)},{short(y)}" for x, y in points)
    return f'<polyline class="{class_}" points="{drawn}"/>'


def box(class_: str, x: float, y: float, width: float, height: float, more: str = "") -> str:
    """A rectangle by itself; without a class, one of a `group`."""
    named = f'class="{class_}" ' if class_ else ""
    return (
        f'<rect {named}x="{short(x)}%" y="{short(y)}" width="{short(width)}%" '
        f'height="{short(height)}"{more}/>'
    )


def group(class_: str, *parts: str, more: str = "") -> str:
    """A group of elements that share a class and other attributes."""
    inside = "".join(parts)
    return f'<g class="{class_}"{more}>{inside}</g>' if inside else ""


def level(class_: str, y: float) -> str:
    """A line across the full width."""
    return f'<line class="{class_}" x2="100%" y1="{short(y)}" y2="{short(y)}"/>'


def upright(class_: str, x: float, y1: float, y2: float) -> str:
    place = short(x)
    return f'<line class="{class_}" x1="{place}%" x2="{place}%" y1="{short(y1)}" y2="{short(y2)}"/>'


def label(class_: str, x: float, y: float, words: str, dx: float = 0) -> str:
    """A text, aligned by its class; without a class, a text of a `group`."""
    named = f'class="{class_}" ' if class_ else ""
    shift = f' dx="{short(dx)}"' if dx else ""
    return f'<text {named}x="{short(x)}%" y="{short(y)}"{shift}>{safe(words)}</text>'


def beside(y: float, words: str, gap: float = 7) -> str:
    """A text of a `group` that ends so many pixels left of the drawing."""
    return f'<text x="{short(-gap)}" y="{short(y)}">{safe(words)}</text>'


def hits(those: Sequence[tuple[str, str]]) -> str:
    """The topmost layer, with the link and title of each slot.

    A slot that has no words is passed over.
    """
    found = "".join(_hit(index, *each) for index, each in enumerate(those) if each[1])
    return _hits(len(those), "", found)


def hits_of_table(cells: Iterable[int], count: int) -> str:
    """The same, made by the script from the rows of the table of intervals."""
    return _hits(count, f' data-cells="{" ".join(map(str, cells))}"', "")


def _hits(count: int, more: str, inside: str) -> str:
    view = f'viewBox="0 0 {count} 1" preserveAspectRatio="none"'
    return f'<svg class="hit" {view}{more}>{inside}</svg>'


def titled(words: str) -> str:
    return f"<title>{safe(words)}</title>"


def linked(href: str, *parts: str) -> str:
    """A link that the keyboard skips, because the table has the same links."""
    inside = "".join(parts)
    return f'<a href="{safe(href)}" tabindex="-1">{inside}</a>' if href else f"<g>{inside}</g>"


def _hit(index: int, href: str, words: str) -> str:
    place = f' x="{index}"' if index else ""
    if href:
        return linked(href, f"<rect{place}/>", titled(words))
    return f"<rect{place}>{titled(words)}</rect>"


def triangle(class_: str, x: float, y: float, *parts: str, points_up: bool) -> str:
    """Six pixels high; its centre is at `x`, its base or tip at `y`."""
    path = "M-5 6h10L0 0z" if points_up else "M-5 0h10L0 6z"
    inside = "".join(parts)
    return f'<svg x="{short(x)}%" y="{short(y)}"><path class="{class_}" d="{path}"/>{inside}</svg>'


def safe(words: str) -> str:
    """Escaped, and without what XML may not hold or what turns directions."""
    return str(escape(visible(words)))
