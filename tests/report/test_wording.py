"""Numbers, spans and changes in words."""

import math
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pooling import pooled
from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.shapes import (
    DAYS_PER_MONTH,
    Change,
    Frequency,
    RateWithPending,
)
from theodora.dora.metrics.statistics import Distribution
from theodora.dora.metrics.table import METRICS, metric_named
from theodora.report import wording

NARROW, WIDE = "\u202f", "\u00a0"

numbers = st.floats(allow_nan=True, allow_infinity=True) | st.none()
spans = st.floats(0, 1e10)


def _typed(text: str) -> str:
    """With plain spaces, to be read in a test."""
    return text.replace(NARROW, " ").replace(WIDE, " ")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (1_407, "1 407"),
        (1_284_406, "1 284 406"),
        (-1_407, "−1 407"),
        (None, "no value"),
        (math.nan, "no value"),
        (math.inf, "no value"),
    ],
)
def test_digits_stand_in_groups_of_three(value: float | None, said: str) -> None:
    """A narrow no-break space keeps a number on one line."""
    assert _typed(wording.number(value)) == said


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0, "0.0 %"),
        (0.0004, "<0.1 %"),
        (0.0005, "0.1 %"),
        (0.0732, "7.3 %"),
        (0.5, "50.0 %"),
        (0.9994, "99.9 %"),
        (0.9996, ">99.9 %"),
        (1.0, "100.0 %"),
        (None, "no value"),
    ],
)
def test_a_rate_has_one_decimal_and_claims_nothing_by_rounding(
    share: float | None, said: str
) -> None:
    """Only nothing is 0 % and only all is 100 %."""
    assert _typed(wording.percent(share)) == said


@pytest.mark.parametrize(
    ("share", "said"), [(0, "0 %"), (0.001, "<1 %"), (0.34, "34 %"), (None, "no value")]
)
def test_a_share_of_a_whole_is_a_whole_percentage(share: float | None, said: str) -> None:
    """Shares that stand side by side need no decimals."""
    assert _typed(wording.whole_percent(share)) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.2, "<1 s"),
        (40, "40 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (47 * 60, "47 min"),
        (59.5 * 60, "1 h"),
        (3_600, "1 h"),
        (3 * 3_600 + 20 * 60, "3 h 20 min"),
        (24 * 3_600 - 1, "1 d"),
        (2 * 86_400 + 4 * 3_600 + 59, "2 d 4 h"),
        (9 * 86_400 + 23 * 3_600, "9 d 23 h"),
        (34 * 86_400, "34 d"),
        (1_500 * 86_400, "1 500 d"),
        (-90, "−2 min"),
        (None, "no value"),
        (math.nan, "no value"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float | None, said: str) -> None:
    """Units carry over where rounding fills them: never 60 min, never 24 h."""
    assert _typed(wording.duration(seconds)) == said


@given(spans, spans)
def test_a_longer_span_never_reads_shorter(one: float, other: float) -> None:
    """What is said is a rounding of what is, in the same order."""
    sizes = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}

    def read(seconds: float) -> float:
        parts = wording.duration_parts(seconds)
        return sum(
            (0.5 if part.figure == "<1" else float(part.figure.replace(NARROW, "")))
            * sizes[part.unit]
            for part in parts
        )

    shorter, longer = sorted((one, other))
    assert read(shorter) <= read(longer)


@given(spans)
def test_what_is_said_of_a_span_is_near_it(seconds: float) -> None:
    """Half of the smallest unit that is said, at most."""
    parts = wording.duration_parts(seconds)
    sizes = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
    said = sum(
        (0.5 if part.figure == "<1" else float(part.figure.replace(NARROW, ""))) * sizes[part.unit]
        for part in parts
    )
    assert len(parts) <= 2
    smallest = {"s": 1, "min": 60, "h": 60, "d": 3_600 if seconds < 864_000 else 86_400}
    assert abs(said - seconds) <= smallest[parts[0].unit] / 2 * (1 + 1e-9)


@given(numbers)
def test_nothing_that_is_unknown_reads_as_a_number(value: float | None) -> None:
    """No page says NaN, inf or None, and no unknown value reads as 0."""
    for say in (
        wording.number,
        wording.decimal,
        wording.percent,
        wording.whole_percent,
        wording.duration,
    ):
        said = say(value)
        assert not {"nan", "inf", "none"} & set(said.lower().split(NARROW))
        if value is None or not math.isfinite(value):
            assert said == wording.ABSENT


@pytest.mark.parametrize(
    ("count", "days", "said"),
    [
        (662, 80.6, "8.2 a day"),
        (84, 84, "1.0 a day"),
        (83, 84, "6.9 a week"),
        (12, 84, "1.0 a week"),
        (9, 84, "3.3 a month"),
        (1, 365.2425, "0.1 a month"),
        (1, 3_652.425, "<0.1 a month"),
        (0, 84, "no deployments"),
        (3, 0, "no deployments"),
    ],
)
def test_a_frequency_is_said_in_the_unit_that_reads(count: int, days: float, said: str) -> None:
    """A day from one a day on, then a week, then a month; never a rate of nothing."""
    assert _typed(wording.frequency(_frequency(count, days))) == said


