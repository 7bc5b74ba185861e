"""Timestamps on the wire: integers whose magnitude determines the unit, and RFC 3339."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from theodora.events.json_values import JsonValue, exact_integer, type_name

INT64_MAX = 2**63 - 1

_UNITS_NS = (
    (10**11, 10**9),
    (10**14, 10**6),
    (10**17, 10**3),
    (INT64_MAX + 1, 1),
)
"""Upper bound (exclusive) of a value in each unit, and the unit's nanoseconds."""

_RFC3339 = re.compile(
    r"""(\d{4})-(\d\d)-(\d\d) [Tt\ ] (\d\d):(\d\d):(\d\d) (?:\.(\d{1,9}))?
        (?:\ ? (?: ([Zz]) | ([+-])(\d\d):?(\d\d) ) | \ (UTC) )""",
    re.VERBOSE | re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def nanoseconds_from_integer(value: int) -> int | None:
    """`value` in seconds, milliseconds, microseconds or nanoseconds, as nanoseconds.

    None if it is not positive or does not fit int64 nanoseconds.
    """
    if value <= 0:
        return None
    for bound, unit_ns in _UNITS_NS:
        if value < bound:
            instant = value * unit_ns
            return instant if instant <= INT64_MAX else None
    return None


def nanoseconds_from_json(value: JsonValue) -> int | None:
    """The instant of a number in any of four units, or of an RFC 3339 text.

    None for anything else, and for what does not fit int64 nanoseconds.
    """
    if isinstance(value, str):
        instant_ns = nanoseconds_from_rfc3339(value.strip())
        return instant_ns if instant_ns is not None and abs(instant_ns) <= INT64_MAX else None
    integer = exact_integer(value) if type_name(value) == "number" else None
    return None if integer is None else nanoseconds_from_integer(integer)


def nanoseconds_from_rfc3339(text: str) -> int | None:
    """An RFC 3339 date-time with an offset, as nanoseconds; None if it is not one.

    One space may replace the `T` or precede the offset; ` UTC` and `+hhmm` are read too.
    A leap second (`:60`) is the first instant of the next minute. The value may lie outside
    int64: a window's end in the year 9999 is still a window's end.
    """
    match = _RFC3339.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
    offset_minutes = _offset_minutes(match)
    if second > 60 or offset_minutes is None:
        return None
    try:
        start_of_minute = datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return None
    whole = start_of_minute - _EPOCH
    seconds = whole.days * 86_400 + whole.seconds + second - offset_minutes * 60
    return seconds * 10**9 + int((match[7] or "").ljust(9, "0"))


def offset_minutes_of(text: str) -> int | None:
    """How far the clock of an RFC 3339 date-time is ahead of UTC; None for `Z` and for others."""
    match = _RFC3339.fullmatch(text.strip())
    return _offset_minutes(match) if match and match[9] is not None else None


def _offset_minutes(match: re.Match[str]) -> int | None:
    if match[9] is None:
        return 0
    hours, minutes = int(match[10]), int(match[11])
    if hours > 23 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-1 if match[9] == "-" else 1)


def format_rfc3339(instant_ns: int) -> str:
    """UTC with `Z`, and the fewest of 0, 3, 6 or 9 fraction digits that hold the value."""
    seconds, fraction = divmod(instant_ns, 10**9)
    days, second_of_day = divmod(seconds, 86_400)
    minute_of_day, second = divmod(second_of_day, 60)
    hour, minute = divmod(minute_of_day, 60)
    whole = f"{_date(days)}T{hour:02d}:{minute:02d}:{second:02d}"
    if not fraction:
        return whole + "Z"
    digits = f"{fraction:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{whole}.{digits}Z"


def format_second(instant_ns: int) -> str:
    """`2026-11-12T16:12:07Z`: an instant in tables and states of commands, without its fraction."""
    return f"{format_rfc3339(instant_ns)[:19]}Z"


def format_minute(instant_ns: int) -> str:
    """`2026-11-12 16:12 UTC`: an instant in messages."""
    return f"{format_rfc3339(instant_ns)[:16].replace('T', ' ')} UTC"


@lru_cache(maxsize=4096)
def _date(days: int) -> str:
    return (_EPOCH + timedelta(days=days)).date().isoformat()
