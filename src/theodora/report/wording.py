"""Wording of numbers, spans, changes and names: pure functions, and filters for templates.

An unknown value is shown as words, which the caller may choose, and never as 0. Rounding never
makes a claim: a rate of 0.04 % is `<0.1 %`, not 0.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.shapes import Change, Frequency, Rate
from theodora.dora.metrics.significance import FEWEST_DURATIONS
from theodora.dora.metrics.statistics import Distribution
from theodora.dora.metrics.table import Metric

NARROW = "\u202f"
"""A narrow no-break space: it groups digits and precedes units."""

TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that turn the direction of the text after them."""

_UNWRITABLE = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff{TURNING}]")
"""What acts, or what no XML may hold."""

ABSENT = "no value"
DASH = "—"
"""An absent value, in dense tables only."""

MINUTE_SEC = 60
HOUR_SEC = 3_600
DAY_SEC = 86_400

_DAYS_WITH_HOURS = 10
"""From here on hours no longer matter."""


class Part(NamedTuple):
    """A figure and its unit, which pages may set in different sizes."""

    figure: str
    unit: str


Tone = Literal["better", "worse", ""]
Direction = Literal["up", "down", "level"]


class Movement(NamedTuple):
    """How a metric differs from the previous period, in words."""

    words: str
    direction: Direction
    tone: Tone
    """Empty where chance explains the difference, or there is none to speak of."""
    before: str
    """The previous value; empty if there was none."""


def number(value: float | None, absent: str = ABSENT) -> str:
    """A count with its digits in groups: `1 407`."""
    if value is None or not math.isfinite(value):
        return absent
    return f"{round(value):,}".replace(",", NARROW).replace("-", "−")


def decimal(value: float | None, absent: str = ABSENT) -> str:
    """A number with one decimal: `8.2`; `<0.1` for what would round to nothing."""
    if value is None or not math.isfinite(value):
        return absent
    if 0 < abs(value) < 0.05:
        return "<0.1"
    return f"{value:,.1f}".replace(",", NARROW).replace("-", "−")


def percent(share: float | None, absent: str = ABSENT) -> str:
    """A share of 1 with one decimal: `7.3 %`; only all is `100.0 %`, only nothing `0.0 %`."""
    if share is None or not math.isfinite(share * 100):
        return absent
    if 0.9995 <= share < 1:
        return f">99.9{NARROW}%"
    return f"{decimal(share * 100)}{NARROW}%"


def whole_percent(share: float | None, absent: str = ABSENT) -> str:
    """A share of a total: `34 %`, `<1 %`."""
    if share is None or not math.isfinite(share * 100):
        return absent
    return f"{'<1' if 0 < share < 0.005 else number(share * 100)}{NARROW}%"


def duration_parts(seconds: float) -> tuple[Part, ...]:
    """One part or two: the largest unit, and the next where it still matters."""
    if 0 < seconds < 0.5:
        return (Part("<1", "s"),)
    if (rounded := _rounded(seconds)) < MINUTE_SEC:
        return (Part(str(rounded), "s"),)
    if (minutes := _rounded(seconds / MINUTE_SEC)) < 60:
        return (Part(str(minutes), "min"),)
    if minutes < DAY_SEC // MINUTE_SEC:
        return _two_parts(minutes, 60, "h", "min")
    if (hours := _rounded(seconds / HOUR_SEC)) < _DAYS_WITH_HOURS * 24:
        return _two_parts(hours, 24, "d", "h")
    return (Part(number(_rounded(seconds / DAY_SEC)), "d"),)


def duration(seconds: float | None, absent: str = ABSENT) -> str:
    """`40 s`, `47 min`, `3 h 20 min`, `2 d 4 h`, `34 d`; it never breaks over lines."""
    if seconds is None or not math.isfinite(seconds):
        return absent
    sign = "−" if seconds < 0 else ""
    parts = duration_parts(abs(seconds))
    return sign + "\u00a0".join(f"{part.figure}{NARROW}{part.unit}" for part in parts)


def frequency_parts(frequency: Frequency) -> Part | None:
    """The frequency in the most readable unit: per day from 1 a day on, else per week or month.

    None where there is nothing to compute a rate of.
    """
    if not frequency.count or frequency.per_day is None:
        return None
    for rate, unit in (
        (frequency.per_day, "a day"),
        (frequency.per_week, "a week"),
        (frequency.per_month, "a month"),
    ):
        if rate is not None and (rate >= 1 or unit == "a month"):
            return Part(decimal(rate), unit)
    return None


def frequency_in(frequency: Frequency, unit: str) -> float | None:
    """The frequency in a unit of `frequency_parts`."""
    return None if frequency.per_day is None else frequency.per_day * _PER[unit]


