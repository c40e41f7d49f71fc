"""Is the newest week one of the weeks before? How the rule does over a year is in bench/accuracy/monitor_power.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.stats.drift import WeeklyValue, label_ps, predicted_p, share_p

STEADY = [(1372, 1400), (1370, 1400), (1375, 1400), (1368, 1400), (1373, 1400), (1371, 1400)]


def test_a_week_like_the_others_is_no_news() -> None:
    assert share_p(STEADY, (1369, 1400), "down") > 0.05


def test_a_week_far_below_the_others_is() -> None:
    assert share_p(STEADY, (1260, 1400), "down") < 1e-4
    assert share_p(STEADY * 3, (1260, 1400), "down") < 1e-8, "more weeks before it know better how much weeks vary"
    assert share_p(STEADY, (1260, 1400), "up") > 0.5


def test_where_weeks_differ_anyway_the_same_week_is_no_proof() -> None:
    wavering = [(1390, 1400), (1300, 1400), (1395, 1400), (1280, 1400), (1350, 1400), (1320, 1400)]
    assert share_p(wavering, (1260, 1400), "down") > 0.01


def test_a_few_rare_events_are_judged_exactly() -> None:
    """None of what was one in a hundred: no p value is below the exact one."""
    from scipy.stats import fisher_exact

    before, newest = [(4, 480), (5, 480), (4, 480)] * 6, (0, 641)
    exact = fisher_exact([[0, 641], [78, 8562]], alternative="less")[1]
    assert share_p(before, newest, "down") >= exact - 1e-15


def test_the_exact_part_is_fishers() -> None:
    from scipy.stats import fisher_exact

    before, newest = [(2, 300)] * 6, (14, 300)
    table = [[14, 286], [12, 1788]]
    assert share_p(before, newest, "up") >= fisher_exact(table, alternative="greater")[1] - 1e-15


def test_one_week_before_says_nothing_of_how_weeks_vary() -> None:
    assert share_p([(1372, 1400)], (100, 1400)) == 1.0
    assert predicted_p([WeeklyValue(1.0, 0.1)], WeeklyValue(9.0, 0.1)) == 1.0


def test_weeks_without_calls_are_left_out() -> None:
    assert share_p([*STEADY, (0, 0)], (1300, 1400)) == share_p(STEADY, (1300, 1400))
    assert share_p(STEADY, (0, 0)) == 1.0


def test_of_a_distribution_a_label_that_changed_comes_first() -> None:
    before = [{"billing": 450, "technical": 350, "general": 200} for _ in range(6)]
    newest = {"billing": 450, "technical": 220, "general": 200, "no clear answer": 130}
    (first, p), *_ = label_ps(before, newest)
    assert first in {"technical", "no clear answer"}, "what one lost the other has"
    assert p < 1e-3


shares = st.tuples(st.integers(0, 500), st.integers(500, 1000))


@given(st.lists(shares, min_size=2, max_size=8), shares)
def test_hits_and_misses_tell_the_same(before: list[tuple[int, int]], newest: tuple[int, int]) -> None:
    def missed(week: tuple[int, int]) -> tuple[int, int]:
        return week[1] - week[0], week[1]

    p = share_p(before, newest, "down")
    assert 0 <= p <= 1
    assert p == pytest.approx(share_p(list(map(missed, before)), missed(newest), "up"), rel=1e-6, abs=1e-12)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8), st.floats(-5, 5), st.floats(0.01, 5))
def test_farther_out_is_less_likely(values: list[float], away: float, more: float) -> None:
    before = [WeeklyValue(value, 0.05) for value in values]
    mean = sum(values) / len(values)
    near, far = (predicted_p(before, WeeklyValue(mean + abs(away) + step, 0.05), "up") for step in (0.0, more))
    assert far <= near + 1e-12
