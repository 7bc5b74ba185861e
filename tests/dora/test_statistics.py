"""Percentiles and intervals, against scipy and numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from theodora.dora.statistics import Distribution, distribution, percentile, wilson_interval

spans = st.lists(st.floats(0, 1e9), min_size=1, max_size=50)


@given(spans, st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0]))
def test_percentiles_interpolate_as_numpy_does(values, p):
    expected = float(np.percentile(values, p * 100))
    assert percentile(sorted(values), p) == pytest.approx(expected, abs=1e-6)


@given(spans)
def test_a_distribution_is_of_all_values_whatever_their_order(values):
    found = distribution(values)
    assert found == distribution(reversed(values))
    assert found.n == len(values)
    assert found.mean == pytest.approx(float(np.mean(values)))
    assert found.p50 == pytest.approx(float(np.median(values)), abs=1e-6)


def test_one_value_is_every_percentile():
    assert distribution([7.0]) == Distribution(1, 7.0, 7.0, 7.0, 7.0, 7.0)


def test_no_values_have_no_statistics():
    assert distribution([]) == Distribution(0, None, None, None, None, None)


@given(st.integers(1, 5_000), st.data())
def test_wilson_intervals_agree_with_scipy(n, data):
    hits = data.draw(st.integers(0, n))
    expected = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson_interval(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(st.integers(1, 10**9), st.data())
def test_a_rate_lies_in_its_interval_and_the_interval_between_0_and_1(n, data):
    hits = data.draw(st.integers(0, n))
    low, high = wilson_interval(hits, n)
    assert 0 <= low <= hits / n <= high <= 1


def test_a_rate_without_observations_has_no_interval():
    assert wilson_interval(0, 0) is None
