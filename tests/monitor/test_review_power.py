"""The power of a weekly review: exact, and by the same rule as the verdict."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from harness.analysis.stats import rate
from harness.analysis.stats.unpaired import unpaired
from harness.monitor.review_power import review_power
from harness.monitor.review_rule import WEEK_SPREAD, far_level, twice_level


def test_more_labels_detect_a_drop_with_higher_probability() -> None:
    powers = [review_power(0.94, 0.87, n) for n in (50, 100, 250, 500)]
    for week in (1, 2, 4):
        detected = [power.by_week[week - 1] for power in powers]
        assert detected == sorted(detected)
    assert 0.4 < powers[1].by_week[1] < 0.5
    assert powers[3].by_week[1] > 0.85


def lower_ps() -> list[float]:
    """Return the one-sided p value of each number of correct replies of 100, against 282 of 300."""
    return [unpaired(rate(282, 300), rate(k, 100), spread=WEEK_SPREAD).lower_p for k in range(101)]


def regressed(most_p: float) -> int:
    """Return the largest number of correct replies of 100 whose one-sided p value is below `most_p`."""
    return sum(p < most_p for p in lower_ps()) - 1


def levels() -> tuple[float, float]:
    """Return the levels of one cell: one week far below, and one of two weeks below."""
    share = unpaired(rate(282, 300), rate(90, 100), spread=WEEK_SPREAD).base_share
    return far_level(1), twice_level(1, share)


def test_lower_p_grows_with_correct_replies() -> None:
    assert lower_ps() == sorted(lower_ps())


def test_probability_sums_all_outcomes_that_are_regressed() -> None:
    found = review_power(0.94, 0.87, 100)
    first, lower = (float(binom.cdf(regressed(p), 100, 0.87)) for p in levels())
    assert found.first == found.by_week[0] == pytest.approx(first)
    assert found.by_week[1] == pytest.approx(first + (1 - lower) * first + (lower - first) * lower)


def test_simulated_years_agree_with_the_exact_power() -> None:
    """2,000 simulations: weeks until one is far below the baseline, or the second in a row is below it."""
    found = review_power(0.94, 0.88, 100)
    far, below = (regressed(p) for p in levels())
    random = np.random.default_rng(1)
    waited = []
    for weeks in random.binomial(100, 0.88, (2000, 400)).tolist():
        pairs = zip([100, *weeks], weeks, strict=False)
        waited.append(next(n for n, (before, now) in enumerate(pairs, 1) if now <= far or max(before, now) <= below))
    assert np.mean(waited) == pytest.approx(found.mean_weeks, rel=0.06)
    assert np.mean(np.array(waited) <= 4) == pytest.approx(found.by_week[3], abs=0.03)
    assert found.weeks is not None
    assert np.mean(np.array(waited) <= found.weeks) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("cells", [1, 12, 100])
def test_false_alarms_of_all_cells_stay_below_0_15_a_year(cells: int) -> None:
    """Exact, over all baselines of 300 cases: the expected number of REGRESSED reviews in a year."""
    n_base, truth = 300, 0.94
    expected = 0.0
    for right in range(255, n_base + 1):
        power = review_power(right / n_base, truth, 100, cells=cells)
        chance = float(binom.pmf(right, n_base, truth))
        expected += chance * 52 * (power.first + power.lower * (power.lower - power.first))
    assert 0.05 < cells * expected < 0.15


def test_more_cells_detect_a_drop_later() -> None:
    by_week_4 = [review_power(0.94, 0.84, 100, cells=cells).by_week[3] for cells in (1, 12, 48, 100)]
    assert by_week_4 == sorted(by_week_4, reverse=True)
    assert by_week_4[0] > 0.85


def test_weeks_is_none_if_a_year_is_not_enough() -> None:
    assert review_power(0.94, 0.94, 500).weeks is None
    assert math.isinf(review_power(0.5, 1.0, 20).mean_weeks)


def test_shares_outside_0_to_1_raise_value_error() -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        review_power(0.94, 87, 100)
