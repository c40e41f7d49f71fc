"""What a sample sees: exact, and the same rule as the verdict's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from harness.analysis.compare import ComparisonQuestion, Verdict
from harness.analysis.stats import rate
from harness.analysis.stats.unpaired import unpaired
from harness.monitor.power import reach


def test_more_labels_see_more() -> None:
    found = [reach(0.94, 0.87, n) for n in (50, 100, 250, 500)]
    for week in (1, 2, 4):
        seen = [one.by_week[week - 1] for one in found]
        assert seen == sorted(seen)
    assert 0.5 < found[1].by_week[1] < 0.6
    assert found[3].by_week[1] > 0.95


def regressed(most_p: float) -> int:
    """The most right replies of 100 of which the rule says that they are fewer than 282 of 300, counted by hand."""
    base = rate(282, 300)
    lower = []
    for k in range(101):
        change = unpaired(base, rate(k, 100))
        if ComparisonQuestion("change", 0.03).decide(change) is Verdict.REGRESSED and change.p < most_p:
            lower.append(k)
    assert lower == list(range(lower[-1] + 1))
    return lower[-1]


def test_the_chance_is_that_of_all_outcomes_that_are_regressed() -> None:
    found = reach(0.94, 0.87, 100)
    first, lower = (float(binom.cdf(regressed(p), 100, 0.87)) for p in (0.05 / 52, 0.05))
    assert found.first == found.by_week[0] == pytest.approx(first)
    assert found.by_week[1] == pytest.approx(first + (1 - lower) * first + (lower - first) * lower)


def test_a_year_of_weeks_drawn_by_chance_says_the_same() -> None:
    """Two thousand times: how many weeks until one is far below, or the second in a row is below."""
    found = reach(0.94, 0.90, 100)
    far, below = regressed(0.05 / 52), regressed(0.05)
    random = np.random.default_rng(1)
    waited = []
    for weeks in random.binomial(100, 0.90, (2000, 400)).tolist():
        pairs = zip([100, *weeks], weeks, strict=False)
        waited.append(next(n for n, (before, now) in enumerate(pairs, 1) if now <= far or max(before, now) <= below))
    assert np.mean(waited) == pytest.approx(found.mean_weeks, rel=0.06)
    assert np.mean(np.array(waited) <= 4) == pytest.approx(found.by_week[3], abs=0.03)
    assert found.weeks is not None
    assert np.mean(np.array(waited) <= found.weeks) == pytest.approx(0.95, abs=0.015)


def test_where_nothing_has_changed_a_year_of_reviews_says_so_nineteen_times_in_twenty() -> None:
    assert reach(0.94, 0.94, 100).by_week[-1] < 0.05


def test_what_a_year_does_not_show_has_no_number() -> None:
    assert reach(0.94, 0.94, 500).weeks is None
    assert math.isinf(reach(0.5, 1.0, 20).mean_weeks)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shares in 0\.\.1"):
        reach(0.94, 87, 100)
