"""What a metrics request asks: its parameters, every one of them checked.

The endpoint takes them from its URL, `theodora metrics` from its options.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from itertools import islice
from typing import Any, Literal, TypeVar, get_args
from zoneinfo import ZoneInfo

from theodora.dora.metrics.calendar import (
    BUCKET_LIMIT,
    UTC_CALENDAR,
    Calendar,
    Interval,
    Period,
    WeekStart,
)
from theodora.dora.metrics.report import MetricsQuery
from theodora.dora.metrics.tally import Granularity
from theodora.errors import Invalid, Problem
from theodora.events import nanoseconds_from_integer, nanoseconds_from_rfc3339
from theodora.events.attributes import shortened
from theodora.query import Everything, Query, parse

T = TypeVar("T")

Form = Literal["json", "csv"]

PARAMETERS = (
    *("from", "to", "query", "interval", "group_by", "timezone", "week_start"),
    *("granularity", "stages", "as_of", "format"),
)
DEFAULT_WEEKS = 12
"""Weeks that are looked at unless the request says otherwise, the running one included."""
MOST_KEYS = 4
"""Most keys to group by."""
MOST_GROUPED_BUCKETS = 1_000
"""Most intervals of a grouped answer."""

_MOST_KEY_CHARACTERS = 200
_LAST_NS = 2**63 - 1
_INTEGER = re.compile(r"[0-9]{1,19}")
_LOCAL_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Question:
    """A metrics request that can be answered."""

    query: MetricsQuery
    text: str
    """The search, as given."""
    tree: Query
    """What it means."""
    zone: str
    """The name of the calendar's zone."""
    form: Form


def read_question(parameters: Iterable[tuple[str, str]], now_ns: int) -> Question:
    """The question that parameters, by name, ask; `Invalid` lists every problem with them.

    An empty value is as good as none.
    """
    reader = _Reader(parameters)
    zone = reader.given("timezone") or "UTC"
    calendar = Calendar(
        reader.read("timezone", zone_named, UTC),
        reader.choice("week_start", get_args(WeekStart), UTC_CALENDAR.week_start),
    )
    as_of_ns = reader.read("as_of", _instant_in(calendar), now_ns)
    query = MetricsQuery(
        period=_period(reader, calendar, as_of_ns),
        as_of_ns=as_of_ns,
        interval=reader.choice("interval", get_args(Interval), "total"),
        calendar=calendar,
        group_by=reader.read("group_by", _keys, ()),
        granularity=reader.choice("granularity", get_args(Granularity), "commit"),
        stages=reader.choice("stages", ("true", "false"), "false") == "true",
    )
    tree = reader.read("query", _tree, Everything())
    form: Form = reader.choice("format", get_args(Form), "json")
    reader.check(lambda: _check_size(query))
    return Question(query, reader.given("query"), tree, zone, form)


class _Reader:
    """Reads parameters one by one, and gathers what is wrong with them."""

    def __init__(self, parameters: Iterable[tuple[str, str]]) -> None:
        self._given: dict[str, str] = {}
        self._problems: list[Problem] = []
        for name, text in parameters:
            if name not in PARAMETERS:
                shown, known = shortened(name), " ".join(PARAMETERS)
                self._add(name, f'parameter "{shown}" must be one of "{known}"')
            elif name in self._given:
                self._add(name, f'parameter "{name}" must be given once')
            else:
                self._given[name] = text.strip()

    def given(self, name: str) -> str:
        return self._given.get(name, "")

    def read(self, name: str, read: Callable[[str, str], T], default: T) -> T:
        """What `read` makes of the parameter's name and text."""
        text = self.given(name)
        if not text:
            return default
        try:
            return read(name, text)
        except Invalid as invalid:
            self._problems.extend(invalid.problems)
            return default

    def choice(self, name: str, choices: tuple[Any, ...], default: Any) -> Any:
        """One of the literals `choices`."""

        def choose(name: str, text: str) -> Any:
            if text not in choices:
                raise _problem(name, f'parameter "{name}" must be one of "{" ".join(choices)}"')
            return text

        return self.read(name, choose, default)

    def check(self, check: Callable[[], None]) -> None:
        """Raises all problems, or if there are none those that `check` finds."""
        if self._problems:
            raise Invalid(*self._problems)
        check()

    def _add(self, name: str, detail: str) -> None:
        self._problems.append(Problem(detail, parameter=shortened(name)))


