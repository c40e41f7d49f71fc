"""Paired bootstrap checked against scipy, and macro-F1 against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.analysis.stats import macro_f1_difference, paired, paired_bootstrap
from harness.analysis.stats.bootstrap import Statistic, Weights


def mean_of(values: NDArray[np.float64]) -> Statistic:
    def statistic(weights: Weights) -> NDArray[np.float64]:
        return weights @ values / weights.sum(axis=1)

    return statistic


def made_up(n: int, n_labels: int = 3) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Gold labels, and answers of two runs with 90% and 80% accuracy; some answers are not a label."""
    random = np.random.default_rng(7)
    gold = random.integers(0, n_labels, n)
    said = [np.where(random.random(n) < right, gold, random.integers(0, n_labels + 1, n)) for right in (0.9, 0.8)]
    return gold, said[0], said[1]


def test_interval_matches_scipy_bca() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(3).exponential(size=80)  # skewed, so that the corrections matter
    theirs = bootstrap((values,), np.mean, n_resamples=20_000, rng=np.random.default_rng(1)).confidence_interval
    ours = paired_bootstrap(mean_of(values), 80, resamples=20_000)
    width = theirs.high - theirs.low
    assert ours.value == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.02 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.02 * width)


def test_macro_f1_matches_scikit_learn_on_every_resample() -> None:
    from sklearn.metrics import f1_score

    gold, base, head = made_up(60)
    statistic = macro_f1_difference(gold.tolist(), base.tolist(), head.tolist(), 3)
    weights = np.random.default_rng(0).multinomial(60, np.full(60, 1 / 60), 5).astype(float)
    weights[0] = gold < 2  # a resample without the third label
    for drawn, actual in zip(weights, statistic(weights), strict=True):
        first, second = (
            f1_score(gold, said, labels=[0, 1, 2], average="macro", sample_weight=drawn, zero_division=0)
            for said in (base, head)
        )
        assert actual == pytest.approx(second - first)


def test_accuracy_interval_agrees_with_tango() -> None:
    gains, losses, n = 20, 44, 400
    change = np.repeat([1.0, -1.0, 0.0], [gains, losses, n - gains - losses])
    actual, known = paired_bootstrap(mean_of(change), n), paired(gains, losses, n)
    assert (actual.low, actual.high) == (pytest.approx(known.low, abs=0.005), pytest.approx(known.high, abs=0.005))


def test_same_seed_gives_the_same_interval() -> None:
    gold, base, head = (side.tolist() for side in made_up(50))
    statistic = macro_f1_difference(gold, base, head, 3)
    assert paired_bootstrap(statistic, 50) == paired_bootstrap(statistic, 50)
    assert paired_bootstrap(statistic, 50) != paired_bootstrap(statistic, 50, seed=1)


def test_equal_runs_have_an_infinite_interval() -> None:
    gold, base, _ = (side.tolist() for side in made_up(9))
    actual = paired_bootstrap(macro_f1_difference(gold, base, base, 3), 9)
    assert (actual.value, actual.low, actual.high) == (0, -math.inf, math.inf)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_cases_have_an_infinite_interval(n: int) -> None:
    actual = paired_bootstrap(mean_of(np.ones(n)), n)
    assert (actual.low, actual.high) == (-math.inf, math.inf)
    assert math.isnan(actual.value) == (n == 0)


def test_resampling_in_chunks_gives_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=50)
    at_once = paired_bootstrap(mean_of(values), 50)
    monkeypatch.setattr("harness.analysis.stats.bootstrap._CELLS", 350)  # seven resamples at a time
    assert paired_bootstrap(mean_of(values), 50) == at_once


def test_resamples_are_computed_in_one_call() -> None:
    statistic = macro_f1_difference(*(side.tolist() for side in made_up(300)), 3)
    rows: list[int] = []

    def counted(weights: Weights) -> NDArray[np.float64]:
        rows.append(len(weights))
        return statistic(weights)

    paired_bootstrap(counted, 300)
    assert rows == [1, 2000, 300]
