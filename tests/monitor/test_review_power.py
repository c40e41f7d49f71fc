"""The power of a weekly review: exact, and by the same rule as the verdict."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from harness.analysis.compare import ComparisonQuestion, Verdict
from harness.analysis.stats import rate
from harness.analysis.stats.unpaired import unpaired
from harness.monitor.review_power import review_power


def test_more_labels_detect_a_drop_with_higher_probability() -> None:
    powers = [review_power(0.94, 0.87, n) for n in (50, 100, 250, 500)]
    for week in (1, 2, 4):
        detected = [power.by_week[week - 1] for power in powers]
        assert detected == sorted(detected)
    assert 0.5 < powers[1].by_week[1] < 0.6
    assert powers[3].by_week[1] > 0.95


def regressed(most_p: float) -> int:
    """Return the largest number of correct replies of 100 that is significantly below 282 of 300."""
    base = rate(282, 300)
    lower = []
    for k in range(101):
        change = unpaired(base, rate(k, 100))
        if ComparisonQuestion("change", 0.03).answer(change) is Verdict.REGRESSED and change.p < most_p:
            lower.append(k)
    assert lower == list(range(lower[-1] + 1))
    return lower[-1]


def test_probability_sums_all_outcomes_that_are_regressed() -> None:
    found = review_power(0.94, 0.87, 100)
    first, lower = (float(binom.cdf(regressed(p), 100, 0.87)) for p in (0.05 / 52, 0.05))
    assert found.first == found.by_week[0] == pytest.approx(first)
    assert found.by_week[1] == pytest.approx(first + (1 - lower) * first + (lower - first) * lower)


def test_simulated_years_agree_with_the_exact_power() -> None:
    """2,000 simulations: weeks until one is far below the baseline, or the second in a row is below it."""
    found = review_power(0.94, 0.90, 100)
    far, below = regressed(0.05 / 52), regressed(0.05)
    random = np.random.default_rng(1)
    waited = []
    for weeks in random.binomial(100, 0.90, (2000, 400)).tolist():
        pairs = zip([100, *weeks], weeks, strict=False)
        waited.append(next(n for n, (before, now) in enumerate(pairs, 1) if now <= far or max(before, now) <= below))
    assert np.mean(waited) == pytest.approx(found.mean_weeks, rel=0.06)
    assert np.mean(np.array(waited) <= 4) == pytest.approx(found.by_week[3], abs=0.03)
    assert found.weeks is not None
    assert np.mean(np.array(waited) <= found.weeks) == pytest.approx(0.95, abs=0.015)


def test_false_alarms_in_a_year_stay_below_five_percent() -> None:
    assert review_power(0.94, 0.94, 100).by_week[-1] < 0.05


def test_weeks_is_none_if_a_year_is_not_enough() -> None:
    assert review_power(0.94, 0.94, 500).weeks is None
    assert math.isinf(review_power(0.5, 1.0, 20).mean_weeks)


def test_shares_outside_0_to_1_raise_value_error() -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        review_power(0.94, 87, 100)
