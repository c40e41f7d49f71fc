"""How long to wait, as servers write it; how many retries there are, and the wait before each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.runner.pacing import retry_wait_s, seconds
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
def test_durations_as_servers_write_them(text: str, value: float | None) -> None:
    assert seconds(text) == (None if value is None else pytest.approx(value))


@given(st.text())
def test_no_text_of_a_server_is_an_error(text: str) -> None:
    found = seconds(text)
    assert found is None or found >= 0


def test_retries_are_a_share_of_the_calls() -> None:
    budget = RetryBudget(floor=10)
    allowed = 0
    for _ in range(1000):
        budget.called()
        if budget.spend():
            budget.called()
            allowed += 1
    assert allowed == pytest.approx(12 + 0.2 * 1000, abs=1)


def test_a_burst_that_finds_the_server_full_has_its_retries() -> None:
    async def scene() -> list[bool]:
        kept = pace(50)
        await ask(kept)
        return [kept.may_retry() for _ in range(80)]

    assert run(scene()) == [True] * 61 + [False] * 19  # one per slot, ten more, a fifth of the calls rounded up


@pytest.mark.parametrize("attempt", [1, 2, 3, 50])
def test_waits_are_drawn_from_nothing_to_a_limit_that_doubles(attempt: int) -> None:
    assert retry_wait_s(attempt, None, lambda: 0.0) == 0
    assert retry_wait_s(attempt, None, lambda: 1.0) == min(0.5 * 2**attempt, 60)


def test_what_the_server_asks_for_is_the_least() -> None:
    assert retry_wait_s(1, 30.0, lambda: 0.0) == 30
    assert 30 < retry_wait_s(1, 30.0, lambda: 1.0) < 31
