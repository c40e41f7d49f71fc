"""What a sample sees: exact, and the same rule as the verdict's."""

from __future__ import annotations

import math

import pytest

from harness.compare import Question, Verdict
from harness.monitor.power import reach
from harness.stats import rate
from harness.stats.unpaired import unpaired


def test_more_labels_see_more() -> None:
    seen = [reach(0.94, 0.87, n).first for n in (50, 100, 250, 500)]
    assert seen == sorted(seen)
    assert 0.6 < seen[1] < 0.7
    assert seen[3] > 0.95


def test_the_chance_is_that_of_all_outcomes_that_are_regressed() -> None:
    """Counted by hand: REGRESSED are all samples with at most `most` right ones."""
    from scipy.stats import binom

    base = rate(282, 300)
    regressed = [
        k for k in range(101) if Question("change", 0.03).answer(unpaired(base, rate(k, 100))) is Verdict.REGRESSED
    ]
    assert regressed == list(range(regressed[-1] + 1))
    assert reach(0.94, 0.87, 100).first == pytest.approx(binom.cdf(regressed[-1], 100, 0.87))


def test_weeks_until_seen_follow_from_one_week() -> None:
    found = reach(0.94, 0.90, 100)
    assert found.weeks is not None
    assert 1 - (1 - found.first) ** found.weeks >= 0.95 > 1 - (1 - found.first) ** (found.weeks - 1)
    assert found.mean_weeks == pytest.approx(1 / found.first)


def test_what_a_year_does_not_show_has_no_number() -> None:
    assert reach(0.94, 0.94, 500).weeks is None
    assert math.isinf(reach(0.5, 1.0, 20).mean_weeks)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shares in 0\.\.1"):
        reach(0.94, 87, 100)
