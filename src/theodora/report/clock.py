"""Wording of instants and periods in the time zone of the page."""

from dataclasses import dataclass
from datetime import date, datetime

from markupsafe import Markup

from theodora.dora.metrics.calendar import Bucket, Calendar, Interval, Period
from theodora.events import format_rfc3339
from theodora.events.values import SECOND_NS
from theodora.report.wording import duration_parts

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


@dataclass(frozen=True, slots=True)
class Clock:
    """The calendar of a page and the instant it is drawn at. Instants are nanoseconds."""

    calendar: Calendar
    now_ns: int

    def local(self, instant_ns: int) -> datetime:
        return datetime.fromtimestamp(instant_ns // SECOND_NS, self.calendar.zone)

    def time(self, instant_ns: int) -> str:
        """`16:12`."""
        return f"{self.local(instant_ns):%H:%M}"

    def zone_name(self, instant_ns: int) -> str:
        """`CET`, or the offset of a zone without a name: `+0530`."""
        local = self.local(instant_ns)
        return local.tzname() or f"{local:%z}"

    def moment(self, instant_ns: int) -> str:
        """`Thu 12 Nov, 16:12`; with the year when it is not this one."""
        return f"{self.day(instant_ns)}, {self.time(instant_ns)}"

    def zoned_moment(self, instant_ns: int) -> str:
        """`Thu 12 Nov, 16:12 CET`, for readers elsewhere."""
        return f"{self.moment(instant_ns)} {self.zone_name(instant_ns)}"

    def day(self, instant_ns: int) -> str:
        """`Thu 12 Nov`; with the year when it is not this one."""
        local = self.local(instant_ns)
        return f"{_DAYS[local.weekday()][:3]} {self.short_date(local.date())}"

    def long_day(self, instant_ns: int) -> str:
        """`Thursday 12 November`; with the year when it is not this one."""
        local = self.local(instant_ns)
        named = f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}"
        return named if self._is_this_year(local.date()) else f"{named} {local.year}"

    def short_day(self, instant_ns: int) -> str:
        """`12 Nov`; with the year when it is not this one."""
        return self.short_date(self.local(instant_ns).date())

    def age(self, instant_ns: int) -> str:
        """`4 min ago`; for beside or beneath the exact time, never alone."""
        span_ns = self.now_ns - instant_ns
        if abs(span_ns) < 60 * SECOND_NS:
            return "just now"
        largest = duration_parts(abs(span_ns) / SECOND_NS)[0]
        words = f"{largest.figure}\u00a0{largest.unit}"
        return f"{words} ago" if span_ns > 0 else f"in {words}"

    def time_tag(self, instant_ns: int, words: str = "") -> Markup:
        """A `time` element: the moment, or `words` with the moment as their title."""
        exact = format_rfc3339(instant_ns)
        if not words:
            return Markup('<time datetime="{}">{}</time>').format(exact, self.moment(instant_ns))
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            exact, self.moment(instant_ns), words
        )

    def period(self, period: Period) -> str:
        """`31 Aug – 19 Nov 2026`: the days it touches, up to now."""
        last_ns = max(period.start_ns, min(period.end_ns - 1, self.now_ns))
        first, last = self.local(period.start_ns).date(), self.local(last_ns).date()
        if first == last:
            return _dated(last)
        start = _short(first) if first.year == last.year else _dated(first)
        return f"{start} – {_dated(last)}"

    def bucket(self, bucket: Bucket, interval: Interval) -> str:
        """The name of an interval: `Thu 12 Nov`, `9 Nov – 15 Nov`, `November 2026`, `Q4 2026`."""
        first = self.local(bucket.period.start_ns).date()
        match interval:
            case "day":
                name = self.day(bucket.period.start_ns)
            case "month":
                name = f"{_MONTHS[first.month - 1]} {first.year}"
            case "quarter":
                name = f"Q{(first.month + 2) // 3} {first.year}"
            case _:
                last = self.local(bucket.period.end_ns - 1).date()
                name = f"{self.short_date(first)} – {self.short_date(last)}"
        return name + (self._until(bucket) if bucket.is_partial else "")

    def _until(self, bucket: Bucket) -> str:
        runs = bucket.covered.start_ns <= self.now_ns < bucket.period.end_ns
        return " (partial, to now)" if runs else " (partial)"

    def short_date(self, day: date) -> str:
        """The same of a date."""
        return _short(day) if self._is_this_year(day) else _dated(day)

    def _is_this_year(self, day: date) -> bool:
        return day.year == self.local(self.now_ns).year


def weekday(day: int) -> str:
    """The short name of a day of the week, 0 for Monday."""
    return _DAYS[day][:3]


def month_name(month: int) -> str:
    """The short name of a month, 1 for January."""
    return _MONTHS[month - 1][:3]


def _short(day: date) -> str:
    return f"{day.day} {month_name(day.month)}"


def _dated(day: date) -> str:
    return f"{_short(day)} {day.year}"
