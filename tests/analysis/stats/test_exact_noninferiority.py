"""The exact test: its size in small sets, and its agreement with the interval."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import multinomial

from harness.analysis.compare import ComparisonQuestion, Verdict
from harness.analysis.stats import paired
from harness.analysis.stats.exact_noninferiority import is_noninferior, noninferiority_p


@pytest.mark.parametrize(("n", "margin"), [(10, 0.2), (20, 0.05), (30, 0.1)])
def test_size_at_the_margin_is_at_most_the_level(n: int, margin: float) -> None:
    outcomes = [(g, c) for g, c in itertools.product(range(n + 1), repeat=2) if g + c <= n]
    moves = [(g, c, n - g - c) for g, c in outcomes if is_noninferior(paired(g, c, n), margin)]
    for discordance in np.linspace(margin, 1, 15):
        shares = [(discordance - margin) / 2, (discordance + margin) / 2, 1 - discordance]
        assert sum(multinomial.pmf(outcome, n, shares) for outcome in moves) <= 0.0251


def test_rule_is_never_looser_than_the_interval() -> None:
    for gains, losses in itertools.product(range(10), repeat=2):
        p = paired(gains, losses, 60)
        assert not is_noninferior(p, 0.05) or p.low > -0.05


def test_interval_alone_is_not_enough_in_a_small_set() -> None:
    found = [
        (paired(g, c, 20), margin)
        for g, c in itertools.product(range(12), repeat=2)
        if g + c <= 20
        for margin in (0.05, 0.1, 0.15, 0.2)
        if paired(g, c, 20).low > -margin and not is_noninferior(paired(g, c, 20), margin)
    ]
    assert found
    for p, margin in found:
        assert ComparisonQuestion("move", margin).decide(p) is Verdict.INCONCLUSIVE


def test_large_sets_and_repeats_are_decided_by_the_interval() -> None:
    p = paired(0, 0, 300)
    assert is_noninferior(p, 0.03)
    assert not is_noninferior(p, 0.012)


def test_more_losses_have_a_larger_p() -> None:
    values = [noninferiority_p(2, losses, 50, 0.1) for losses in range(8)]
    assert values == sorted(values)


@pytest.mark.parametrize(("gains", "losses", "margin"), [(-1, 0, 0.1), (6, 6, 0.1), (0, 0, 0.0)])
def test_impossible_arguments_are_rejected(gains: int, losses: int, margin: float) -> None:
    with pytest.raises(ValueError, match="counts must fit"):
        noninferiority_p(gains, losses, 10, margin)
