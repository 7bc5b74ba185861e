"""Parts of drawings: x in percent of the width, y in pixels, so that text never scales.

A whole series is one path in a nested drawing that is stretched over the width; dots, texts
and patterns stay outside of it. Nothing has a style of its own: classes do.
"""

from collections.abc import Iterable

from markupsafe import Markup, escape

from theodora.web.pages.wording import visible

HATCH = ' fill="url(#hatch)"'
"""Of what is partial; the frame defines the pattern."""
STRIPE = ' fill="url(#stripe)"'
"""Of what failed, so that it is told apart without colour."""


def short(value: float) -> str:
    """A coordinate, in as few characters as do."""
    return f"{round(value, 2) + 0.0:g}"


def drawing(class_: str, height: float, *parts: str) -> Markup:
    """A whole chart; a table beside it holds the same numbers, so readers may pass over it."""
    inside = "".join(parts)
    return Markup(  # noqa: S704 - parts are made of numbers and of texts that are escaped
        f'<svg class="{class_}" height="{short(height)}" aria-hidden="true">{inside}</svg>'
    )


def stretched(height: float, *parts: str) -> str:
    """Paths whose x are percents of the width."""
    inside = "".join(parts)
    if not inside:
        return ""
    return (
        f'<svg viewBox="0 0 100 {short(height)}" height="{short(height)}" '
        f'preserveAspectRatio="none">{inside}</svg>'
    )


def boxes(class_: str, those: Iterable[tuple[float, float, float, float]]) -> str:
    """Rectangles (x, y, width, height) as one path, for `stretched`."""
    drawn = "".join(
        f"M{short(x)} {short(y)}h{short(width)}v{short(height)}h{short(-width)}z"
        for x, y, width, height in those
        if height > 0
    )
    return f'<path class="{class_}" d="{drawn}"/>' if drawn else ""


def line(class_: str, points: Iterable[tuple[float, float]]) -> str:
    """A line through points, for `stretched`."""
    drawn = " ".join(f"{short(x)},{short(y)}" for x, y in points)
    return f'<polyline class="{class_}" points="{drawn}"/>'


def box(class_: str, x: float, y: float, width: float, height: float, more: str = "") -> str:
    return (
        f'<rect class="{class_}" x="{short(x)}%" y="{short(y)}" width="{short(width)}%" '
        f'height="{short(height)}"{more}/>'
    )


def level(class_: str, y: float) -> str:
    """A line over the whole width."""
    return f'<line class="{class_}" x2="100%" y1="{short(y)}" y2="{short(y)}"/>'


def upright(class_: str, x: float, y1: float, y2: float) -> str:
    place = short(x)
    return f'<line class="{class_}" x1="{place}%" x2="{place}%" y1="{short(y1)}" y2="{short(y2)}"/>'


def label(class_: str, x: float, y: float, words: str, dx: float = 0) -> str:
    """A text; its class says how it is aligned."""
    shift = f' dx="{short(dx)}"' if dx else ""
    return f'<text class="{class_}" x="{short(x)}%" y="{short(y)}"{shift}>{safe(words)}</text>'


def titled(words: str) -> str:
    return f"<title>{safe(words)}</title>"


def linked(href: str, *parts: str) -> str:
    """What leads somewhere. The keyboard passes over it: the table has the same links."""
    inside = "".join(parts)
    return f'<a href="{safe(href)}" tabindex="-1">{inside}</a>' if href else f"<g>{inside}</g>"


def triangle(class_: str, x: float, y: float, *parts: str, points_up: bool) -> str:
    """Six pixels high; its centre is at `x`, its base or tip at `y`."""
    path = "M-5 6h10L0 0z" if points_up else "M-5 0h10L0 6z"
    inside = "".join(parts)
    return (
        f'<svg class="ov" x="{short(x)}%" y="{short(y)}">'
        f'<path class="{class_}" d="{path}"/>{inside}</svg>'
    )


def safe(words: str) -> str:
    """Escaped, and without what XML may not hold or what turns directions."""
    return str(escape(visible(words)))