def frequency(frequency: Frequency, absent: str = "no deployments") -> str:
    """`8.2 a day`."""
    part = frequency_parts(frequency)
    return f"{part.figure}\u00a0{part.unit}" if part else absent


def counted(count: int, noun: str, plural: str = "") -> str:
    """`no deployments`, `1 deployment`, `662 deployments`."""
    many = plural or noun + "s"
    return f"1 {noun}" if count == 1 else f"{number(count) if count else 'no'} {many}"


def of_all(hits: int, n: int) -> str:
    """`39 of 658`."""
    return f"{number(hits)} of {number(n)}"


def interval(low: float | None, high: float | None) -> str:
    """The ends of a rate's interval: `3 to 21 %`; empty if there is none."""
    if low is None or high is None:
        return ""
    return f"{round(low * 100)} to {round(high * 100)}{NARROW}%"


def days(length: float) -> str:
    """The exact length of a period: `80.6 days`, `84 days`."""
    text = decimal(length)
    return f"{text.removesuffix('.0')} {'day' if text == '1.0' else 'days'}"


def movement(metric: Metric[Any], now: Metrics, before: Metrics, change: Change) -> Movement:
    """The change of a metric, and its significance."""
    if change.delta is None:
        return _NOTHING_TO_COMPARE
    match now[metric], before[metric]:
        case Rate(), Rate() as was:
            moved = _rate_moved(was, change.delta)
        case Distribution() as ours, Distribution() as was:
            if min(ours.n, was.n) < FEWEST_DURATIONS:
                return Movement("too few to compare", "level", "", f"{duration(was.p50)} before")
            moved = _duration_moved(was, change.delta)
        case ours, was:
            moved = _frequency_moved(ours, was, change.delta)
    return _movement(metric, change, *moved)


def visible(text: str) -> str:
    """`text` with control characters as their pictures, so that none acts or breaks a page."""
    return _UNWRITABLE.sub(_pictured, text)


def plain(text: str, limit: int = 80) -> str:
    """A name for titles and labels, which have no markup: cut, and kept apart by direction."""
    shown = visible(text if len(text) <= limit else text[: limit - 1] + "…")
    return shown if shown.isascii() else f"\u2068{shown}\u2069"


def short_sha(sha: str) -> str:
    return sha[:7]


FILTERS: Mapping[str, Callable[..., Any]] = {
    "number": number,
    "decimal": decimal,
    "percent": percent,
    "whole_percent": whole_percent,
    "duration": duration,
    "duration_parts": duration_parts,
    "frequency": frequency,
    "frequency_parts": frequency_parts,
    "counted": counted,
    "days": days,
    "visible": visible,
    "plain": plain,
    "short_sha": short_sha,
}
"""The names of these functions in templates."""


def _rounded(value: float) -> int:
    """The nearest integer, halves up."""
    return math.floor(value + 0.5)


def _two_parts(count: int, size: int, unit: str, smaller: str) -> tuple[Part, ...]:
    whole, rest = divmod(count, size)
    first = Part(str(whole), unit)
    return (first, Part(str(rest), smaller)) if rest else (first,)


_NOTHING_TO_COMPARE = Movement("nothing to compare with", "level", "", "")


def _rate_moved(before: Rate, delta: float) -> tuple[str, str, str]:
    """The words for more, for less, and for the value before."""
    points = decimal(abs(delta))
    words = f"{points} {'point' if points == '1.0' else 'points'}"
    return f"{words} higher", f"{words} lower", percent(before.value)


def _duration_moved(before: Distribution, delta: float) -> tuple[str, str, str]:
    words = duration(abs(delta))
    return f"{words} longer", f"{words} shorter", duration(before.p50)


_PER = {"a day": 1.0, "a week": 7.0, "a month": 365.2425 / 12}


def _frequency_moved(now: Frequency, before: Frequency, delta: float) -> tuple[str, str, str]:
    part = frequency_parts(now) or frequency_parts(before)
    unit = part.unit if part else "a week"
    words = decimal(abs(delta) * _PER[unit])
    return f"{words} more {unit}", f"{words} fewer {unit}", decimal(frequency_in(before, unit))


def _movement(metric: Metric[Any], change: Change, more: str, less: str, before: str) -> Movement:
    was = f"{before} before"
    if not change.delta:
        return Movement("unchanged", "level", "", was)
    direction: Direction = "up" if change.delta > 0 else "down"
    words = more if direction == "up" else less
    if change.within_noise:
        return Movement(f"{words}, within noise", direction, "", was)
    return Movement(words, direction, "better" if direction == metric.better else "worse", was)


def _pictured(found: re.Match[str]) -> str:
    character = found[0]
    if character < "\x20":
        return chr(0x2400 + ord(character))
    return "\u2421" if character == "\x7f" else "\ufffd"
