"""Periods of time, and the calendar intervals they are cut into."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from theodora.errors import Invalid, Problem
from theodora.events.values import DAY_NS, SECOND_NS

Interval = Literal["total", "day", "week", "month", "quarter"]
WeekStart = Literal["monday", "sunday"]

BUCKET_LIMIT = 10_000

DAY_SEC = 86_400

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "quarter": 3}


class Period(msgspec.Struct, frozen=True):
    """The time from one instant up to, and not including, another, in nanoseconds."""

    start_ns: int
    end_ns: int

    def __contains__(self, instant_ns: int) -> bool:
        return self.start_ns <= instant_ns < self.end_ns

    def days(self, as_of_ns: int | None = None) -> float:
        """Its length in days of 86,400 seconds, without the part after `as_of_ns`."""
        end_ns = self.end_ns if as_of_ns is None else min(self.end_ns, as_of_ns)
        return max(end_ns - self.start_ns, 0) / DAY_NS

    def within(self, other: "Period") -> "Period":
        """The part that lies in `other`."""
        start_ns = max(self.start_ns, other.start_ns)
        return Period(start_ns, max(min(self.end_ns, other.end_ns), start_ns))


class Bucket(msgspec.Struct, frozen=True):
    """One calendar interval of a query."""

    period: Period
    covered: Period
    """The part inside the query's period; events of it and no others are counted."""
    is_partial: bool
    """Whether some of it lies outside the query's period, or is yet to come."""


class Calendar(msgspec.Struct, frozen=True):
    """The time zone and the first day of the week. Edges are local midnights; days may have 23 or
    25 hours."""

    zone: tzinfo = UTC
    week_start: WeekStart = "monday"

    def local_date(self, instant_ns: int) -> date:
        return datetime.fromtimestamp(instant_ns // SECOND_NS, self.zone).date()

    def local_days(self, instants_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """The local dates of instants, as days since 1970-01-01."""
        days = instants_ns // SECOND_NS
        if not len(days):
            return days
        first, last = int(days.min()) // DAY_SEC, int(days.max()) // DAY_SEC + 1
        starts, offsets = zip(*_offsets(self.zone, first * DAY_SEC, last * DAY_SEC), strict=True)
        if len(offsets) == 1:
            days += offsets[0]
        else:
            days += np.array(offsets)[np.searchsorted(starts, days, side="right") - 1]
        days //= DAY_SEC
        return days

    def midnight_ns(self, day: date) -> int:
        """The first instant of a local day; where clocks skip midnight, the instant they do so."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        return int(midnight.timestamp()) * SECOND_NS

    def first_day(self, day: date, interval: Interval) -> date:
        """The first day of the interval that `day` lies in."""
        if interval == "day":
            return day
        if interval == "week":
            return day - timedelta(days=(day.weekday() + (self.week_start == "sunday")) % 7)
        month = day.month if interval == "month" else day.month - (day.month - 1) % 3
        return date(day.year, month, 1)

    def is_edge(self, instant_ns: int, interval: Interval) -> bool:
        first = self.first_day(self.local_date(instant_ns), interval)
        return self.midnight_ns(first) == instant_ns

    def start_of_last(self, count: int, interval: Interval, instant_ns: int) -> int:
        """The start of the last `count` intervals, including the one with `instant_ns`."""
        first = self.first_day(self.local_date(instant_ns), interval)
        return self.midnight_ns(_shifted(first, interval, 1 - count))

    def intervals(self, period: Period, interval: Interval) -> Iterator[Period]:
        """The complete intervals that overlap `period`, in order."""
        day = self.first_day(self.local_date(period.start_ns), interval)
        start_ns = self.midnight_ns(day)
        while start_ns < period.end_ns:
            day = _shifted(day, interval, 1)
            end_ns = self.midnight_ns(day)
            # A zone that moves across the date line skips a day, which is no interval then.
            if end_ns > start_ns:
                yield Period(start_ns, end_ns)
            start_ns = end_ns


UTC_CALENDAR = Calendar()


@lru_cache(maxsize=256)
def _offsets(zone: tzinfo, first_sec: int, last_sec: int) -> Sequence[tuple[int, int]]:
    """Pairs of an instant and the offset from UTC that applies from then on, in seconds.

    Assumes at most one change in a day.
    """
    offset_sec = _offset_sec(zone, first_sec)
    found = [(first_sec, offset_sec)]
    for at in range(first_sec, last_sec, DAY_SEC):
        following = min(at + DAY_SEC, last_sec)
        before_sec, offset_sec = offset_sec, _offset_sec(zone, following)
        if offset_sec != before_sec:
            found.append((_change(zone, at, following), offset_sec))
    return found


def _change(zone: tzinfo, before_sec: int, after_sec: int) -> int:
    """The first second at which clocks are as they are at the latter of two."""
    after = _offset_sec(zone, after_sec)
    seconds = range(before_sec, after_sec)
    return before_sec + bisect_left(seconds, 1, key=lambda at: _offset_sec(zone, at) == after)


def _offset_sec(zone: tzinfo, at_sec: int) -> int:
    offset = datetime.fromtimestamp(at_sec, zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def buckets_of(
    period: Period, interval: Interval, calendar: Calendar, as_of_ns: int
) -> tuple[Bucket, ...]:
    """Every interval that overlaps `period`, empty ones too; none for `total`.

    Raises `Invalid` for more than 10,000.
    """
    if interval == "total" or period.start_ns >= period.end_ns:
        return ()
    found: list[Bucket] = []
    for whole in calendar.intervals(period, interval):
        covered = whole.within(period)
        is_partial = covered != whole or whole.end_ns > as_of_ns
        found.append(Bucket(whole, covered, is_partial))
        if len(found) > BUCKET_LIMIT:
            detail = f"must not cut the period into more than {BUCKET_LIMIT} parts"
            raise Invalid(Problem(detail, parameter="interval"))
    return tuple(found)


def previous_period(
    period: Period, interval: Interval, calendar: Calendar, as_of_ns: int
) -> Period:
    """The period that `period` is compared with.

    Complete intervals compare with as many before them, so March with February; any other
    period with one of the same length. A running period compares with the same elapsed part.
    """
    before = _period_before(period, interval, calendar)
    if period.end_ns <= as_of_ns:
        return before
    elapsed_ns = max(as_of_ns - period.start_ns, 0)
    return Period(before.start_ns, min(before.end_ns, before.start_ns + elapsed_ns))


def _period_before(period: Period, interval: Interval, calendar: Calendar) -> Period:
    start_ns, end_ns = period.start_ns, period.end_ns
    if interval == "total" or not (
        calendar.is_edge(start_ns, interval) and calendar.is_edge(end_ns, interval)
    ):
        return Period(start_ns - (end_ns - start_ns), start_ns)
    count = sum(1 for _ in calendar.intervals(period, interval))
    first = _shifted(calendar.local_date(start_ns), interval, -count)
    return Period(calendar.midnight_ns(first), start_ns)


def _shifted(day: date, interval: Interval, count: int) -> date:
    """`count` intervals later; `day` is the first of one."""
    if days := _DAYS.get(interval):
        return day + timedelta(days=days * count)
    year, month = divmod(day.year * 12 + day.month - 1 + _MONTHS[interval] * count, 12)
    return date(year, month + 1, 1)
