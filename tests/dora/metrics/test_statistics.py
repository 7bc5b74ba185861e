"""Percentiles and intervals, against scipy and numpy."""

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from pooling import distribution_of
from theodora.dora.metrics.columns import sums_ns
from theodora.dora.metrics.statistics import (
    SECOND_NS,
    Distribution,
    distributions,
    totals_ns,
    wilson_interval,
    wilson_intervals,
)

sets = st.lists(st.lists(st.integers(0, 2**62), max_size=20), min_size=1, max_size=8)


def laid_out(sets_ns):
    """The sets one after another, and where each begins."""
    offsets = np.cumsum([0, *map(len, sets_ns)])
    return np.array([span for each in sets_ns for span in sorted(each)], np.int64), offsets


@given(sets)
def test_a_distribution_is_of_one_set_whatever_lies_beside_it(sets_ns):
    found = distributions(*laid_out(sets_ns))
    for number, each in enumerate(sets_ns):
        n, mean, *percentiles = (figure[number] for figure in found)
        assert n == len(each)
        if each:
            assert mean == pytest.approx(sum(each) / n / SECOND_NS)
            expected = np.percentile([span / SECOND_NS for span in each], [50, 75, 90, 95])
            assert percentiles == pytest.approx(list(expected), rel=1e-9, abs=1e-6)
        else:
            assert [mean, *percentiles] == [None] * 5


@given(sets)
def test_sums_are_exact_but_for_being_floats(sets_ns):
    expected = [float(sum(each)) for each in sets_ns]
    assert totals_ns(*laid_out(sets_ns)).tolist() == pytest.approx(expected, rel=1e-15)


@given(st.lists(st.lists(st.tuples(*[st.integers(-1, 2**62)] * 3), max_size=9), max_size=8))
def test_sums_of_events_are_exact_and_what_is_unknown_adds_nothing(events):
    spans_ns = np.array([row for rows in events for row in rows], np.int64).reshape(-1, 3)
    expected = [
        [float(sum(max(span, 0) for span in column)) for column in zip(*rows, strict=True)]
        or [0.0] * 3
        for rows in events
    ]
    found = sums_ns(spans_ns, np.array([*map(len, events)], np.int64))
    assert found.tolist() == [pytest.approx(each, rel=1e-15) for each in expected]


def test_one_value_is_every_percentile():
    assert distribution_of([7]) == Distribution(1, 7.0, 7.0, 7.0, 7.0, 7.0)


def test_no_values_have_no_statistics():
    assert distribution_of([]) == Distribution(0, None, None, None, None, None)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1))
def test_intervals_of_many_rates_are_those_of_each(rates):
    hits = np.array([min(each) for each in rates])
    n = np.array([max(each) for each in rates])
    for each, low, high in zip(rates, *wilson_intervals(hits, n), strict=True):
        expected = wilson_interval(min(each), max(each))
        assert expected is None or (low, high) == pytest.approx(expected, abs=1e-12)


@given(st.integers(1, 5_000), st.data())
def test_wilson_intervals_agree_with_scipy(n, data):
    hits = data.draw(st.integers(0, n))
    expected = scipy.stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson_interval(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(st.integers(1, 10**9), st.data())
def test_a_rate_lies_in_its_interval_and_the_interval_between_0_and_1(n, data):
    hits = data.draw(st.integers(0, n))
    low, high = wilson_interval(hits, n)
    assert 0 <= low <= hits / n <= high <= 1


def test_a_rate_without_observations_has_no_interval():
    assert wilson_interval(0, 0) is None
