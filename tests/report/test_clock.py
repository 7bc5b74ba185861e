"""Instants and periods in words, in the zone of the page."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodora.dora.metrics.calendar import Calendar, Interval, Period, buckets_of
from theodora.report.clock import Clock

BERLIN = ZoneInfo("Europe/Berlin")


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()) * 10**9


CLOCK = Clock(Calendar(BERLIN), _ns("2026-11-19T14:05"))


@pytest.mark.parametrize(
    ("instant", "said"),
    [
        ("2026-11-12T16:12", "Thu 12 Nov, 16:12"),
        ("2026-01-01T00:00", "Thu 1 Jan, 00:00"),
        ("2025-12-31T23:59", "Wed 31 Dec 2025, 23:59"),
    ],
)
def test_a_moment_has_its_year_only_if_it_is_another(instant: str, said: str) -> None:
    """By the zone of the page, which may be in a new year while others are not."""
    assert CLOCK.moment(_ns(instant)) == said


def test_days_are_said_short_and_long() -> None:
    """As a row's group, as a label, and as a date."""
    instant = _ns("2026-11-12T16:12")
    assert CLOCK.long_day(instant) == "Thursday 12 November"
    assert CLOCK.long_day(_ns("2024-02-29T12:00")) == "Thursday 29 February 2024"
    assert CLOCK.short_day(instant) == "12 Nov"
    assert CLOCK.time(instant) == "16:12"


@pytest.mark.parametrize(
    ("instant", "said"),
    [
        ("2026-11-19T14:05", "just now"),
        ("2026-11-19T14:01", "4 min ago"),
        ("2026-11-19T11:00", "3 h ago"),
        ("2026-10-02T09:47", "48 d ago"),
        ("2026-11-19T15:05", "in 1 h"),
    ],
)
def test_an_age_is_said_in_its_largest_unit(instant: str, said: str) -> None:
    """It stands beside the exact time, so it need not be exact."""
    assert CLOCK.age(_ns(instant)).replace("\u00a0", " ") == said


def test_a_time_element_holds_the_instant_in_utc() -> None:
    """The words may be an age; then the exact time is the title."""
    instant = _ns("2026-11-12T16:12")
    assert CLOCK.time_tag(instant) == (
        '<time datetime="2026-11-12T15:12:00Z">Thu 12 Nov, 16:12</time>'
    )
    assert CLOCK.time_tag(instant, "<7 d ago") == (
        '<time datetime="2026-11-12T15:12:00Z" title="Thu 12 Nov, 16:12">&lt;7 d ago</time>'
    )


def test_a_period_is_said_by_the_days_it_touches() -> None:
    """Up to now; the year stands once, unless there are two."""
    start = _ns("2026-08-31T00:00")
    assert CLOCK.period(Period(start, _ns("2026-11-23T00:00"))) == "31 Aug – 19 Nov 2026"
    assert CLOCK.period(Period(start, _ns("2026-09-01T00:00"))) == "31 Aug 2026"
    over_new_year = Period(_ns("2025-12-01T00:00"), _ns("2026-01-02T00:00"))
    assert CLOCK.period(over_new_year) == "1 Dec 2025 – 1 Jan 2026"


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        ("day", "Thu 19 Nov (partial, to now)"),
        ("week", "16 Nov – 22 Nov (partial, to now)"),
        ("month", "November 2026 (partial, to now)"),
        ("quarter", "Q4 2026 (partial, to now)"),
    ],
)
def test_an_interval_is_named_by_its_kind(interval: Interval, said: str) -> None:
    """A running one says so."""
    period = Period(_ns("2026-08-31T00:00"), CLOCK.now_ns)
    *_, last = buckets_of(period, interval, CLOCK.calendar, CLOCK.now_ns)
    assert CLOCK.bucket(last, interval) == said


@given(st.integers(0, 4_102_444_800))
def test_every_instant_can_be_said(second: int) -> None:
    """Whatever the clocks of a zone do there."""
    assert CLOCK.moment(second * 10**9)
    assert "datetime" in CLOCK.time_tag(second * 10**9)
