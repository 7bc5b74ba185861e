"""Parameters that pages and the metrics API have in common: zone, week start, period, interval.

Details of problems do not name the parameter: each caller adds it in its own form.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import TypeVar, get_args
from zoneinfo import ZoneInfo

from theodora.dora.metrics.calendar import Calendar, Period, WeekStart
from theodora.errors import Invalid, Problem
from theodora.events import nanoseconds_from_integer, nanoseconds_from_rfc3339
from theodora.events.attributes import shortened
from theodora.events.values import SECOND_NS

T = TypeVar("T")
C = TypeVar("C", bound=str)

DEFAULT_WEEKS = 12
"""Weeks in the default period, including the running one."""

_LAST_NS = 2**63 - 1
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,3}")
_INTEGER = re.compile(r"[0-9]{1,19}")
_LOCAL_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?", re.ASCII
)
_WITHOUT_SECONDS = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d)(Z|[+-]\d\d:?\d\d)", re.ASCII)


class Parameters:
    """Texts by name, read one by one; collects their problems."""

    def __init__(self, given: Mapping[str, str]) -> None:
        """An empty text counts as absent."""
        self._given = given
        self._problems: list[Problem] = []

    def given(self, name: str) -> str:
        return self._given.get(name, "")

    def read(self, name: str, read: Callable[[str], T], default: T) -> T:
        """What `read` makes of the text; the problems that it raises are of this parameter."""
        text = self.given(name)
        if not text:
            return default
        try:
            return read(text)
        except Invalid as invalid:
            self.add(name, *(problem.detail for problem in invalid.problems))
            return default

    def choice(self, name: str, choices: Sequence[C], default: C) -> C:
        return self.read(name, lambda text: _chosen(choices, text), default)

    def add(self, name: str, *details: str) -> None:
        self._problems += [Problem(detail, parameter=shortened(name)) for detail in details]

    @property
    def has_problems(self) -> bool:
        return bool(self._problems)

    def check(self) -> None:
        """Raises `Invalid` with every problem, if there is any."""
        if self._problems:
            raise Invalid(*self._problems)


def known_parameters(given: Iterable[tuple[str, str]], names: Sequence[str]) -> Parameters:
    """The parameters of a request; those of other names and repeated ones become problems."""
    texts: dict[str, str] = {}
    parameters = Parameters(texts)
    for name, text in given:
        if name not in names:
            parameters.add(name, f'must be one of "{" ".join(names)}"')
        elif name in texts:
            parameters.add(name, "must be given once")
        else:
            texts[name] = text.strip()
    return parameters


def _chosen(choices: Sequence[C], text: str) -> C:
    for choice in choices:
        if choice == text:
            return choice
    raise Invalid(Problem(f'must be one of "{" ".join(choices)}"'))


def read_calendar(parameters: Parameters, defaults: Calendar) -> Calendar:
    return Calendar(
        parameters.read("timezone", zone_named, defaults.zone),
        parameters.choice("week_start", get_args(WeekStart), defaults.week_start),
    )


def read_period(parameters: Parameters, calendar: Calendar, as_of_ns: int) -> Period:
    """It ends `as_of_ns` and begins twelve weeks earlier, unless its ends are given."""
    end_ns = parameters.read("to", instants_in(calendar), as_of_ns)
    start_ns = calendar.start_of_last(DEFAULT_WEEKS, "week", end_ns)
    period = Period(parameters.read("from", instants_in(calendar), max(start_ns, 0)), end_ns)
    if period.start_ns >= period.end_ns and not parameters.has_problems:
        parameters.add("from", 'must be before parameter "to"')
    return period


def instants_in(calendar: Calendar) -> Callable[[str], int]:
    """Reads instants; what names no zone is in the calendar's."""

    def read(text: str) -> int:
        instant_ns = _instant_of(text, calendar)
        if instant_ns is None or not 0 <= instant_ns <= _LAST_NS:
            example = '"2026-11-09" or "2026-11-09T14:00Z"'
            detail = f'must be a date or a time like {example}, not "{shortened(text)}"'
            raise Invalid(Problem(detail))
        return instant_ns

    return read


def _instant_of(text: str, calendar: Calendar) -> int | None:
    """RFC 3339, a local date or date-time, or a Unix timestamp, whose magnitude gives its unit.

    Seconds may be left out.
    """
    if _INTEGER.fullmatch(text):
        return nanoseconds_from_integer(int(text))
    if short := _WITHOUT_SECONDS.fullmatch(text):
        return nanoseconds_from_rfc3339(f"{short[1]}:00{short[2]}")
    local = _LOCAL_TIME.fullmatch(text)
    if local is None:
        return nanoseconds_from_rfc3339(text)
    day, minute, second, fraction = local.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{minute or '00:00'}:{second or '00'}")
        at = int(moment.replace(tzinfo=calendar.zone).timestamp())
    except (ValueError, OverflowError):
        return None
    return at * SECOND_NS + int((fraction or "").ljust(9, "0"))


@lru_cache(maxsize=64)
def zone_named(name: str) -> tzinfo:
    """The IANA zone."""
    if name == "UTC":
        return UTC
    # The folders of a name are imported as packages, one inside the other.
    if _ZONE.fullmatch(name):
        with suppress(KeyError, ValueError, OSError):
            return ZoneInfo(name)
    detail = f'must be an IANA time zone, not "{shortened(name)}"'
    raise Invalid(Problem(detail))
