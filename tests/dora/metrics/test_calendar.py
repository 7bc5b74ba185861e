"""Calendar intervals in time zones, and the period to compare with."""

from datetime import date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.examples import instant_ns
from theodora.dora.metrics.calendar import (
    DAY_NS,
    SECOND_NS,
    Calendar,
    Period,
    buckets_of,
    previous_period,
)
from theodora.errors import Invalid

BERLIN = Calendar(ZoneInfo("Europe/Berlin"))
FOREVER_NS = 2**63


def period(start: str, end: str) -> Period:
    return Period(instant_ns(start), instant_ns(end))


def starts(found, calendar: Calendar) -> list[str]:
    return [
        f"{datetime.fromtimestamp(each.period.start_ns // SECOND_NS, calendar.zone):%Y-%m-%d %H:%M}"
        for each in found
    ]


def starts_at(found_ns: int, calendar: Calendar) -> str:
    return f"{datetime.fromtimestamp(found_ns // SECOND_NS, calendar.zone):%Y-%m-%d %H:%M}"


ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",  # half an hour of daylight saving
    "America/Sao_Paulo",  # clocks went forward at midnight until 2018
    "Asia/Beirut",  # clocks go forward at midnight
    "America/Havana",  # clocks go back to midnight
    "Pacific/Apia",  # had no 30 December 2011
]

intervals = st.sampled_from(["day", "week", "month", "quarter"])
calendars = st.builds(
    Calendar, st.sampled_from(ZONES).map(ZoneInfo), st.sampled_from(["monday", "sunday"])
)
instants = st.integers(instant_ns("2005-01-01T00:00"), instant_ns("2030-01-01T00:00")).map(
    lambda instant: instant - instant % SECOND_NS
)
periods = st.builds(
    lambda start_ns, days: Period(start_ns, start_ns + int(days * DAY_NS)),
    instants,
    st.floats(0.01, 400),
)


@given(periods, intervals, calendars)
def test_buckets_cover_the_period_without_gap_or_overlap(period, interval, calendar):
    found = buckets_of(period, interval, calendar, FOREVER_NS)
    assert found[0].covered.start_ns == period.start_ns
    assert found[-1].covered.end_ns == period.end_ns
    for one, next_ in pairwise(found):
        assert one.period.end_ns == one.covered.end_ns == next_.period.start_ns
    assert all(each.period.start_ns < each.period.end_ns for each in found)


@given(periods, intervals, calendars)
def test_buckets_begin_at_local_midnight_on_the_first_day(period, interval, calendar):
    for each in buckets_of(period, interval, calendar, FOREVER_NS):
        first = calendar.local_date(each.period.start_ns)
        assert calendar.first_day(first, interval) == first
        assert calendar.local_date(each.period.start_ns - SECOND_NS) < first
        assert calendar.is_edge(each.period.start_ns, interval)


@given(instants, intervals, calendars)
def test_the_interval_before_is_the_one_that_ends_where_this_begins(instant_ns, interval, calendar):
    one = Period(instant_ns, instant_ns + 1)
    whole = next(iter(calendar.intervals(one, interval)))
    before = previous_period(whole, interval, calendar, FOREVER_NS)
    assert before.end_ns == whole.start_ns
    assert buckets_of(before, interval, calendar, FOREVER_NS)[0].period == before


