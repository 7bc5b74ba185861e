"""Whether a change is more than chance, against scipy and published examples."""

import math

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from pooling import durations as durations_of
from theodora.dora.metrics.significance import (
    ALPHA,
    binomial_p_value,
    count_within_noise,
    dispersed_count_p_value,
    durations_within_noise,
    fisher_p_value,
    largest_discovery,
    mann_whitney_p_value,
    newcombe_interval,
    p_value_bounds,
    rate_within_noise,
    student_p_value,
)
from theodora.dora.metrics.statistics import SECOND_NS

counts = st.integers(0, 400)
days = st.floats(0.01, 400)


@given(counts, counts, st.floats(0.01, 0.99))
def test_the_binomial_test_agrees_with_scipy(k, rest, p):
    expected = scipy.stats.binomtest(k, k + rest, p).pvalue if k + rest else 1.0
    assert binomial_p_value(k, k + rest, p) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("k", "n", "p"),
    [
        (500_000, 1_000_000, 0.5),
        (501_000, 1_000_000, 0.5),
        (90_300, 1_000_000, 0.09),
        (0, 100_000, 0.5),
        (0, 3, 0.2),
        (5, 5, 0.9),
    ],
)
def test_the_binomial_test_holds_for_large_and_extreme_counts(k, n, p):
    expected = scipy.stats.binomtest(k, n, p).pvalue
    assert binomial_p_value(k, n, p) == pytest.approx(expected, rel=1e-6, abs=1e-300)


@given(counts, days, counts, days)
def test_counts_are_compared_by_their_rates_exactly(count, length, before, length_before):
    share = length / (length + length_before)
    p_value = scipy.stats.binomtest(count, count + before, share).pvalue if count + before else 1.0
    expected = p_value >= 0.05
    assert math.isclose(p_value, 0.05, rel_tol=1e-9) or (
        count_within_noise(count, length, before, length_before) == expected
    )


def test_without_days_there_is_nothing_to_compare():
    assert count_within_noise(9, 0, 1, 7)
    assert count_within_noise(9, 7, 0, 0)


def test_twice_the_deployments_are_noise_if_few_and_not_if_many():
    assert count_within_noise(6, 7, 3, 7)
    assert not count_within_noise(60, 7, 30, 7)


@pytest.mark.parametrize(
    ("rates", "interval"),
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((6, 7, 2, 7), (0.0582, 0.8062)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((0, 10, 0, 20), (-0.1611, 0.2775)),
        ((0, 10, 0, 10), (-0.2775, 0.2775)),
        ((10, 10, 0, 20), (0.6791, 1.0000)),
        ((10, 10, 0, 10), (0.6075, 1.0000)),
    ],
)
def test_the_hybrid_score_interval_is_as_newcombe_printed_it(rates, interval):
    """Newcombe, Statistics in Medicine 17 (1998), table II, method 10."""
    assert newcombe_interval(*rates) == pytest.approx(interval, abs=5e-5)


@given(st.integers(1, 300), st.integers(1, 300), st.data())
def test_the_hybrid_score_interval_is_made_of_score_intervals(n, m, data):
    hits, hits_before = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    now = scipy.stats.binomtest(hits, n).proportion_ci(method="wilson")
    then = scipy.stats.binomtest(hits_before, m).proportion_ci(method="wilson")
    rate, before = hits / n, hits_before / m
    low = rate - before - np.sqrt((rate - now.low) ** 2 + (then.high - before) ** 2)
    high = rate - before + np.sqrt((now.high - rate) ** 2 + (before - then.low) ** 2)
    assert newcombe_interval(hits, n, hits_before, m) == pytest.approx((low, high), abs=1e-9)


def test_a_rate_without_observations_is_within_noise():
    assert rate_within_noise(0, 0, 5, 10)
    assert rate_within_noise(5, 10, 0, 0)


def test_ten_points_are_noise_in_tens_and_not_in_thousands():
    assert rate_within_noise(2, 10, 1, 10)
    assert not rate_within_noise(200, 1_000, 100, 1_000)


# Few different values, so that ties are common.
durations = st.lists(st.integers(0, 30), min_size=1, max_size=40)


@given(durations, durations)
def test_the_rank_test_agrees_with_scipy(values, before):
    found = mann_whitney_p_value(durations_of(values), durations_of(before))
    if len({*values, *before}) == 1:
        assert found == 1
    else:
        expected = scipy.stats.mannwhitneyu(values, before, method="asymptotic").pvalue
        assert found == pytest.approx(expected, rel=1e-9)


@given(durations, durations)
def test_the_rank_test_does_not_care_which_is_first(values, before):
    values, before = durations_of(values), durations_of(before)
    assert mann_whitney_p_value(values, before) == pytest.approx(
        mann_whitney_p_value(before, values)
    )


