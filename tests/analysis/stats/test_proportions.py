"""Rates and quantiles, against published values; rates over cases that were asked more than once."""

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
        # as R has them, by `prop.test` without continuity correction
        (0, 10, 0.0000, 0.2775),
        (8, 10, 0.4902, 0.9433),
        (10, 10, 0.7225, 1.0000),
        (5, 10, 0.2366, 0.7634),
    ],
)
def test_the_interval_is_wilsons(hits: int, n: int, low: float, high: float) -> None:
    found = rate(hits, n)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert (found.hits, found.n, found.value) == (hits, n, hits / n)


def test_it_agrees_with_the_formula_of_1927() -> None:
    z, hits, n = 1.959963984540054, 174, 240
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    found = rate(hits, n)
    assert (found.low, found.high) == (pytest.approx(middle - half), pytest.approx(middle + half))


def test_more_confidence_is_a_wider_interval() -> None:
    assert rate(8, 10, 0.99).low < rate(8, 10).low < rate(8, 10, 0.9).low


@given(n=st.integers(1, 5000), share=st.floats(0, 1))
def test_the_interval_holds_the_rate_and_stays_a_share(n: int, share: float) -> None:
    found = rate(round(n * share), n)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


def test_of_no_cases_nothing_is_known() -> None:
    found = rate(0, 0)
    assert math.isnan(found.value)
    assert (found.low, found.high) == (0.0, 1.0)
    assert as_json(found) == {"hits": 0, "n": 0, "value": None, "low": 0.0, "high": 1.0}


@pytest.mark.parametrize(("hits", "n"), [(-1, 3), (4, 3), (1, 0), (0, -1)])
def test_what_is_no_rate_is_refused(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{hits} of {n} is not a rate"):
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
def test_a_quantile_lies_between_its_neighbours(values: list[float], q: float, expected: float | None) -> None:
    assert quantile(values, q) == (expected if expected is None else pytest.approx(expected))


def test_one_answer_per_case_is_a_plain_rate() -> None:
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
def test_asking_again_what_never_changes_teaches_nothing(
    cases: list[tuple[int, int]], same_as: tuple[int, int]
) -> None:
    found, once = clustered_rate(cases), rate(*same_as)
    assert (found.hits, found.n) == (once.hits, once.n)
    assert (found.low, found.high) == (pytest.approx(once.low), pytest.approx(once.high))


def test_repeats_narrow_intervals_at_most_as_new_cases_do() -> None:
    random = np.random.default_rng(0)
    right = random.binomial(4, 0.5, 200).tolist()  # nothing is due to the case
    found = clustered_rate([(hits, 4) for hits in right])
    assert rate(sum(right), 800).low >= found.low > rate(round(sum(right) / 4), 200).low
    assert found.value == pytest.approx(sum(right) / 800)


def test_a_case_counts_once_however_often_it_was_asked() -> None:
    assert clustered_rate([(9, 9), (0, 1)]).value == 0.5


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)).map(lambda c: (min(c), c[1])), min_size=1))
def test_a_clustered_interval_holds_its_share(cases: list[tuple[int, int]]) -> None:
    found = clustered_rate(cases)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


@pytest.mark.parametrize("case", [(1, 0), (0, 0), (3, 2), (-1, 2)])
def test_a_case_without_a_share_is_refused(case: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        clustered_rate([(1, 2), case])
