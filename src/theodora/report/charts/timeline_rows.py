"""The rows of a timeline: a week each, or the months of quiet services side by side."""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from theodora.dora.metrics.calendar import Period
from theodora.events.values import DAY_NS
from theodora.report import wording
from theodora.report.charts.svg import beside, box, group, label
from theodora.report.clock import Clock, month_name, weekday

ROW = 30
"""The height of a row, in pixels."""
_HEAD = 20
_WEEK_SEC = 7 * wording.DAY_SEC
_LONGEST_ROW_NS = 400 * DAY_NS
"""Months of a longer period are in a row for each calendar year."""
_LEAST_LABEL = 6
"""Percent of the width that the name of a month needs."""
_MOST_ON_A_PHONE = 8
"""Of more months, phones show the name of each second."""


@dataclass(frozen=True, slots=True)
class TimelineRows(ABC):
    """Stretches of time, each over the full width, the newest on top."""

    clock: Clock

    head = _HEAD
    """The height of what is above the first row."""

    @property
    @abstractmethod
    def count(self) -> int: ...

    @abstractmethod
    def row(self, instant_ns: int) -> int:
        """From the top; below 0, or from `count` on, for what is not drawn."""

    @abstractmethod
    def x(self, instant_ns: int) -> float:
        """In percent of the row's width."""

    @abstractmethod
    def columns(self) -> Sequence[float]:
        """The x of the lines from top to bottom."""

    @abstractmethod
    def labels(self) -> Iterator[str]:
        """Above the columns and beside the rows."""

    def ground(self) -> Iterator[str]:
        """What is behind all rows."""
        return iter(())

    @property
    def height(self) -> float:
        return self.head + self.count * ROW

    def y(self, row: int) -> float:
        """The top of a row."""
        return self.head + row * ROW

    def has(self, row: int) -> bool:
        return 0 <= row < self.count

    def pieces(self, start_ns: int, end_ns: int) -> Iterator[tuple[int, float, float]]:
        """A span row by row: it runs on into the next, newer one."""
        first, last = self.row(start_ns), self.row(end_ns)
        for row in range(min(first, self.count - 1), max(last, 0) - 1, -1):
            begin = self.x(start_ns) if row == first else 0.0
            yield row, begin, self.x(end_ns) if row == last else 100.0


@dataclass(frozen=True, slots=True)
class Weeks(TimelineRows):
    """A row for each week. In local time, every day is a seventh of the width."""

    first: date
    """A Monday."""
    last: date

    @property
    def count(self) -> int:
        return (self.last - self.first).days // 7 + 1

    def row(self, instant_ns: int) -> int:
        return (self.last - _monday(self.clock, instant_ns)).days // 7

    def x(self, instant_ns: int) -> float:
        local = self.clock.local(instant_ns)
        seconds = local.hour * 3_600 + local.minute * 60 + local.second
        return 100 * (local.weekday() * wording.DAY_SEC + seconds) / _WEEK_SEC

    def columns(self) -> Sequence[float]:
        return [day * 100 / 7 for day in range(7)]

    def labels(self) -> Iterator[str]:
        days = (label("", x, 11, weekday(day), dx=5) for day, x in enumerate(self.columns()))
        yield group("t st", *days)
        mondays = (self.last - timedelta(days=7 * row) for row in range(self.count))
        dates = map(self.clock.short_date, mondays)
        yield group("t y", *(beside(self.y(row) + 16, it, gap=8) for row, it in enumerate(dates)))

    def ground(self) -> Iterator[str]:
        yield box("we", 500 / 7, self.head, 200 / 7, self.height - self.head)


def weeks_between(clock: Clock, start_ns: int, end_ns: int) -> Weeks:
    return Weeks(clock, _monday(clock, start_ns), _monday(clock, end_ns - 1))


def _monday(clock: Clock, instant_ns: int) -> date:
    day = clock.local(instant_ns).date()
    return day - timedelta(days=day.weekday())


@dataclass(frozen=True, slots=True)
class Months(TimelineRows):
    """Months side by side: those of a period in one row, or a row for each calendar year."""

    edges_ns: Sequence[int]
    """Where the rows begin, the oldest first, and where the last one ends."""

    head = _HEAD + 12

    @property
    def count(self) -> int:
        return len(self.edges_ns) - 1

    def row(self, instant_ns: int) -> int:
        return self.count - bisect_right(self.edges_ns, instant_ns, hi=self.count)

    def x(self, instant_ns: int) -> float:
        """What lies beyond the rows is at their ends."""
        oldest_first = max(bisect_right(self.edges_ns, instant_ns, hi=self.count) - 1, 0)
        start_ns, end_ns = self.edges_ns[oldest_first : oldest_first + 2]
        return 100 * min(max((instant_ns - start_ns) / (end_ns - start_ns), 0), 1)

    def columns(self) -> Sequence[float]:
        return [self.x(start_ns) for start_ns in self._months()]

    def labels(self) -> Iterator[str]:
        starts = self._months()
        ends = [*map(self.x, starts[1:]), 100.0]
        places = [(self.x(at), end, at) for at, end in zip(starts, ends, strict=True)]
        named = [(x, self.clock.local(at)) for x, end, at in places if end - x >= _LEAST_LABEL]
        is_narrow = len(named) > _MOST_ON_A_PHONE
        months = (
            label("k2" if is_narrow and at.month % 2 == 0 else "", x, 23, month_name(at.month), 5)
            for x, at in named
        )
        # The year of a single row is above each January, and above a first month far from one.
        years = (
            label("", x, 11, str(at.year), dx=5)
            for index, (x, at) in enumerate(named)
            if self.count == 1 and (at.month == 1 or (index == 0 and at.month < 12))
        )
        yield group("t st", *months, *years)
        if self.count > 1:
            rows = enumerate(reversed(self.edges_ns[:-1]))
            beside_them = (
                beside(self.y(row) + 16, str(self.clock.local(at).year), gap=8) for row, at in rows
            )
            yield group("t y", *beside_them)

    def _months(self) -> list[int]:
        """Where the months of the newest row begin, or the row itself."""
        start_ns, end_ns = self.edges_ns[-2:]
        months = self.clock.calendar.intervals(Period(start_ns, end_ns), "month")
        return [max(month.start_ns, start_ns) for month in months]


def months_between(clock: Clock, start_ns: int, end_ns: int) -> Months:
    if end_ns - start_ns <= _LONGEST_ROW_NS:
        return Months(clock, (start_ns, end_ns))
    first, last = clock.local(start_ns).year, clock.local(end_ns - 1).year
    january = (date(year, 1, 1) for year in range(first, last + 2))
    return Months(clock, tuple(map(clock.calendar.midnight_ns, january)))
