"""Drift tests for the newest week. bench/accuracy/monitor_power.py measures them over a year."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.stats.drift import WeeklyValue, label_ps, predicted_p, share_p

STEADY = [(1372, 1400), (1370, 1400), (1375, 1400), (1368, 1400), (1373, 1400), (1371, 1400)]


def test_typical_week_is_not_significant() -> None:
    assert share_p(STEADY, (1369, 1400), "down") > 0.05


def test_week_far_below_is_significant() -> None:
    assert share_p(STEADY, (1260, 1400), "down") < 1e-4
    assert share_p(STEADY * 3, (1260, 1400), "down") < 1e-8, "more weeks before it know better how much weeks vary"
    assert share_p(STEADY, (1260, 1400), "up") > 0.5


def test_varying_weeks_make_a_low_week_insignificant() -> None:
    wavering = [(1390, 1400), (1300, 1400), (1395, 1400), (1280, 1400), (1350, 1400), (1320, 1400)]
    assert share_p(wavering, (1260, 1400), "down") > 0.01


def test_rare_events_use_the_exact_test() -> None:
    """An event with a rate of 1% does not occur: no p value is below the exact p value."""
    from scipy.stats import fisher_exact

    before, newest = [(4, 480), (5, 480), (4, 480)] * 6, (0, 641)
    exact = fisher_exact([[0, 641], [78, 8562]], alternative="less")[1]
    assert share_p(before, newest, "down") >= exact - 1e-15


def test_exact_part_is_fisher() -> None:
    from scipy.stats import fisher_exact

    before, newest = [(2, 300)] * 6, (14, 300)
    table = [[14, 286], [12, 1788]]
    assert share_p(before, newest, "up") >= fisher_exact(table, alternative="greater")[1] - 1e-15


def test_one_earlier_week_gives_p_one() -> None:
    assert share_p([(1372, 1400)], (100, 1400)) == 1.0
    assert predicted_p([WeeklyValue(1.0, 0.1)], WeeklyValue(9.0, 0.1)) == 1.0


def test_weeks_without_calls_are_ignored() -> None:
    assert share_p([*STEADY, (0, 0)], (1300, 1400)) == share_p(STEADY, (1300, 1400))
    assert share_p(STEADY, (0, 0)) == 1.0


def test_changed_label_comes_first() -> None:
    before = [{"billing": 450, "technical": 350, "general": 200} for _ in range(6)]
    newest = {"billing": 450, "technical": 220, "general": 200, "no clear answer": 130}
    (first, p), *_ = label_ps(before, newest)
    assert first in {"technical", "no clear answer"}, "what one lost the other has"
    assert p < 1e-3


shares = st.tuples(st.integers(0, 500), st.integers(500, 1000))


@given(st.lists(shares, min_size=2, max_size=8), shares)
def test_hits_and_misses_give_the_same_p(before: list[tuple[int, int]], newest: tuple[int, int]) -> None:
    def missed(week: tuple[int, int]) -> tuple[int, int]:
        return week[1] - week[0], week[1]

    p = share_p(before, newest, "down")
    assert 0 <= p <= 1
    assert p == pytest.approx(share_p(list(map(missed, before)), missed(newest), "up"), rel=1e-6, abs=1e-12)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8), st.floats(-5, 5), st.floats(0.01, 5))
def test_p_decreases_with_distance(values: list[float], away: float, more: float) -> None:
    before = [WeeklyValue(value, 0.05) for value in values]
    mean = sum(values) / len(values)
    near, far = (predicted_p(before, WeeklyValue(mean + abs(away) + step, 0.05), "up") for step in (0.0, more))
    assert far <= near + 1e-12
