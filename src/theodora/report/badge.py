"""Badges: a metric of a service as a small SVG image, for README files."""

from theodora.report.charts.svg import safe

_LETTER_PX = 6.6
"""About the mean width of a letter of the font: no browser is asked."""
_PADDING_PX = 6
_HEIGHT_PX = 20


def badge_svg(label: str, value: str) -> str:
    """A label and a value beside it."""
    left, right = (round(len(text) * _LETTER_PX) + 2 * _PADDING_PX for text in (label, value))
    width = left + right
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT_PX}" '
        f'role="img" aria-label="{safe(label)}: {safe(value)}">'
        f"<title>{safe(label)}: {safe(value)}</title>"
        f'<rect width="{width}" height="{_HEIGHT_PX}" rx="3" fill="#1f5fbf"/>'
        f'<path fill="#444" d="M3 0h{left - 3}v{_HEIGHT_PX}H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z"/>'
        f'<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" '
        f'font-size="11"><text x="{left / 2:g}" y="14">{safe(label)}</text>'
        f'<text x="{left + right / 2:g}" y="14">{safe(value)}</text></g></svg>'
    )
