"""Durations in headers, the retry budget, and the wait before each retry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.runner.pacing import parse_duration, retry_wait_s
from harness.runner.pacing.retries import RetryBudget

from ...support.paced import ask, pace
from ...support.virtual_time import run


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1s", 1.0), ("6m0s", 360.0), ("120ms", 0.12), ("1h2m3.5s", 3723.5), ("7.66s", 7.66), ("1d", 86400.0),
        ("12.5", 12.5), (" 3 ", 3.0), ("0", 0.0),
        ("", None), ("soon", None), ("-1", None), ("nan", None), ("inf", None), ("1s later", None), ("1764043200", None),
    ],
)  # fmt: skip
def test_parse_duration(text: str, value: float | None) -> None:
    assert parse_duration(text) == (None if value is None else pytest.approx(value))


@given(st.text())
def test_parse_duration_accepts_any_text(text: str) -> None:
    duration = parse_duration(text)
    assert duration is None or duration >= 0


def test_retries_are_a_fifth_of_the_calls() -> None:
    budget = RetryBudget(floor=10)
    allowed = 0
    for _ in range(1000):
        budget.record_attempt()
        if budget.try_spend():
            budget.record_attempt()
            allowed += 1
    assert allowed == pytest.approx(12 + 0.2 * 1000, abs=1)


def test_a_burst_gets_one_retry_per_slot_and_ten_more() -> None:
    async def scene() -> list[bool]:
        paced = pace(50)
        await ask(paced)
        return [paced.may_retry() for _ in range(80)]

    assert run(scene()) == [True] * 61 + [False] * 19  # one per slot, ten more, a fifth of the calls rounded up


@pytest.mark.parametrize("attempt", [1, 2, 3, 50])
def test_waits_are_between_0_and_a_doubling_limit(attempt: int) -> None:
    assert retry_wait_s(attempt, None, lambda: 0.0) == 0
    assert retry_wait_s(attempt, None, lambda: 1.0) == min(0.5 * 2**attempt, 60)


def test_retry_after_is_the_shortest_wait() -> None:
    assert retry_wait_s(1, 30.0, lambda: 0.0) == 30
    assert 30 < retry_wait_s(1, 30.0, lambda: 1.0) < 31
