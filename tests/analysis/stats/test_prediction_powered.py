"""Labels and a judge's verdicts together: PPI++, stratified. bench/accuracy/prediction_powered.py measures coverage."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.stats import rate
from harness.analysis.stats.prediction_powered import (
    DEDUCTION,
    JudgedStratum,
    prediction_powered_rate,
)
from harness.analysis.stats.unpaired import Stratum, effective_n, stratified_rate

N = 4_000


def stratum(right_accepted: int, right_rejected: int, wrong_accepted: int, wrong_rejected: int) -> JudgedStratum:
    """Return labelled cases, and 4,000 cases with the same share of accepted cases."""
    pairs = [(1.0, 1.0)] * right_accepted + [(1.0, 0.0)] * right_rejected
    pairs += [(0.0, 1.0)] * wrong_accepted + [(0.0, 0.0)] * wrong_rejected
    return JudgedStratum(pairs, N, N, N * (right_accepted + wrong_accepted) / len(pairs))


def test_a_judge_who_agrees_makes_labels_worth_more() -> None:
    powered = prediction_powered_rate([stratum(88, 3, 2, 7)])
    alone = rate(91, 100)
    assert powered.rate.value == pytest.approx(0.91)
    assert powered.rate.n == 100
    assert alone.low < powered.rate.low < powered.rate.high < alone.high
    assert 150 < powered.worth < 200


def test_worth_follows_the_published_variance() -> None:
    """By hand: 88, 3, 2, 7 of 100, with four pseudo-cases of variance 1/4 in each variance."""
    of_label, of_verdict, covariance = 0.91 * 0.09, 0.90 * 0.10, 0.88 - 0.91 * 0.90
    of_label, of_verdict = ((100 * v + 1) / 104 for v in (of_label, of_verdict))
    weight = covariance * 100 / 104 / of_verdict
    ratio = 1 - weight**2 * of_verdict / of_label
    powered = prediction_powered_rate([stratum(88, 3, 2, 7)])
    assert powered.weight == pytest.approx(weight)
    assert powered.worth == pytest.approx(100 / ((1 - 100 / N) * ratio + 100 / N))


def test_the_verdicts_correct_an_unlucky_sample() -> None:
    """The judge accepts 90% of the labelled cases, but 94% of all: the sample has too many wrong cases."""
    unlucky = stratum(88, 0, 2, 10)._replace(accepted=0.94 * N)
    powered = prediction_powered_rate([unlucky])
    assert powered.rate.value == pytest.approx(0.88 + powered.weight * 0.04)


@pytest.mark.parametrize(
    "verdict",
    [lambda _: 1.0, lambda _: 0.0, lambda label: 1 - label],
    ids=["always right", "always wrong", "inverted"],
)
def test_a_worthless_judge_leaves_the_labels_alone(verdict: Callable[[float], float]) -> None:
    labels = [1.0] * 90 + [0.0] * 10
    pairs = [(label, verdict(label)) for label in labels]
    powered = prediction_powered_rate([JudgedStratum(pairs, N, N, N * np.mean([v for _, v in pairs]))])
    assert (powered.weight, powered.worth) == (0.0, pytest.approx(100))
    assert powered.rate == stratified_rate([Stratum(90, 100, N)])


def test_a_lenient_judge_does_not_bias_the_estimate() -> None:
    """True accuracy 85%; the judge accepts 97% of the right and half of the wrong replies, 90% in all."""
    random = np.random.default_rng(7)
    chances = [0.85 * 0.97, 0.85 * 0.03, 0.15 * 0.5, 0.15 * 0.5]
    values = [
        prediction_powered_rate([stratum(*counts)._replace(accepted=N * 0.8995)]).rate.value
        for counts in random.multinomial(100, chances, 400).tolist()
    ]
    assert np.mean(values) == pytest.approx(0.85, abs=0.006)


def test_agreement_on_all_labels_is_not_certainty() -> None:
    powered = prediction_powered_rate([stratum(100, 0, 0, 0)])
    assert powered.rate == stratified_rate([Stratum(100, 100, N)])
    assert prediction_powered_rate([stratum(95, 0, 0, 5)]).worth < 400


def test_constant_verdicts_within_strata_tell_nothing() -> None:
    """The judge accepts all of one stratum and none of the other, which the sample knows without a judge."""
    easy = JudgedStratum([(1.0, 1.0)] * 48 + [(0.0, 1.0)] * 2, N, N, float(N))
    hard = JudgedStratum([(1.0, 0.0)] * 30 + [(0.0, 0.0)] * 20, N, N, 0.0)
    assert prediction_powered_rate([easy, hard]).weight == 0


def test_a_case_without_verdict_counts_as_the_mean_verdict() -> None:
    full = stratum(80, 2, 2, 16)
    some = full._replace(pairs=[(y, None if i % 2 else v) for i, (y, v) in enumerate(full.pairs)])
    assert 100 < prediction_powered_rate([some]).worth < prediction_powered_rate([full]).worth


def test_fewer_verdicts_than_labels_are_ignored() -> None:
    few = stratum(80, 2, 2, 16)._replace(judged=90, accepted=80.0)
    assert prediction_powered_rate([few]).weight == 0


def test_no_labels_give_no_rate() -> None:
    powered = prediction_powered_rate([JudgedStratum([], N, N, 0.9 * N)])
    assert math.isnan(powered.rate.value)
    assert powered.worth == 0


def test_tests_count_a_tenth_less_than_the_worth() -> None:
    powered = prediction_powered_rate([stratum(88, 3, 2, 7)])
    assert powered.tested_n == pytest.approx((1 - DEDUCTION) * powered.worth)
    assert prediction_powered_rate([stratum(60, 30, 5, 5)]).tested_n >= 100


@st.composite
def judged_strata(draw: st.DrawFn) -> list[JudgedStratum]:
    strata = []
    for _ in range(draw(st.integers(1, 4))):
        pairs = draw(
            st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 1.0, None])), max_size=40)
        )
        size = draw(st.integers(max(1, len(pairs)), 3_000))
        judged = draw(st.integers(0, size))
        strata.append(JudgedStratum(pairs, size, judged, draw(st.integers(0, judged))))
    return strata


@given(judged_strata())
def test_the_interval_is_never_wider_than_that_of_the_labels(strata: list[JudgedStratum]) -> None:
    labels = [Stratum(math.fsum(y for y, _ in s.pairs), len(s.pairs), s.size) for s in strata]
    alone, powered = stratified_rate(labels), prediction_powered_rate(strata)
    assert powered.rate.high - powered.rate.low <= alone.high - alone.low
    assert powered.worth >= effective_n(labels) - 1e-9
    if powered.rate.n:
        assert 0 <= powered.rate.low <= powered.rate.value + 1e-9
        assert powered.rate.value - 1e-9 <= powered.rate.high <= 1
