"""Means over cases and their intervals."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.stats import mean, paired_mean, rate

SLEEP = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
"""Hours of sleep gained with dextro-hyoscyamine: Student 1908."""
SLEEP_DIFFERENCES = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
"""Laevo less dextro, the same ten patients."""


def test_interval_is_student_t() -> None:
    actual = mean(SLEEP)
    assert (actual.value, actual.n) == (pytest.approx(0.75), 10)
    assert (actual.low, actual.high) == (pytest.approx(-0.5298, abs=5e-5), pytest.approx(2.0298, abs=5e-5))


def test_paired_test_is_student_t() -> None:
    actual = paired_mean(SLEEP_DIFFERENCES)  # R: t.test(extra ~ group, sleep, paired = TRUE)
    assert (actual.delta, actual.n) == (pytest.approx(1.58), 10)
    assert (actual.low, actual.high) == (pytest.approx(0.7001, abs=5e-5), pytest.approx(2.4599, abs=5e-5))
    assert actual.p == pytest.approx(0.002833, abs=5e-7)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40).filter(lambda v: max(v) - min(v) > 1e-3))
def test_interval_and_test_match_scipy(values: list[float]) -> None:
    from scipy.stats import ttest_1samp

    theirs, ours = ttest_1samp(values, 0), paired_mean(values)
    interval = theirs.confidence_interval()
    assert (ours.low, ours.high) == (pytest.approx(interval.low, abs=1e-6), pytest.approx(interval.high, abs=1e-6))
    assert ours.p == pytest.approx(theirs.pvalue, abs=1e-9)


@pytest.mark.parametrize("values", [[], [3.0]])
def test_single_value_spans_the_bounds(values: list[float]) -> None:
    actual = mean(values)
    assert (actual.low, actual.high) == (-math.inf, math.inf)
    assert math.isnan(actual.value) == (not values)
    assert paired_mean(values).p == 1


def test_interval_stays_within_the_bounds() -> None:
    assert (mean([], (0, 1)).low, mean([], (0, 1)).high) == (0, 1)
    assert 0 <= mean([1.0], (0, 1)).low < 0.2
    assert mean([0.2, 1.0], (0, 1)).high <= 1


@pytest.mark.parametrize("n", [3, 20, 100, 300])
def test_perfect_scores_have_a_wide_interval(n: int) -> None:
    """The lower end is close to that of the Wilson interval, and never above it."""
    actual = mean([1.0] * n, (0, 1))
    assert actual.high == 1
    assert rate(n, n).low - 0.2 < actual.low < rate(n, n).low
    assert mean([1.0] * n).low == 1  # which is why bounds are to be given


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_bounded_interval_contains_its_mean(values: list[float]) -> None:
    actual = mean(values, (0, 1))
    assert 0 <= actual.low <= actual.value <= actual.high <= 1


def test_equal_differences_have_p_zero_or_one() -> None:
    assert paired_mean([0.0] * 9).p == 1
    assert paired_mean([0.5] * 9).p == 0
    nothing_seen = paired_mean([0.0] * 9, (-1, 1))
    assert nothing_seen.low < -0.25
    assert nothing_seen.high > 0.25