def lognormal(rng: np.random.Generator, size: int, shift: float, spread: float, grain_ns: int = 1):
    """Durations of hours, in order."""
    spans_ns = np.exp(rng.normal(11 + shift, spread, size)) * SECOND_NS
    return np.sort(spans_ns.astype(np.int64) // grain_ns * grain_ns)


@given(
    seed=st.integers(0, 2**32),
    sizes=st.tuples(st.integers(5, 2_000), st.integers(5, 2_000)),
    shift=st.sampled_from((0.0, 0.05, 0.1, 0.2, 3.0)),
    spread=st.sampled_from((0.0, 0.001, 0.5, 2.0)),
    grain_ns=st.sampled_from((1, SECOND_NS, 3600 * SECOND_NS)),
)
def test_counts_by_bins_bound_the_rank_test(seed, sizes, shift, spread, grain_ns):
    rng = np.random.default_rng(seed)
    values = lognormal(rng, sizes[0], shift, spread, grain_ns)
    before = lognormal(rng, sizes[1], 0.0, spread, grain_ns)
    exact = mann_whitney_p_value(values, before)
    least, most = p_value_bounds(values, before)
    assert least <= exact * (1 + 1e-9)
    assert exact <= most * (1 + 1e-9)
    assert durations_within_noise(values, before) == (exact >= ALPHA)


def test_bins_that_hold_everything_tell_nothing():
    same = durations_of([3600] * 2_000)
    longer = durations_of([3600] * 1_993 + [7200] * 7)
    assert mann_whitney_p_value(longer, same) < ALPHA
    assert not durations_within_noise(longer, same)


@pytest.mark.parametrize(("shift", "is_noise"), [(0.0, True), (0.1, False)])
def test_of_many_durations_the_bounds_tell(shift, is_noise):
    rng = np.random.default_rng(1)
    least, most = p_value_bounds(lognormal(rng, 8_000, shift, 1.3), lognormal(rng, 8_000, 0.0, 1.3))
    assert (least >= ALPHA, most >= ALPHA) == (is_noise, is_noise)


def test_fewer_than_five_durations_are_always_within_noise():
    assert durations_within_noise(durations_of([1] * 4), durations_of([1e6] * 50))
    assert durations_within_noise(durations_of([]), durations_of([]))
    assert not durations_within_noise(durations_of([1] * 5), durations_of([1e6] * 50))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_fishers_test_agrees_with_scipy(hits, rest, hits_before, rest_before):
    if hits + rest and hits_before + rest_before:
        expected = scipy.stats.fisher_exact([[hits, rest], [hits_before, rest_before]]).pvalue
        found = fisher_p_value(hits, hits + rest, hits_before, hits_before + rest_before)
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_fishers_test_holds_for_many():
    expected = scipy.stats.fisher_exact([[900, 99_100], [700, 99_300]]).pvalue
    assert fisher_p_value(900, 100_000, 700, 100_000) == pytest.approx(expected, rel=1e-6)


@given(st.floats(0, 50), st.integers(1, 300))
def test_students_t_agrees_with_scipy(t, degrees):
    expected = 2 * scipy.stats.t.sf(t, degrees)
    assert student_p_value(t, degrees) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(0, 40))
def test_discoveries_are_those_of_benjamini_and_hochberg(p_values, others):
    adjusted = scipy.stats.false_discovery_control([*p_values, *[1.0] * others])[: len(p_values)]
    if not any(math.isclose(each, 0.05, rel_tol=1e-9) for each in adjusted):
        limit = largest_discovery(p_values, 0.05, len(p_values) + others)
        expected = max((p for p, q in zip(p_values, adjusted, strict=True) if q < 0.05), default=0)
        assert limit == expected


def test_counts_in_bursts_are_weighed_by_how_much_they_vary():
    steady, bursts = np.array([10, 11, 9, 10, 10, 10]), np.array([0, 55, 0, 0, 5, 0])
    few = np.array([4, 6, 5, 5, 5, 5])
    assert dispersed_count_p_value(steady, few, 0.5) < 0.05
    assert dispersed_count_p_value(bursts, few, 0.5) > 0.2
    # By quasi-Poisson: the variance is that of the parts, 1.8 times Poisson's.
    now, before = np.array([2, 8, 2, 8]), np.array([1, 4, 1, 4])
    spread = (4 * 9 / 5 + 4 * 2.25 / 2.5) / 6
    t = (20 - 15) / math.sqrt(spread * 30 / 4)
    expected = 2 * scipy.stats.t.sf(t, 6)
    assert dispersed_count_p_value(now, before, 0.5) == pytest.approx(expected)
    assert dispersed_count_p_value(np.array([0]), np.array([0]), 0.5) == 1.0
