"""Paired differences, checked against published examples, scipy, and their definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.analysis.stats import clustered_paired, mcnemar_exact, mcnemar_midp, paired, tango

Z = 1.959963984540054

counts = st.integers(1, 400).flatmap(
    lambda n: st.integers(0, n).flatmap(lambda gains: st.tuples(st.just(gains), st.integers(0, n - gains), st.just(n)))
)


def score(gains: float, losses: float, n: float, delta: float) -> float:
    """Independent implementation of Tango's statistic (1998)."""
    a, b, c = 2 * n, (2 * n - gains + losses) * delta - gains - losses, -losses * delta * (1 - delta)
    likeliest = (math.sqrt(b * b - 4 * a * c) - b) / (2 * a)
    return (gains - losses - n * delta) / math.sqrt(n * (2 * likeliest + delta * (1 - delta)))


@pytest.mark.parametrize(
    ("gains", "losses", "n", "low", "high"),
    [
        # airway hyper-responsiveness before and after stem cell transplantation (Bentur et al. 2009), in
        # Fagerland, Lydersen & Laake 2014, Statistics in Medicine 33:2850-2875
        (1, 7, 21, -0.517, -0.026),
        # complete response before and after consolidation (Cavo et al. 2012), in the tests of the R package
        # contingencytables, which goes with Fagerland, Lydersen & Laake, Statistical Analysis of Contingency Tables
        (6, 16, 161, -0.1240, -0.0054),
    ],
)
def test_interval_matches_published_tango_intervals(gains: int, losses: int, n: int, low: float, high: float) -> None:
    actual = paired(gains, losses, n)
    places = 5e-4 if n == 21 else 5e-5
    assert (actual.low, actual.high) == (pytest.approx(low, abs=places), pytest.approx(high, abs=places))
    assert actual.delta == (gains - losses) / n


@pytest.mark.parametrize(
    ("gains", "losses", "exact", "midp"),
    [
        (1, 7, 0.0703, 0.0391),  # Fagerland, Lydersen & Laake 2013: Bentur et al.
        (6, 16, 0.052479, 0.034690),  # the tests of the R package contingencytables: Cavo et al.
    ],
)
def test_p_values_match_published_mcnemar_tests(gains: int, losses: int, exact: float, midp: float) -> None:
    assert mcnemar_exact(gains, losses) == pytest.approx(exact, abs=5e-5)
    assert mcnemar_midp(gains, losses) == mcnemar_midp(losses, gains) == pytest.approx(midp, abs=5e-5)


@given(st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=50)
def test_exact_p_matches_scipy_and_mid_p_is_below(gains: int, losses: int) -> None:
    from scipy.stats import binomtest

    assume(gains + losses > 0)
    assert mcnemar_exact(gains, losses) == pytest.approx(binomtest(gains, gains + losses).pvalue)
    half_each_side = math.comb(gains + losses, gains) / 2 ** (gains + losses)
    expected = 1 - half_each_side / 2 if gains == losses else mcnemar_exact(gains, losses) - half_each_side
    assert mcnemar_midp(gains, losses) == pytest.approx(expected)


@given(counts)
def test_interval_ends_are_where_the_score_test_rejects(of: tuple[int, int, int]) -> None:
    gains, losses, n = of
    low, high = tango(gains, losses, n)
    assert -1 <= low <= (gains - losses) / n <= high <= 1
    if low > -1:
        assert score(gains, losses, n, low) == pytest.approx(Z, abs=1e-6)
    if high < 1:
        assert score(gains, losses, n, high) == pytest.approx(-Z, abs=1e-6)


@given(counts, st.floats(-0.999, 0.999), st.floats(-0.999, 0.999))
def test_score_statistic_is_monotonic(of: tuple[int, int, int], first: float, second: float) -> None:
    gains, losses, n = of
    assume(gains + losses > 0)
    less, more = sorted((first, second))
    assume(more - less > 1e-6)
    assert score(gains, losses, n, less) >= score(gains, losses, n, more) - 1e-9