def _problem(name: str, detail: str) -> Invalid:
    return Invalid(Problem(detail, parameter=name))


def _period(reader: _Reader, calendar: Calendar, as_of_ns: int) -> Period:
    end_ns = reader.read("to", _instant_in(calendar), as_of_ns)
    default_ns = max(calendar.start_of_last(DEFAULT_WEEKS, "week", end_ns), 0)
    return Period(reader.read("from", _instant_in(calendar), default_ns), end_ns)


def _check_size(query: MetricsQuery) -> None:
    if query.period.start_ns >= query.period.end_ns:
        raise _problem("from", 'parameter "from" must be before parameter "to"')
    if query.interval == "total":
        return
    limit = MOST_GROUPED_BUCKETS if query.group_by else BUCKET_LIMIT
    intervals = query.calendar.intervals(query.period, query.interval)
    if next(islice(intervals, limit, None), None):
        detail = f'parameter "interval" must not cut the period into more than {limit} parts'
        raise _problem("interval", detail)


def _instant_in(calendar: Calendar) -> Callable[[str, str], int]:
    """Reads instants; what names no zone is in the calendar's."""

    def read(name: str, text: str) -> int:
        instant_ns = instant_of(text, calendar)
        if instant_ns is None or not 0 <= instant_ns <= _LAST_NS:
            detail = f'error decoding parameter "{name}": invalid date-time "{shortened(text)}"'
            raise _problem(name, detail)
        return instant_ns

    return read


def instant_of(text: str, calendar: Calendar) -> int | None:
    """RFC 3339, a local date or date-time, or a Unix timestamp whose magnitude tells its unit."""
    if _INTEGER.fullmatch(text):
        return nanoseconds_from_integer(int(text))
    local = _LOCAL_TIME.fullmatch(text)
    if local is None:
        return nanoseconds_from_rfc3339(text)
    day, minute, second, fraction = local.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{minute or '00:00'}:{second or '00'}")
        at = int(moment.replace(tzinfo=calendar.zone).timestamp())
    except (ValueError, OverflowError):
        return None
    return at * 10**9 + int((fraction or "").ljust(9, "0"))


@lru_cache(maxsize=64)
def zone_named(name: str, text: str) -> tzinfo:
    """The IANA zone called `text`, which the parameter `name` holds."""
    if text == "UTC":
        return UTC
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        detail = f'parameter "{name}" must be an IANA time zone, not "{shortened(text)}"'
        raise _problem(name, detail) from None


def _keys(name: str, text: str) -> tuple[str, ...]:
    """Keys to group by, with commas between them."""
    keys = tuple(key.strip().removeprefix("@") for key in text.split(","))
    if not all(keys) or len(set(keys)) < len(keys):
        raise _problem(name, f'parameter "{name}" must be different keys with commas between them')
    if len(keys) > MOST_KEYS:
        raise _problem(name, f'parameter "{name}" must have at most {MOST_KEYS} keys')
    if any(len(key) > _MOST_KEY_CHARACTERS for key in keys):
        detail = f'parameter "{name}" must have keys of at most {_MOST_KEY_CHARACTERS} characters'
        raise _problem(name, detail)
    return keys


def _tree(name: str, text: str) -> Query:
    try:
        return parse(text)
    except Invalid as invalid:
        details = (problem.detail for problem in invalid.problems)
        renamed = (detail.replace("attribute", "parameter", 1) for detail in details)
        raise Invalid(*(Problem(detail, parameter=name) for detail in renamed)) from None
