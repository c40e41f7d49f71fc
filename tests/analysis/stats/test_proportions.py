"""Rates and quantiles, checked against published values; rates over cases with repeats."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.stats import as_json, clustered_rate, quantile, rate


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # computed by R's `prop.test` without continuity correction
        (0, 10, 0.0000, 0.2775),
        (8, 10, 0.4902, 0.9433),
        (10, 10, 0.7225, 1.0000),
        (5, 10, 0.2366, 0.7634),
    ],
)
def test_interval_matches_published_wilson_intervals(hits: int, n: int, low: float, high: float) -> None:
    actual = rate(hits, n)
    assert (actual.low, actual.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert (actual.hits, actual.n, actual.value) == (hits, n, hits / n)


def test_interval_matches_the_formula_of_1927() -> None:
    z, hits, n = 1.959963984540054, 174, 240
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    actual = rate(hits, n)
    assert (actual.low, actual.high) == (pytest.approx(middle - half), pytest.approx(middle + half))


def test_higher_confidence_widens_the_interval() -> None:
    assert rate(8, 10, 0.99).low < rate(8, 10).low < rate(8, 10, 0.9).low


@given(n=st.integers(1, 5000), share=st.floats(0, 1))
def test_interval_contains_the_rate_and_stays_in_0_to_1(n: int, share: float) -> None:
    actual = rate(round(n * share), n)
    assert 0 <= actual.low <= actual.value + 1e-12
    assert actual.value - 1e-12 <= actual.high <= 1


def test_no_cases_give_nan_and_the_full_range() -> None:
    actual = rate(0, 0)
    assert math.isnan(actual.value)
    assert (actual.low, actual.high) == (0.0, 1.0)
    assert as_json(actual) == {"hits": 0, "n": 0, "value": None, "low": 0.0, "high": 1.0}


@pytest.mark.parametrize(("hits", "n"), [(-1, 3), (4, 3), (1, 0), (0, -1)])
def test_impossible_rate_is_rejected(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{hits} hits of {n}"):
        rate(hits, n)


@pytest.mark.parametrize(
    ("values", "q", "expected"),
    [
        ([], 0.5, None),
        ([3.0], 0.95, 3.0),
        ([1.0, 2.0], 0.5, 1.5),
        ([4.0, 1.0, 3.0, 2.0], 0.5, 2.5),
        ([0.0, 10.0], 0.95, 9.5),
    ],
)
def test_quantile_interpolates_between_neighbours(values: list[float], q: float, expected: float | None) -> None:
    assert quantile(values, q) == (expected if expected is None else pytest.approx(expected))


def test_one_answer_per_case_equals_rate() -> None:
    assert clustered_rate([(1, 1)] * 8 + [(0, 1)] * 2) == rate(8, 10)
    assert clustered_rate([]) == rate(0, 0)


@pytest.mark.parametrize(
    ("cases", "same_as"),
    [
        ([(5, 5)] * 8 + [(0, 5)] * 2, (8, 10)),  # five times the same answer is one answer
        ([(5, 5)] * 10, (10, 10)),
        ([(0, 5)] * 10, (0, 10)),
    ],
)
def test_identical_repeats_do_not_narrow_the_interval(cases: list[tuple[int, int]], same_as: tuple[int, int]) -> None:
    actual, once = clustered_rate(cases), rate(*same_as)
    assert (actual.hits, actual.n) == (once.hits, once.n)
    assert (actual.low, actual.high) == (pytest.approx(once.low), pytest.approx(once.high))


def test_varying_repeats_narrow_at_most_like_new_cases() -> None:
    random = np.random.default_rng(0)
    right = random.binomial(4, 0.5, 200).tolist()  # nothing is due to the case
    actual = clustered_rate([(hits, 4) for hits in right])
    assert rate(sum(right), 800).low >= actual.low > rate(round(sum(right) / 4), 200).low
    assert actual.value == pytest.approx(sum(right) / 800)


def test_case_counts_once_regardless_of_repeats() -> None:
    assert clustered_rate([(9, 9), (0, 1)]).value == 0.5


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)).map(lambda c: (min(c), c[1])), min_size=1))
def test_clustered_interval_contains_its_share(cases: list[tuple[int, int]]) -> None:
    actual = clustered_rate(cases)
    assert 0 <= actual.low <= actual.value + 1e-12
    assert actual.value - 1e-12 <= actual.high <= 1


@pytest.mark.parametrize("case", [(1, 0), (0, 0), (3, 2), (-1, 2)])
def test_case_without_answers_is_rejected(case: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        clustered_rate([(1, 2), case])
