"""What a text stands for in a field of each type."""

from decimal import Decimal
from fractions import Fraction

import pytest

from theodora.query.operands import Exact, instant_ns, parse_number, seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("3", 3), ("-3", -3), ("+3", 3), ("3.0", 3), (".5", Decimal("0.5")), ("1E3", 1000)),
        *(("1e-3", Decimal("0.001")), ("9007199254740993", 9007199254740993), ("007", 7)),
        *(("1e999", Decimal("1e999")), ("1e1000", None), ("1.", None), ("", None), (" 1", None)),
        *(
            ("0x10", None),
            ("1_000", None),
            ("inf", None),
            ("nan", None),
            ("\u0661", None),
            ("-", None),
        ),
    ],
)
def test_a_number_is_decimal_and_exact(text: str, expected: Exact | None) -> None:
    assert parse_number(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("90", 90), ("1.5", Fraction(3, 2)), ("-1", -1), ("1h30m", 5400), ("1.5h", 5400)),
        *(("250ms", Fraction(1, 4)), ("1us", Fraction(1, 10**6)), ("1ns", Fraction(1, 10**9))),
        *(("1w2d3h4m5s", 788_645), ("1m1ms", Fraction(60_001, 1000)), ("0s", 0), (".5m", 30)),
        *(("1m1h", None), ("1h1h", None), ("h", None), ("1 h", None), ("", None), ("1x", None)),
        *(("-1h", None), ("1e3s", None), ("1H", None), ("1h30", None)),
    ],
)
def test_a_duration_is_seconds_or_units_in_falling_order(text: str, expected: Exact | None) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-08-31", 1_693_440_000 * 10**9),
        ("2023-08-31T14:26:14Z", 1_693_491_974 * 10**9),
        ("2023-08-31t16:26:14.5+0200", 1_693_491_974_500_000_000),
        ("2023-08-31 14:26:14 UTC", 1_693_491_974 * 10**9),
        *((str(1_693_491_974 * 10**power), 1_693_491_974 * 10**9) for power in (0, 3, 6, 9)),
        ("1.693491974e9", 1_693_491_974 * 10**9),
        *((text, None) for text in ("0", "-1", "1.5", "9223372037", "soon", "", "20230831T00Z")),
        *((text, None) for text in ("2023-02-30", "2023-08-31T14:26:14", "2023-8-31")),
    ],
)
def test_an_instant_is_rfc_3339_or_a_date_or_unix_time(text: str, expected: int | None) -> None:
    assert instant_ns(text) == expected
