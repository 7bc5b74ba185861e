"""The parser of operands, by the type of the field."""

import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

from theodora.events import nanoseconds_from_integer, nanoseconds_from_rfc3339
from theodora.query.ast import NOTHING, Equals, Exists, NumberRange, Query
from theodora.query.fields import Field, Target, Type

Exact: TypeAlias = Decimal | Fraction | int

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1

EXPECTED = {
    Type.NUMBER: "a number",
    Type.DURATION: "a duration",
    Type.TIME: "a date-time",
}
"""The types whose values are integers, and the required form of an operand."""

_UNSIGNED = r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
_NUMBER = re.compile(rf"[+-]?{_UNSIGNED}(?:[eE][+-]?[0-9]{{1,3}})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_UNITS_SECONDS = {
    "w": Fraction(604_800),
    "d": Fraction(86_400),
    "h": Fraction(3_600),
    "m": Fraction(60),
    "s": Fraction(1),
    "ms": Fraction(1, 10**3),
    "us": Fraction(1, 10**6),
    "ns": Fraction(1, 10**9),
}
_DURATION = re.compile("".join(rf"(?:({_UNSIGNED}){unit})?" for unit in _UNITS_SECONDS))


def parse_number(text: str) -> Decimal | None:
    """A decimal number, `E` and an exponent of up to three digits allowed: `-1.5`, `2E6`.

    It is exact, never a float: a build number may have more digits than a double holds.
    """
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def seconds(text: str) -> Exact | None:
    """A duration: a number of seconds, or units in falling order: `90`, `1h30m`, `1.5h`."""
    match = _DURATION.fullmatch(text)
    if not match or not text:
        return parse_number(text)
    counts = zip(match.groups(), _UNITS_SECONDS.values(), strict=True)
    return sum((Fraction(count) * unit for count, unit in counts if count), Fraction(0))


def instant_ns(text: str) -> Exact | None:
    """An instant: RFC 3339, a date (its midnight in UTC), or an integer by magnitude."""
    if _DATE.fullmatch(text):
        return nanoseconds_from_rfc3339(f"{text}T00:00:00Z")
    integer = parse_number(text)
    if integer is None:
        return nanoseconds_from_rfc3339(text)
    return nanoseconds_from_integer(int(integer)) if integer == int(integer) else None


def exact(type_: Type, text: str) -> Exact | None:
    """`text` as a number of the type's unit; None if it is not of the type."""
    match type_:
        case Type.NUMBER:
            return parse_number(text)
        case Type.DURATION:
            return seconds(text)
        case Type.TIME:
            return instant_ns(text)
        case Type.TEXT | Type.BOOLEAN:
            return None


def equals(target: Target, text: str) -> Query:
    """The leaf for `target:text`; a text of another type than the target's matches nothing."""
    if not isinstance(target, Field) or target.type is Type.TEXT:
        return Equals(target, text)
    if target.type is Type.BOOLEAN:
        return Equals(target, text == "true") if text in {"true", "false"} else NOTHING
    value = exact(target.type, text)
    return NOTHING if value is None else number_range(target, math.ceil(value), math.floor(value))


def number_range(field: Field, low: int | None, high: int | None) -> Query:
    """The range of integers from `low` to `high`, with ends that fit int64, as all values do."""
    if (low is not None and low > _INT64_MAX) or (high is not None and high < _INT64_MIN):
        return NOTHING
    low = None if low is not None and low < _INT64_MIN else low
    high = None if high is not None and high > _INT64_MAX else high
    return Exists(field) if low is None and high is None else NumberRange(field, low, high)


def first_integer(low: Exact, *, inclusive: bool) -> int:
    """The least integer from `low` up."""
    return math.ceil(low) if inclusive else math.floor(low) + 1


def last_integer(high: Exact, *, inclusive: bool) -> int:
    """The greatest integer up to `high`."""
    return math.floor(high) if inclusive else math.ceil(high) - 1
