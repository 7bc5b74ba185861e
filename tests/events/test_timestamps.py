"""Instants on the wire: units by magnitude, RFC 3339 in and out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodora.events import (
    format_rfc3339,
    nanoseconds_from_integer,
    nanoseconds_from_rfc3339,
)

INT64_MAX = 2**63 - 1
INSTANT_NS = 1693491974 * 10**9


@pytest.mark.parametrize(
    ("value", "instant_ns"),
    [
        (1693491974, INSTANT_NS),
        (1693491974000, INSTANT_NS),
        (1693491974000000, INSTANT_NS),
        (1693491974000000000, INSTANT_NS),
        (1, 10**9),
        (9223372036, 9223372036 * 10**9),
        (10**11, 10**17),
        (9223372036854, 9223372036854 * 10**6),
        (10**14, 10**17),
        (9223372036854775, 9223372036854775 * 10**3),
        (10**17, 10**17),
        (INT64_MAX, INT64_MAX),
    ],
)
def test_the_unit_of_an_integer_is_told_by_its_magnitude(value: int, instant_ns: int) -> None:
    assert nanoseconds_from_integer(value) == instant_ns


@pytest.mark.parametrize(
    "value",
    [
        *(0, -1, -1693491974, -(2**63)),
        *(9223372037, 10**11 - 1),
        *(9223372036855, 10**14 - 1),
        *(9223372036854776, 10**17 - 1),
        *(INT64_MAX + 1, 10**30),
    ],
)
def test_an_integer_that_does_not_fit_nanoseconds_is_no_instant(value: int) -> None:
    assert nanoseconds_from_integer(value) is None


@pytest.mark.parametrize(
    "text",
    [
        "2023-08-31T14:26:14Z",
        "2023-08-31t14:26:14z",
        "2023-08-31 14:26:14Z",
        "2023-08-31 14:26:14 UTC",
        "2023-08-31T14:26:14 Z",
        "2023-08-31T14:26:14+00:00",
        "2023-08-31T14:26:14-00:00",
        "2023-08-31T14:26:14 +0000",
        "2023-08-31T16:26:14+02:00",
        "2023-08-31T16:26:14+0200",
        "2023-08-31T08:56:14-0530",
        "2023-09-01T00:26:14 +10:00",
        "2023-08-31T14:26:14.0Z",
        "2023-08-31T14:26:14.000000000Z",
    ],
)
def test_every_form_of_a_date_time_is_read(text: str) -> None:
    assert nanoseconds_from_rfc3339(text) == INSTANT_NS


@pytest.mark.parametrize(
    ("fraction", "nanoseconds"),
    [
        *(("1", 100_000_000), ("12", 120_000_000), ("123", 123_000_000), ("1234", 123_400_000)),
        *(("12345", 123_450_000), ("123456", 123_456_000), ("1234567", 123_456_700)),
        *(("12345678", 123_456_780), ("123456789", 123_456_789), ("000000001", 1)),
    ],
)
def test_up_to_nine_digits_of_a_fraction_are_read(fraction: str, nanoseconds: int) -> None:
    assert nanoseconds_from_rfc3339(f"2023-08-31T14:26:14.{fraction}Z") == INSTANT_NS + nanoseconds


def test_a_leap_second_is_the_first_instant_of_the_next_minute() -> None:
    assert nanoseconds_from_rfc3339("2016-12-31T23:59:60Z") == nanoseconds_from_rfc3339(
        "2017-01-01T00:00:00Z"
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0001-01-01T00:00:00Z", -62_135_596_800),
        ("1969-12-31T23:59:59Z", -1),
        ("1970-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
        ("9999-12-31T23:59:59-23:59", 253_402_300_799 + 86_340),
    ],
)
def test_every_year_of_four_digits_is_read(text: str, seconds: int) -> None:
    assert nanoseconds_from_rfc3339(text) == seconds * 10**9


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z",
        "2023-08-31",
        "2023-08-31T14:26:14",
        "2023-08-31T14:26Z",
        "2023-08-31T14:26:14.Z",
        "2023-08-31T14:26:14.1234567890Z",
        "2023-08-31T14:26:14,5Z",
        "2023-08-31  14:26:14Z",
        "2023-08-31T14:26:14  Z",
        "2023-08-31T14:26:14UTC",
        "2023-08-31T14:26:14 utc",
        "2023-08-31T14:26:14+2",
        "2023-08-31T14:26:14+02",
        "2023-08-31T14:26:14+24:00",
        "2023-08-31T14:26:14+02:60",
        "2023-02-29T14:26:14Z",
        "2023-13-01T14:26:14Z",
        "2023-00-01T14:26:14Z",
        "0000-01-01T14:26:14Z",
        "2023-08-31T24:00:00Z",
        "2023-08-31T14:60:00Z",
        "2023-08-31T14:26:61Z",
        "23-08-31T14:26:14Z",
        "+2023-08-31T14:26:14Z",
        "20230831T142614Z",
        "2023-08-31T14:26:14Z\n",
        "٢٠٢٣-08-31T14:26:14Z",
        "1693491974",
    ],
)
def test_what_is_no_date_time_with_an_offset_is_not_read(text: str) -> None:
    assert nanoseconds_from_rfc3339(text) is None


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "2023-08-31T14:26:14Z"),
        (500_000_000, "2023-08-31T14:26:14.500Z"),
        (1_000_000, "2023-08-31T14:26:14.001Z"),
        (1_000, "2023-08-31T14:26:14.000001Z"),
        (100_000, "2023-08-31T14:26:14.000100Z"),
        (1, "2023-08-31T14:26:14.000000001Z"),
        (999_999_999, "2023-08-31T14:26:14.999999999Z"),
        (999_999_000, "2023-08-31T14:26:14.999999Z"),
    ],
)
def test_an_instant_is_written_with_the_fewest_of_0_3_6_or_9_digits(
    nanoseconds: int, text: str
) -> None:
    assert format_rfc3339(INSTANT_NS + nanoseconds) == text


def test_the_first_and_the_last_instant_are_written() -> None:
    assert format_rfc3339(1) == "1970-01-01T00:00:00.000000001Z"
    assert format_rfc3339(INT64_MAX) == "2262-04-11T23:47:16.854775807Z"


@given(st.integers(1, INT64_MAX))
def test_what_is_written_is_read_back(instant_ns: int) -> None:
    assert nanoseconds_from_rfc3339(format_rfc3339(instant_ns)) == instant_ns