def test_days_of_a_week_in_which_clocks_go_forward():
    found = buckets_of(period("03-27T23:00", "03-30T22:00"), "day", BERLIN, FOREVER_NS)
    hours = [(each.period.end_ns - each.period.start_ns) // 3600 // SECOND_NS for each in found]
    assert hours == [24, 23, 24]


def test_a_day_on_which_clocks_go_back_has_25_hours():
    (day,) = buckets_of(period("10-24T22:00", "10-25T23:00"), "day", BERLIN, FOREVER_NS)
    assert day.period.days() == 25 / 24


def test_a_day_without_midnight_begins_when_clocks_have_jumped():
    beirut = Calendar(ZoneInfo("Asia/Beirut"))
    midnight_ns = beirut.midnight_ns(date(2026, 3, 29))
    assert starts(
        buckets_of(Period(midnight_ns, midnight_ns + 1), "day", beirut, FOREVER_NS), beirut
    ) == ["2026-03-29 01:00"]


def test_a_day_that_a_zone_skipped_is_no_bucket():
    apia = Calendar(ZoneInfo("Pacific/Apia"))
    around = Period(apia.midnight_ns(date(2011, 12, 29)), apia.midnight_ns(date(2012, 1, 1)))
    assert starts(buckets_of(around, "day", apia, FOREVER_NS), apia) == [
        "2011-12-29 00:00",
        "2011-12-31 00:00",
    ]


def test_quarters_are_of_the_calendar():
    utc = Calendar()
    found = buckets_of(period("02-10T00:00", "10-01T00:00"), "quarter", utc, FOREVER_NS)
    assert starts(found, utc) == ["2026-01-01 00:00", "2026-04-01 00:00", "2026-07-01 00:00"]


def test_a_bucket_is_partial_if_cut_by_the_period_or_by_now():
    found = buckets_of(
        period("03-02T12:00", "03-05T12:00"), "day", Calendar(), instant_ns("03-04T06:00")
    )
    assert [each.is_partial for each in found] == [True, False, True, True]


def test_a_bucket_that_has_just_ended_is_whole():
    found = buckets_of(
        period("03-02T00:00", "03-03T00:00"), "day", Calendar(), instant_ns("03-03T00:00")
    )
    assert [each.is_partial for each in found] == [False]


def test_a_total_has_no_buckets():
    assert buckets_of(period("03-01T00:00", "04-01T00:00"), "total", Calendar(), FOREVER_NS) == ()


def test_an_empty_period_has_no_buckets():
    assert buckets_of(period("04-01T00:00", "03-01T00:00"), "day", Calendar(), FOREVER_NS) == ()


def test_a_period_of_too_many_buckets_is_refused():
    with pytest.raises(Invalid, match="interval: must not cut"):
        buckets_of(Period(0, FOREVER_NS), "day", Calendar(), FOREVER_NS)


def test_days_are_exact_and_end_now():
    march = period("03-01T00:00", "04-01T00:00")
    assert march.days() == 31
    assert march.days(instant_ns("03-01T06:00")) == 0.25
    assert march.days(instant_ns("02-01T00:00")) == 0


def test_months_compare_with_months_whatever_their_length():
    found = previous_period(period("03-01T00:00", "05-01T00:00"), "month", Calendar(), FOREVER_NS)
    assert found == period("01-01T00:00", "03-01T00:00")


def test_intervals_are_stepped_back_by_the_local_calendar():
    week = period("03-29T22:00", "04-05T22:00")
    assert previous_period(week, "week", BERLIN, FOREVER_NS) == period("03-22T23:00", "03-29T22:00")


def test_a_period_off_the_edges_compares_with_one_of_its_length():
    found = previous_period(period("03-02T01:00", "03-03T01:00"), "day", Calendar(), FOREVER_NS)
    assert found == period("03-01T01:00", "03-02T01:00")


def test_a_total_compares_with_one_of_its_length_even_on_edges():
    found = previous_period(period("03-01T00:00", "04-01T00:00"), "total", Calendar(), FOREVER_NS)
    assert found == period("01-29T00:00", "03-01T00:00")


def test_a_running_period_compares_with_as_much_of_the_one_before():
    march = period("03-01T00:00", "04-01T00:00")
    found = previous_period(march, "month", Calendar(), instant_ns("03-11T06:00"))
    assert found == period("02-01T00:00", "02-11T06:00")


def test_a_running_month_longer_than_the_one_before_compares_with_all_of_it():
    march = period("03-01T00:00", "04-01T00:00")
    found = previous_period(march, "month", Calendar(), instant_ns("03-31T06:00"))
    assert found == period("02-01T00:00", "03-01T00:00")


def test_a_period_yet_to_come_compares_with_nothing():
    march = period("03-01T00:00", "04-01T00:00")
    assert previous_period(march, "month", Calendar(), instant_ns("01-01T00:00")).days() == 0


@pytest.mark.parametrize(
    ("count", "interval", "start"),
    [
        (1, "day", "2026-03-31 00:00"),
        (7, "day", "2026-03-25 00:00"),
        (1, "week", "2026-03-30 00:00"),
        (12, "week", "2026-01-12 00:00"),
        (1, "month", "2026-03-01 00:00"),
        (12, "month", "2025-04-01 00:00"),
        (2, "quarter", "2025-10-01 00:00"),
    ],
)
def test_the_last_intervals_include_the_one_that_runs(count, interval, start):
    start_ns = BERLIN.start_of_last(count, interval, instant_ns("2026-03-31T10:00"))
    assert starts_at(start_ns, BERLIN) == start


@given(calendars, intervals, instants, st.integers(1, 40))
def test_so_many_intervals_begin_where_the_last_of_them_do(calendar, interval, instant, count):
    start_ns = calendar.start_of_last(count, interval, instant)
    found = list(calendar.intervals(Period(start_ns, instant + 1), interval))
    assert found[0].start_ns == start_ns
    assert instant in found[-1]
    # A zone that moves across the date line skips a day.
    assert len(found) in {count, count - 1}


@given(
    st.sampled_from(
        [
            *("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca"),
            *("Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu"),
        ]
    ),
    st.integers(946_684_800, 1_900_000_000),
    st.lists(st.integers(0, 400 * 86_400), max_size=20),
)
def test_local_days_of_many_instants_are_the_dates_of_each(zone, start_sec, seconds):
    calendar = Calendar(ZoneInfo(zone))
    instants_ns = [(start_sec + each) * 10**9 + 999_999_999 for each in seconds]
    found = calendar.local_days(np.array(instants_ns, np.int64))
    epoch = date(1970, 1, 1)
    assert found.tolist() == [(calendar.local_date(each) - epoch).days for each in instants_ns]
