"""Kappa and rank correlation, checked against published examples, scikit-learn, statsmodels and scipy."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.stats import kappa, rate, spearman

FLEISS = [[53, 5, 2], [11, 14, 5], [1, 6, 3]]
"""The example that goes with Fleiss, Cohen & Everitt 1969, in counts."""


def labelled(table: list[list[int]]) -> tuple[list[str], list[str]]:
    cells = [(str(i), str(j)) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]
    return [i for i, _ in cells], [j for _, j in cells]


@pytest.mark.parametrize("table", [FLEISS, [[20, 5], [10, 15]], [[0, 9], [9, 0]], [[40, 1], [1, 0]]])
def test_kappa_matches_scikit_learn(table: list[list[int]]) -> None:
    from sklearn.metrics import cohen_kappa_score

    assert kappa(*labelled(table)).value == pytest.approx(cohen_kappa_score(*labelled(table)))


@pytest.mark.parametrize(
    ("table", "value", "low", "high"),
    [
        (FLEISS, 0.4286, 0.2797, 0.5774),
        ([[20, 5], [10, 15]], 0.4, 0.1511, 0.6489),  # 70% agreement, where chance gives 50%
    ],
)
def test_kappa_interval_matches_statsmodels(table: list[list[int]], value: float, low: float, high: float) -> None:
    actual = kappa(*labelled(table))
    assert actual.value == pytest.approx(value, abs=5e-5)
    assert (actual.low, actual.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_perfect_agreement_has_a_wide_interval() -> None:
    actual = kappa(["a", "b"] * 5, ["a", "b"] * 5)
    assert (actual.value, actual.high) == (1, 1)
    assert actual.low == pytest.approx((rate(10, 10).low - 0.5) / 0.5)
    assert kappa(["a", "b"] * 50, ["a", "b"] * 50).low > actual.low


@pytest.mark.parametrize(("a", "b"), [([], []), (["x"], ["x"]), (["x", "x"], ["x", "x"])])
def test_kappa_is_nan_with_a_single_label(a: list[str], b: list[str]) -> None:
    actual = kappa(a, b)
    assert math.isnan(actual.value)
    assert (actual.low, actual.high) == (-1, 1)


@pytest.mark.parametrize(("a", "b"), [("x", "y"), ("xxx", "xyx"), ("xyz" * 100, "x" * 300)])
def test_single_label_on_one_side_gives_zero_and_full_range(a: str, b: str) -> None:
    """Kappa is 0 for any number of cases if one side uses a single label."""
    actual = kappa(list(a), list(b))
    assert (actual.value, actual.low, actual.high) == (0, -1, 1)


def test_full_disagreement_has_a_wide_interval() -> None:
    actual = kappa(["x", "y"], ["y", "x"])
    assert (actual.value, actual.low, actual.high) == (-1, -1, 1)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=30))
def test_kappa_interval_always_has_width(pairs: list[tuple[str, str]]) -> None:
    actual = kappa([a for a, _ in pairs], [b for _, b in pairs])
    assert actual.low < actual.high


def test_spearman_matches_a_worked_example() -> None:
    """Worked example of Wikipedia's article: IQ and hours of television, rho = −29/165."""
    iq = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110]
    hours = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17]
    actual = spearman(iq, hours)
    assert actual.value == pytest.approx(-29 / 165)
    half = 1.959964 * math.sqrt((1 + (29 / 165) ** 2 / 2) / 7)
    assert math.atanh(actual.high) - math.atanh(actual.value) == pytest.approx(half)
    assert math.atanh(actual.value) - math.atanh(actual.low) == pytest.approx(half)


@pytest.mark.parametrize(
    ("a", "b", "value", "low", "high"),
    [
        ([], [], None, -1, 1),
        ([1, 1, 1, 1], [1, 2, 3, 4], None, -1, 1),
        ([1, 2, 3], [1, 2, 3], 1, -1, 1),
        ([1, 2, 3, 4], [8, 6, 4, 2], -1, -1, -1),
    ],
)
def test_spearman_of_few_pairs_spans_the_full_range(
    a: list[float], b: list[float], value: float | None, low: float, high: float
) -> None:
    actual = spearman(a, b)
    assert math.isnan(actual.value) if value is None else actual.value == pytest.approx(value)
    assert (actual.low, actual.high) == (pytest.approx(low), pytest.approx(high))


def test_unequal_lengths_are_rejected() -> None:
    with pytest.raises(ValueError, match="2 and 1 values"):
        kappa(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="1 and 2 values"):
        spearman([1.0], [1.0, 2.0])
