"""Calendar intervals, the parts of them that count, and the period before."""

from dataclasses import dataclass
from datetime import date
from functools import cache

import pandas as pd

DAY_NS = 86_400 * 10**9

_FREQUENCIES = {"day": "D", "month": "M", "quarter": "Q-DEC"}
_LAST_DAYS_OF_WEEKS = {"monday": "W-SUN", "sunday": "W-SAT"}


@dataclass(frozen=True)
class Question:
    """What is asked of the metrics: half-open from one instant to another, in nanoseconds."""

    from_ns: int
    to_ns: int
    as_of_ns: int
    interval: str = "total"
    timezone: str = "UTC"
    week_start: str = "monday"
    group_by: tuple[str, ...] = ()
    granularity: str = "commit"

    @property
    def frequency(self) -> str:
        """The interval as pandas names it; a week is named after its last day."""
        return _FREQUENCIES.get(self.interval) or _LAST_DAYS_OF_WEEKS[self.week_start]


@dataclass(frozen=True)
class Interval:
    """From one local midnight to another."""

    start_ns: int
    end_ns: int
    partial: bool


def intervals(question: Question) -> list[Interval]:
    """Every interval that overlaps the question's range, in order."""
    if question.interval == "total" or question.from_ns >= question.to_ns:
        return []
    period = _local(question.from_ns, question).to_period(question.frequency)
    found = []
    while (start_ns := _midnight_ns(period, question)) < question.to_ns:
        period += 1
        end_ns = _midnight_ns(period, question)
        outside = start_ns < question.from_ns or end_ns > min(question.to_ns, question.as_of_ns)
        # A day that a zone left out (Apia, 30 December 2011) has no time in it.
        if start_ns < end_ns:
            found.append(Interval(start_ns, end_ns, outside))
    return found


def previous(question: Question) -> tuple[int, int]:
    """The period to compare with, in nanoseconds."""
    start_ns = 2 * question.from_ns - question.to_ns
    end_ns = question.from_ns
    if _is_edge(question.from_ns, question) and _is_edge(question.to_ns, question):
        first = _local(question.from_ns, question).to_period(question.frequency)
        start_ns = _midnight_ns(first - len(intervals(question)), question)
    if question.to_ns > question.as_of_ns:
        elapsed_ns = max(0, question.as_of_ns - question.from_ns)
        end_ns = min(end_ns, start_ns + elapsed_ns)
    return start_ns, end_ns


def days(start_ns: int, end_ns: int, question: Question) -> float:
    """The length of what has passed of a span that lies in the question's range."""
    start_ns = max(start_ns, question.from_ns)
    end_ns = min(end_ns, question.to_ns, question.as_of_ns)
    return max(0, end_ns - start_ns) / DAY_NS


@cache
def local_date(instant_ns: int, timezone: str) -> date:
    """The date that an instant fell on in a zone."""
    return pd.Timestamp(instant_ns, unit="ns", tz="UTC").tz_convert(timezone).date()


def _is_edge(instant_ns: int, question: Question) -> bool:
    if question.interval == "total":
        return False
    period = _local(instant_ns, question).to_period(question.frequency)
    return _midnight_ns(period, question) == instant_ns


def _local(instant_ns: int, question: Question) -> pd.Timestamp:
    """The wall clock's time."""
    instant = pd.Timestamp(instant_ns, unit="ns", tz="UTC")
    return instant.tz_convert(question.timezone).tz_localize(None)


def _midnight_ns(period: pd.Period, question: Question) -> int:
    return first_instant_ns(period.start_time, question.timezone)


@cache
def first_instant_ns(wall: pd.Timestamp, timezone: str) -> int:
    """When clocks first showed this time or a later one.

    They may skip a midnight, strike it twice, or leave out the day: so they are read every
    quarter of an hour around it.
    """
    around = pd.date_range(wall, freq="15min", periods=5 * 96, tz="UTC") - pd.Timedelta(days=2)
    shown = around.tz_convert(timezone).tz_localize(None)
    return around[shown >= wall][0].as_unit("ns").value