@given(counts)
def test_swapping_the_runs_negates_the_difference(of: tuple[int, int, int]) -> None:
    gains, losses, n = of
    there, back = paired(gains, losses, n), paired(losses, gains, n)
    assert (there.delta, there.p) == (-back.delta, back.p)
    assert (there.low, there.high) == (pytest.approx(-back.high, abs=1e-9), pytest.approx(-back.low, abs=1e-9))


def test_no_observed_difference_has_a_wide_interval() -> None:
    few, many = paired(0, 0, 9), paired(0, 0, 900)
    assert few.p == many.p == 1
    assert (few.low, few.high) == (pytest.approx(-(Z**2) / (9 + Z**2)), pytest.approx(Z**2 / (9 + Z**2)))
    assert few.low < -0.29
    assert many.low > -0.005


def test_all_gains_or_losses_end_at_plus_or_minus_one() -> None:
    won, lost = paired(5, 0, 5), paired(0, 5, 5)
    assert (won.low, won.high) == (pytest.approx((5 - Z**2) / (5 + Z**2)), 1)
    assert (lost.low, lost.high) == (-1, pytest.approx((Z**2 - 5) / (Z**2 + 5)))


@given(st.integers(2, 3000))
def test_closed_formulas_are_close_to_their_neighbours(n: int) -> None:
    """The three outcomes with a closed formula are close to their neighbours."""
    step = 5 / (n + Z**2)
    assert abs(tango(n, 0, n)[0] - tango(n - 1, 0, n)[0]) < step
    assert abs(tango(0, n, n)[1] - tango(0, n - 1, n)[1]) < step
    assert abs(tango(0, 0, n)[0] - tango(1, 0, n)[0]) < step


def test_no_cases_give_nan_and_the_full_range() -> None:
    actual = paired(0, 0, 0)
    assert math.isnan(actual.delta)
    assert math.isnan(actual.discordance)
    assert (actual.low, actual.high, actual.p) == (-1, 1, 1)
    assert (clustered_paired([], []).low, clustered_paired([], []).high) == (-1, 1)


@pytest.mark.parametrize(("gains", "losses", "n"), [(-1, 0, 3), (0, -1, 3), (2, 2, 3), (1, 0, 0)])
def test_impossible_counts_are_rejected(gains: int, losses: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{gains} gains and {losses} losses .* {n} cases"):
        paired(gains, losses, n)


def test_higher_confidence_widens_the_interval() -> None:
    assert paired(3, 9, 100, 0.99).low < paired(3, 9, 100).low < paired(3, 9, 100, 0.9).low


def test_one_answer_per_case_equals_paired() -> None:
    base = [(1, 1)] * 10 + [(0, 1)] * 5
    head = [(1, 1)] * 7 + [(0, 1)] * 3 + [(1, 1)] * 1 + [(0, 1)] * 4
    assert clustered_paired(base, head) == paired(1, 3, 15)


def test_identical_repeats_count_as_one_answer() -> None:
    base = [(5, 5)] * 60 + [(0, 5)] * 40
    head = [(5, 5)] * 50 + [(0, 5)] * 10 + [(5, 5)] * 4 + [(0, 5)] * 36
    actual, once = clustered_paired(base, head), paired(4, 10, 100)
    assert (actual.gains, actual.losses, actual.n, actual.delta) == (4, 10, 100, pytest.approx(once.delta))
    assert (actual.low, actual.high) == (pytest.approx(once.low), pytest.approx(once.high))
    assert actual.p == pytest.approx(mcnemar_midp(10, 4))


def test_varying_repeats_narrow_the_interval() -> None:
    random = np.random.default_rng(0)
    base, head = (random.binomial(8, 0.7, 200).tolist() for _ in range(2))
    actual = clustered_paired([(b, 8) for b in base], [(h, 8) for h in head])
    difference = np.array(head) / 8 - np.array(base) / 8
    assert actual.delta == pytest.approx(difference.mean())
    error = difference.std(ddof=1) / math.sqrt(200)
    assert actual.high - actual.low == pytest.approx(2 * 1.97 * error, rel=0.05)  # what Student's t has, near enough


def test_unequal_numbers_of_cases_are_rejected() -> None:
    with pytest.raises(ValueError, match="2 cases cannot be paired with 1"):
        clustered_paired([(1, 1), (1, 1)], [(1, 1)])
