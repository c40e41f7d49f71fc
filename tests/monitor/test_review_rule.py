"""The rule for REGRESSED reviews: its levels follow from one yearly budget over all cells."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm

from harness.analysis.compare import Verdict
from harness.analysis.stats import rate
from harness.analysis.stats.unpaired import Unpaired, unpaired
from harness.monitor.review_rule import (
    MIN_PAIRS,
    WEEK_SPREAD,
    ReviewPair,
    far_level,
    is_lower,
    lower_per_year,
    twice_level,
    week_spread,
    weekly_verdict,
)


def change(right: int, n: int = 100) -> Unpaired:
    return unpaired(rate(282, 300), rate(right, n), spread=WEEK_SPREAD)


def verdict(right: int, *, cells: int, lower_before: bool = False) -> Verdict:
    return weekly_verdict(change(right), 0.03, lower_before=lower_before, cells=cells)


def test_far_rule_spends_half_of_the_budget_at_any_number_of_cells() -> None:
    assert [52 * cells * far_level(cells) for cells in (1, 12, 100)] == pytest.approx([0.075] * 3)


@pytest.mark.parametrize(("cells", "base_share"), [(1, 0.0), (12, 0.25), (100, 0.6)])
def test_twice_level_is_the_tail_of_two_correlated_normals(cells: int, base_share: float) -> None:
    """Integrated over the shared base: two weeks in a row are lower with half of the budget."""
    z, u = norm.isf(twice_level(cells, base_share)), np.linspace(-9, 9, 20_001)
    both = norm.pdf(u) * norm.sf((z - np.sqrt(base_share) * u) / np.sqrt(1 - base_share)) ** 2
    assert both.sum() * (u[1] - u[0]) == pytest.approx(far_level(cells), rel=0.01)


def test_a_shared_base_needs_a_stricter_level() -> None:
    levels = [twice_level(12, share) for share in (0.0, 0.3, 0.6, 0.9)]
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] > far_level(12)


def test_more_cells_need_a_larger_drop() -> None:
    right = {
        cells: max(k for k in range(101) if verdict(k, cells=cells) is Verdict.REGRESSED) for cells in (1, 12, 100)
    }
    assert right[1] > right[12] > right[100]
    twice = [k for k in range(101) if verdict(k, cells=100, lower_before=True) is Verdict.REGRESSED]
    assert max(twice) > right[100]


def test_one_lower_review_is_inconclusive_and_a_second_is_regressed() -> None:
    assert is_lower(change(84), 0.03, 12)
    assert verdict(84, cells=12) is Verdict.INCONCLUSIVE
    assert verdict(84, cells=12, lower_before=True) is Verdict.REGRESSED


def test_reviews_in_many_cells_are_lower_by_chance_more_often() -> None:
    assert lower_per_year(1, 0.25) < 2 < lower_per_year(12, 0.25) < lower_per_year(100, 0.25)


def reviews(spread: float, cells: int, weeks: int, *, drop_after: int | None = None) -> list[ReviewPair]:
    """Return the pairs of successive reviews of cells whose true accuracy varies around 90%."""
    random = np.random.default_rng(3)
    log_odds = np.log(9) + random.normal(0, spread, (cells, weeks))
    if drop_after is not None:
        log_odds[:, drop_after:] -= 1.0
    shares = random.binomial(100, 1 / (1 + np.exp(-log_odds))) / 100
    return [ReviewPair(a, 100, b, 100) for row in shares.tolist() for a, b in pairwise(row)]


def test_week_spread_is_estimated_from_successive_reviews() -> None:
    assert week_spread(reviews(0.4, 50, 20)) == pytest.approx(0.4, abs=0.05)
    assert week_spread(reviews(0.0, 50, 20)) <= 0.12


def test_week_spread_ignores_a_drop() -> None:
    assert week_spread(reviews(0.0, 20, 10, drop_after=5)) <= 0.15


def test_few_reviews_give_the_default_week_spread() -> None:
    assert week_spread(reviews(0.8, 1, MIN_PAIRS)) == WEEK_SPREAD
    assert week_spread(reviews(0.8, 1, MIN_PAIRS + 1)) > WEEK_SPREAD


def test_weeks_that_differ_make_the_test_stricter() -> None:
    base, head = rate(282, 300), rate(430, 500)
    ps = [unpaired(base, head, spread=spread).lower_p for spread in (0.0, 0.1, 0.3)]
    assert ps == sorted(ps)
    assert ps[0] < ps[2] / 10
