"""When a receiver is sent something: working days and the week of a digest."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, tzinfo

from theodora.dora.metrics.calendar import Calendar, Period
from theodora.events.values import SECOND_NS
from theodora.report.parameters import zone_named
from theodora.storage.access.notifications import Receiver, ReceiverSettings

DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def calendar_of(settings: ReceiverSettings) -> Calendar:
    """The calendar of the receiver's time zone; weeks begin on Monday."""
    return Calendar(zone_named(settings.timezone))


def is_working_day(settings: ReceiverSettings, now_ns: int) -> bool:
    """Whether the receiver is sent alerts today."""
    return calendar_of(settings).local_date(now_ns).weekday() in settings.days


def digest_week(receiver: Receiver, now_ns: int) -> Period | None:
    """The week that a digest is due of: the one before, from the receiver's hour on.

    A server that was off then is late, by the end of the week at the latest. A new receiver gets
    its first digest the next time that one is due.
    """
    settings = receiver.settings
    if not settings.digests or not settings.days:
        return None
    calendar = calendar_of(settings)
    monday = _monday(calendar.local_date(now_ns))
    first_day = monday + timedelta(days=min(settings.days))
    due_ns = _instant_ns(first_day, settings.hour, calendar.zone)
    is_due = receiver.created_at_ns <= due_ns <= now_ns
    return last_week(settings, now_ns) if is_due else None


def last_week(settings: ReceiverSettings, now_ns: int) -> Period:
    """The complete week before the running one."""
    calendar = calendar_of(settings)
    monday = _monday(calendar.local_date(now_ns))
    start = calendar.midnight_ns(monday - timedelta(days=7))
    return Period(start, calendar.midnight_ns(monday))


def day_words(days: Sequence[int]) -> str:
    """`mon tue`."""
    return " ".join(DAY_NAMES[day] for day in days)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _instant_ns(day: date, hour: int, zone: tzinfo) -> int:
    return round(datetime.combine(day, time(hour), zone).timestamp()) * SECOND_NS
