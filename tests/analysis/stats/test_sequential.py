"""The interval that stays valid if it is looked at after every case."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.analysis.compare import ComparisonQuestion, Verdict
from harness.analysis.stats import DecisionRule, paired, sequential_paired
from harness.analysis.stats.sequential import cases_to_prove, looks


def of(gains: int, losses: int, n: int) -> list[float]:
    return [1.0] * gains + [-1.0] * losses + [0.0] * (n - gains - losses)


def test_interval_ends_where_the_mean_wealth_is_one_over_alpha() -> None:
    p = sequential_paired(of(3, 8, 200))
    bets = (np.arange(2000) + 0.5) / 2000
    for end, side in ((p.low, 1), (p.high, -1)):
        gain, loss, same = (1 - bets + bets * (1 + side * x) / (1 + side * end) for x in (1, -1, 0))
        wealth = np.mean(gain**3 * loss**8 * same**189)
        assert wealth == pytest.approx(1 / 0.025, rel=0.01)


def test_the_wealth_of_a_true_hypothesis_does_not_grow() -> None:
    """A loss of exactly the margin, after every case of 120 sets: at most 2.5% get MOVE, and at most 2.5% STAY."""
    rng, question = np.random.default_rng(7), ComparisonQuestion("move", margin=0.1)
    moves = stays = 0
    for _ in range(120):
        counts = np.cumsum(rng.multinomial(1, [0.05, 0.15, 0.8], size=120), axis=0)[9::10]
        verdicts = {question.decide(sequential_paired(of(g, c, g + c + same))) for g, c, same in counts.tolist()}
        moves += Verdict.MOVE in verdicts
        stays += Verdict.STAY in verdicts
    assert moves <= 0.025 * 120
    assert stays <= 0.025 * 120


def test_interval_is_wider_than_that_of_one_look() -> None:
    for gains, losses, n in [(0, 0, 120), (25, 25, 1000), (10, 60, 300)]:
        p, once = sequential_paired(of(gains, losses, n)), paired(gains, losses, n)
        assert p.delta == once.delta
        assert 1.3 < (p.high - p.low) / (once.high - once.low) < 1.8


def test_order_of_the_cases_does_not_matter() -> None:
    differences = of(5, 9, 100)
    assert sequential_paired(differences) == sequential_paired(differences[::-1])


def test_swapping_the_runs_mirrors_the_interval() -> None:
    p, swapped = sequential_paired(of(5, 9, 100)), sequential_paired(of(9, 5, 100))
    assert (p.low, p.high) == pytest.approx((-swapped.high, -swapped.low))
    assert p.p == pytest.approx(swapped.p)


def test_p_is_small_where_the_interval_excludes_zero() -> None:
    assert sequential_paired(of(10, 60, 300)).p < 0.001
    for losses in range(4, 40):
        p = sequential_paired(of(3, losses, 200))
        assert p.p < 0.05 or p.high >= 0


def test_shares_of_repeats_narrow_the_interval() -> None:
    thirds = sequential_paired([1 / 3, -1 / 3] * 30 + [0.0] * 240)
    whole = sequential_paired(of(10, 10, 300))
    assert thirds.high - thirds.low < whole.high - whole.low


def test_no_cases_leave_the_whole_range() -> None:
    p = sequential_paired([])
    assert (p.n, p.low, p.high, p.p) == (0, -1.0, 1.0, 1.0)
    assert math.isnan(p.delta)


def test_long_runs_neither_overflow_nor_lose_the_mean() -> None:
    p = sequential_paired(of(40_000, 10_000, 100_000))
    assert p.low < 0.3 < p.high
    assert p.high - p.low < 0.02
    assert p.p < 1e-6


def test_difference_beyond_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be in -1\.\.1"):
        sequential_paired([2.0])


def test_move_needs_no_exact_test() -> None:
    """The exact test is of one look; the anytime-valid interval is exact by itself."""
    p = sequential_paired(of(0, 0, 60))
    assert p.anytime
    assert ComparisonQuestion("move", margin=0.1).decide(p) is Verdict.MOVE


@pytest.mark.parametrize("n", [1, 19, 20, 21, 300, 1000])
def test_looks_end_with_the_last_case(n: int) -> None:
    at = looks(n)
    assert at == sorted(set(at))
    assert at[-1] == n
    assert at[0] == min(20, n)


def test_needed_cases_lead_to_the_verdict() -> None:
    needed = cases_to_prove(sequential_paired(of(10, 10, 300)), DecisionRule("move", 0.03))
    assert needed is not None
    share = needed / 300
    assert sequential_paired(of(round(10 * share), round(10 * share), needed)).low > -0.03
    assert cases_to_prove(sequential_paired(of(10, 19, 300)), DecisionRule("move", 0.03)) is None
    assert cases_to_prove(sequential_paired(of(10, 19, 300)), DecisionRule("change", 0.03)) is not None


def test_needed_cases_are_unknown_without_cases() -> None:
    assert cases_to_prove(sequential_paired([]), DecisionRule("move", 0.03)) is None


def test_doubled_cases_prove_no_more_than_single_cases() -> None:
    once = sequential_paired(of(3, 8, 200))
    twice = sequential_paired(of(3, 8, 200) * 2, clusters=[f"c-{i}" for i in range(200)] * 2)
    assert (twice.n, twice.delta) == (400, once.delta)
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))
    assert twice.p == pytest.approx(once.p)


def test_cases_on_their_own_need_no_cluster_names() -> None:
    differences = of(3, 8, 100)
    assert sequential_paired(differences, clusters=[""] * 100) == sequential_paired(differences)
    named = sequential_paired(differences, clusters=[str(i) for i in range(100)])
    assert named.low == pytest.approx(sequential_paired(differences).low)


def test_large_cluster_widens_the_interval() -> None:
    differences = of(3, 8, 100)
    clusters = ["one"] * 5 + [""] * 95
    assert sequential_paired(differences, clusters=clusters).low < sequential_paired(differences).low


def test_cluster_names_must_fit_the_cases() -> None:
    with pytest.raises(ValueError, match="2 cluster names for 3 cases"):
        sequential_paired(of(1, 1, 3), clusters=["a", "b"])