def test_a_count_is_said_with_its_noun() -> None:
    """One is singular, none is a word."""
    assert wording.counted(0, "deployment") == "no deployments"
    assert wording.counted(1, "deployment") == "1 deployment"
    assert _typed(wording.counted(1_662, "deployment")) == "1 662 deployments"
    assert wording.counted(2, "day with one", "days with one") == "2 days with one"


@pytest.mark.parametrize(
    ("length", "said"), [(80.6, "80.6 days"), (84, "84 days"), (1, "1 day"), (0.01, "<0.1 days")]
)
def test_the_length_of_a_period_is_exact(length: float, said: str) -> None:
    """To a tenth of a day, and without a decimal that says nothing."""
    assert wording.days(length) == said


def _frequency(count: int, days: float) -> Frequency:
    rates = (count / days * each if days else None for each in (1, 7, DAYS_PER_MONTH))
    return Frequency(count, *rates, active_days=1)


def _metrics(
    *, count: int = 0, lead: Distribution | None = None, failed: int = 0, evaluated: int = 0
) -> Metrics:
    rate = failed / evaluated if evaluated else None
    return msgspec.structs.replace(
        pooled(),
        deployment_frequency=_frequency(count, 10),
        change_lead_time=lead or Distribution(),
        change_failure_rate=RateWithPending(rate, None, None, failed, evaluated, 0),
    )


def _lead(p50: float, n: int = 30) -> Distribution:
    return Distribution(n=n, mean=p50, p50=p50)


MOVEMENTS = [
    (
        "change_lead_time",
        _metrics(lead=_lead(3_600)),
        _metrics(lead=_lead(7_200)),
        Change(-3_600, -0.5, within_noise=False),
        ("1 h shorter", "down", "better", "2 h before"),
    ),
    (
        "change_lead_time",
        _metrics(lead=_lead(7_200)),
        _metrics(lead=_lead(3_600)),
        Change(3_600, 1, within_noise=True),
        ("1 h longer, within noise", "up", "", "1 h before"),
    ),
    (
        "change_lead_time",
        _metrics(lead=_lead(7_200, 4)),
        _metrics(lead=_lead(3_600)),
        Change(3_600, 1, within_noise=True),
        ("too few to compare", "level", "", "1 h before"),
    ),
    (
        "change_failure_rate",
        _metrics(failed=6, evaluated=100),
        _metrics(failed=10, evaluated=100),
        Change(-4.0, -0.4, within_noise=False),
        ("4.0 points lower", "down", "better", "10.0 % before"),
    ),
    (
        "change_failure_rate",
        _metrics(failed=11, evaluated=100),
        _metrics(failed=10, evaluated=100),
        Change(1.0, 0.1, within_noise=False),
        ("1.0 point higher", "up", "worse", "10.0 % before"),
    ),
    (
        "change_failure_rate",
        _metrics(),
        _metrics(failed=10, evaluated=100),
        Change(None, None, within_noise=True),
        ("nothing to compare with", "level", "", ""),
    ),
    (
        "deployment_frequency",
        _metrics(count=82),
        _metrics(count=73),
        Change(0.9, 0.12, within_noise=False),
        ("0.9 more a day", "up", "better", "7.3 before"),
    ),
    (
        "deployment_frequency",
        _metrics(count=5),
        _metrics(count=10),
        Change(-0.5, -0.5, within_noise=False),
        ("3.5 fewer a week", "down", "worse", "7.0 before"),
    ),
    (
        "deployment_frequency",
        _metrics(count=10),
        _metrics(count=10),
        Change(0.0, 0.0, within_noise=True),
        ("unchanged", "level", "", "1.0 before"),
    ),
]


@pytest.mark.parametrize(("name", "now", "before", "change", "said"), MOVEMENTS)
def test_a_change_is_said_in_words_and_judged_only_beyond_noise(
    name: str, now: Metrics, before: Metrics, change: Change, said: tuple[str, ...]
) -> None:
    """More, fewer, longer, shorter, higher, lower; the words never say better or worse."""
    movement = wording.movement(metric_named(name), now, before, change)
    assert tuple(map(_typed, movement)) == said


def test_every_metric_can_be_said_to_have_moved() -> None:
    """A new metric needs words of its own."""
    nothing = Change(None, None, within_noise=True)
    for metric in METRICS:
        assert wording.movement(metric, _metrics(), _metrics(), nothing).words


@given(st.text(max_size=300))
def test_a_name_holds_nothing_that_acts(text: str) -> None:
    """No control characters and no turning of directions, whatever a service is called."""
    for shown in (wording.visible(text), wording.plain(text).strip("\u2068\u2069")):
        assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in shown)
        assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def test_a_plain_name_is_left_as_it_is() -> None:
    """Letters of any script stay; long names are cut where a title has no room."""
    assert wording.plain("checkout-api") == "checkout-api"
    assert wording.visible("zahlung-ü-日本-🚀") == "zahlung-ü-日本-🚀"
    assert wording.plain("日本") == "\u2068日本\u2069"
    assert wording.visible("a\nb\u202ec") == "a␊b\ufffdc"
    assert len(wording.plain("x" * 300, 20).strip("\u2068\u2069")) == 20
