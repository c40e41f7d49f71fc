"""Rates over different cases, checked against published values, statsmodels and invariants."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from harness.analysis.stats import Rate, rate
from harness.analysis.stats.unpaired import Stratum, effective_n, stratified_rate, unpaired, varied_n, wilson


@pytest.mark.parametrize(
    ("base", "head", "low", "high"),
    [
        ((48, 80), (56, 70), 0.0524, 0.3339),
        ((3, 10), (9, 10), 0.1705, 0.8090),
    ],
)
def test_interval_matches_newcombes_table(
    base: tuple[int, int], head: tuple[int, int], low: float, high: float
) -> None:
    """Newcombe 1998, Stat. Med. 17:873, method 10."""
    actual = unpaired(rate(*base), rate(*head))
    assert (actual.low, actual.high) == pytest.approx((low, high), abs=0.00005)


@pytest.mark.parametrize(("base", "head"), [((282, 300), (87, 100)), ((5, 10), (5, 10)), ((99, 100), (40, 50))])
def test_interval_matches_statsmodels(base: tuple[int, int], head: tuple[int, int]) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    actual = unpaired(rate(*base), rate(*head))
    ends = proportion.confint_proportions_2indep(*head, *base, method="newcomb", compare="diff")
    assert (actual.low, actual.high) == pytest.approx(ends, abs=1e-9)
    assert actual.p == pytest.approx(proportion.proportions_ztest([head[0], base[0]], [head[1], base[1]])[1])


def test_no_cases_give_nan_and_the_full_range() -> None:
    actual = unpaired(rate(0, 0), rate(5, 10))
    assert math.isnan(actual.delta)
    assert (actual.low, actual.high, actual.p) == (-1.0, 1.0, 1.0)


def test_proportional_sample_equals_rate() -> None:
    strata = [Stratum(45, 50, 500), Stratum(27, 30, 300), Stratum(10, 20, 200)]
    actual, plain = stratified_rate(strata), rate(82, 100)
    assert (actual.value, actual.low, actual.high) == pytest.approx((plain.value, plain.low, plain.high))
    assert effective_n(strata) == pytest.approx(100)


def test_oversampled_stratum_is_weighted_by_its_size() -> None:
    """A label with 1% of the replies makes up half of the sample."""
    strata = [Stratum(50, 50, 9_900), Stratum(0, 50, 100)]
    actual = stratified_rate(strata)
    assert actual.value == pytest.approx(0.99)
    assert effective_n(strata) == pytest.approx(51, abs=0.1)


def test_impossible_stratum_is_rejected() -> None:
    with pytest.raises(ValueError, match="5 hits of 4 from a stratum of 10"):
        stratified_rate([Stratum(5, 4, 10)])


@st.composite
def strata(draw: st.DrawFn) -> list[Stratum]:
    actual = []
    for _ in range(draw(st.integers(1, 6))):
        size = draw(st.integers(1, 5000))
        n = draw(st.integers(0, min(size, 60)))
        actual.append(Stratum(draw(st.integers(0, n)), n, size))
    return actual


@given(strata())
def test_stratified_interval_contains_its_estimate(parts: list[Stratum]) -> None:
    actual = stratified_rate(parts)
    if not actual.n:
        assert (actual.low, actual.high) == (0.0, 1.0)
        return
    assert 0 <= actual.low <= actual.value + 1e-9
    assert actual.value - 1e-9 <= actual.high <= 1
    assert effective_n(parts) <= actual.n + 1e-6
    low, high = wilson(actual.value, actual.n)
    assert actual.high - actual.low >= high - low - 1e-9


@given(st.integers(0, 40), st.integers(1, 40), st.integers(0, 40), st.integers(1, 40))
def test_swapping_the_rates_negates_the_difference(a: int, n: int, b: int, m: int) -> None:
    one, other = rate(min(a, n), n), rate(min(b, m), m)
    actual, back = unpaired(one, other), unpaired(other, one)
    assert (actual.delta, actual.low, actual.high, actual.p) == pytest.approx(
        (-back.delta, -back.high, -back.low, back.p)
    )
    assert actual.low <= actual.delta <= actual.high


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 90), st.integers(1, 90))
def test_lower_p_is_fishers_exact_mid_p(a: int, n: int, b: int, m: int) -> None:
    base, head = rate(min(b, m), m), rate(min(a, n), n)
    errors, total = n - int(head.hits), n - int(head.hits) + m - int(base.hits)
    exact = hypergeom.sf(errors, n + m, total, n) + hypergeom.pmf(errors, n + m, total, n) / 2
    assert unpaired(base, head).lower_p == pytest.approx(exact, abs=1e-12, rel=1e-9)


def test_lower_p_is_interpolated_between_whole_errors() -> None:
    base = rate(282, 300)
    ps = [unpaired(base, Rate(share * 100, 100, 0, 1)).lower_p for share in (0.85, 0.845, 0.84)]
    assert ps[1] == pytest.approx((ps[0] + ps[2]) / 2)


def test_base_share_is_the_bases_part_of_the_variance() -> None:
    assert unpaired(rate(270, 300), rate(90, 100)).base_share == pytest.approx(0.25)
    assert unpaired(rate(270, 300), rate(90, 100), head_size=300).base_share == pytest.approx(0.5)


def test_varied_sample_has_a_smaller_effective_size() -> None:
    assert varied_n(100, 0.09, 0.0) == 100
    assert varied_n(101, 0.09, 0.5) == pytest.approx(101 / (1 + 100 * 0.25 * 0.09))
    assert varied_n(0.5, 0.09, 0.5) == 0.5
