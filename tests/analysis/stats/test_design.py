"""Clusters and weights: cases that are not independent, and cases that stand for more or less traffic."""

from __future__ import annotations

import pytest

from harness.analysis.stats import clustered_paired, clustered_rate, paired, rate

RIGHT, WRONG = (1, 1), (0, 1)
BASE = [RIGHT] * 300
HEAD = [WRONG] * 10 + [RIGHT] * 290
NAMES = [f"c{i}" for i in range(300)]


def test_cases_repeated_three_times_count_once() -> None:
    once = paired(0, 10, 300)
    thrice = clustered_paired(BASE * 3, HEAD * 3, clusters=NAMES * 3)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high), abs=0.001)
    assert thrice.effective_n == pytest.approx(300, rel=0.02)
    ignored = clustered_paired(BASE * 3, HEAD * 3)
    assert ignored.high - ignored.low < 0.7 * (once.high - once.low)


def test_independent_cases_have_the_plain_interval() -> None:
    assert clustered_paired(BASE, HEAD, clusters=NAMES) == clustered_paired(BASE, HEAD) == paired(0, 10, 300)
    assert clustered_paired(BASE, HEAD, clusters=[""] * 300) == paired(0, 10, 300)
    assert clustered_rate(HEAD, clusters=NAMES) == rate(290, 300)


def test_without_any_difference_a_cluster_is_one_case() -> None:
    same = clustered_paired(BASE * 3, BASE * 3, clusters=NAMES * 3)
    assert (same.low, same.high) == pytest.approx((paired(0, 0, 300).low, paired(0, 0, 300).high))
    assert clustered_rate(BASE * 3, clusters=NAMES * 3).low == pytest.approx(rate(300, 300).low)


def test_few_clusters_count_as_one_case_each_at_most() -> None:
    names = [f"customer-{i % 30}" for i in range(300)]
    p = clustered_paired(BASE, HEAD, clusters=names)
    assert p.effective_n is not None
    assert p.effective_n <= 30


def test_single_cluster_proves_nothing() -> None:
    p = clustered_paired(BASE, HEAD, clusters=["all"] * 300)
    assert p.low < -0.5
    assert clustered_rate(BASE, clusters=["all"] * 300).low < 0.3


def test_weights_change_the_mean_and_cost_precision() -> None:
    weights = [10.0] * 10 + [1.0] * 290
    p = clustered_paired(BASE, HEAD, weights=weights)
    assert p.delta == pytest.approx(-100 / 390)
    assert p.losses == pytest.approx(300 * 100 / 390)
    assert p.effective_n is not None
    assert p.effective_n < 300
    assert clustered_rate(HEAD, weights=weights).value == pytest.approx(290 / 390)


def test_equal_weights_are_no_weights() -> None:
    p = clustered_paired(BASE, HEAD, weights=[2.0] * 300)
    assert (p.delta, p.low, p.high) == pytest.approx(
        (paired(0, 10, 300).delta, paired(0, 10, 300).low, paired(0, 10, 300).high), abs=0.001
    )


@pytest.mark.parametrize("weights", [[1.0], [0.0] * 2, [-1.0, 2.0]])
def test_useless_weights_are_rejected(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights for 2 cases"):
        clustered_paired([RIGHT, WRONG], [RIGHT, WRONG], weights=weights) if any(weights) else clustered_paired(
            [RIGHT, WRONG], [RIGHT, WRONG], weights=weights, clusters=["a", "a"]
        )
