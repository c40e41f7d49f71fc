"""Power analysis, checked against published sample sizes and against the interval."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.stats import (
    DecisionRule,
    cases_to_decide,
    paired,
    required_n_drop,
    required_n_margin,
    smallest_drop,
    smallest_margin,
    tango,
)

shares = st.floats(0.01, 0.6)


@pytest.mark.parametrize(
    ("drop", "discordance"),
    [(0.1, 0.3), (0.05, 0.1), (0.2, 0.2), (0.01, 0.4)],
)
def test_required_n_drop_matches_connor(drop: float, discordance: float) -> None:
    """Connor's formula (1987) for a two-sided test at 5% and a power of 80%."""
    root = 1.959964 * math.sqrt(discordance) + 0.841621 * math.sqrt(discordance - drop**2)
    assert required_n_drop(drop, discordance) == math.ceil((root / drop) ** 2)


def test_one_point_drop_needs_thousands_of_cases() -> None:
    """(1.96 + 0.84)² · 0.1 / 0.01² is 7,849; the variance under the null is a little larger than 0.1."""
    assert 7_849 < required_n_margin(0.01, 0.1) < 7_950
    assert 3_841 < required_n_margin(0.01, 0.1, power=0.5) < 3_900  # and with half of them it is a coin toss


@given(n=st.integers(50, 5000), discordance=shares)
@settings(max_examples=50)
def test_smallest_and_required_are_inverse(n: int, discordance: float) -> None:
    margin, drop = smallest_margin(n, discordance), smallest_drop(n, discordance)
    assert abs(required_n_margin(margin, discordance) - n) <= 1
    assert drop is not None
    assert abs(required_n_drop(drop, discordance) - n) <= 1


@given(n=st.integers(20, 3000), discordance=shares)
@settings(max_examples=30)
def test_power_grows_with_cases_and_falls_with_discordance(n: int, discordance: float) -> None:
    assert smallest_margin(2 * n, discordance) < smallest_margin(n, discordance)
    assert smallest_margin(n, discordance + 0.1) > smallest_margin(n, discordance)
    assert smallest_margin(n, discordance, power=0.9) > smallest_margin(n, discordance)


def test_zero_discordance_margin_is_the_interval_end() -> None:
    assert smallest_margin(300, 0.0) == pytest.approx(-tango(0, 0, 300)[0])


def test_too_small_dataset_shows_nothing() -> None:
    assert smallest_drop(3, 0.1) is None
    assert smallest_margin(1, 1.0, power=0.99) == 1


def test_drop_above_discordance_counts_as_losses_only() -> None:
    drop = smallest_drop(100, 0.02)
    assert drop is not None
    assert drop > 0.02
    assert drop == pytest.approx(smallest_drop(100, 0.0))


@given(n=st.integers(30, 600), gains=st.integers(0, 30), losses=st.integers(0, 30), margin=st.floats(0.01, 0.2))
def test_decided_difference_needs_no_more_cases(n: int, gains: int, losses: int, margin: float) -> None:
    gains, losses = min(gains, n // 2), min(losses, n // 2)
    actual = paired(gains, losses, n)
    rule = DecisionRule("move", margin)
    needed = cases_to_decide(actual.delta, actual.discordance, n, rule, power=0.5)
    if needed is None:
        return
    low, high = tango(gains * needed / n, losses * needed / n, needed)
    assert low > -margin - 2 / n or high < -margin + 2 / n
    assert needed == n or actual.low <= -margin + 1e-9 <= actual.high + 2e-9


def test_higher_power_needs_more_cases() -> None:
    rule = DecisionRule("move", 0.03)
    even, good = cases_to_decide(-0.013, 0.08, 300, rule, power=0.5), cases_to_decide(-0.013, 0.08, 300, rule)
    assert even is not None
    assert good is not None
    assert 300 < even < good


def test_difference_at_the_margin_never_moves() -> None:
    assert cases_to_decide(-0.03, 0.1, 300, DecisionRule("move", 0.03)) is None


@pytest.mark.parametrize(
    ("gains", "losses", "least", "most"), [(10, 19, 700, 900), (10, 20, 600, 800), (12, 18, 1_100, 1_500)]
)
def test_change_is_also_decided_against_no_difference(gains: int, losses: int, least: int, most: int) -> None:
    p = paired(gains, losses, 300)
    needed = cases_to_decide(p.delta, p.discordance, 300, DecisionRule("change", 0.03))
    assert needed is not None
    assert least < needed < most


def test_stricter_level_needs_more_cases() -> None:
    needed = [cases_to_decide(0.0, 0.1, 50, DecisionRule("move", 0.05, level)) for level in (0.05, 0.005)]
    assert needed[0] is not None
    assert needed[1] is not None
    assert needed[0] < needed[1]


@pytest.mark.parametrize(("n", "discordance"), [(0, 0.1), (10, -0.1), (10, 1.1), (10, math.nan)])
def test_invalid_arguments_are_rejected(n: int, discordance: float) -> None:
    with pytest.raises(ValueError, match="at least 1 case"):
        smallest_margin(n, discordance)
