"""When a backend gets no calls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.types import CallError
from harness.router._circuit_breaker import COUNTED, NOT_YET, CircuitBreaker

DOWN = CallError("connection", "refused")


def up(failures: int = 3) -> CircuitBreaker:
    breaker = CircuitBreaker(failures)
    breaker.record_probe(None)
    return breaker


def fail(breaker: CircuitBreaker, times: int = 1, kind: str = "connection") -> bool:
    return [breaker.record_failure(breaker.generation, CallError(kind, "x")) for _ in range(times)][-1]


def test_breaker_is_open_until_the_first_probe_succeeds() -> None:
    breaker = CircuitBreaker(3)
    assert breaker.open_reason is NOT_YET
    breaker.record_probe(None)
    assert breaker.open_reason is None


def test_breaker_opens_after_consecutive_failures() -> None:
    breaker = up()
    assert not fail(breaker, 2)
    breaker.record_success(breaker.generation)
    assert not fail(breaker, 2)
    assert fail(breaker)
    assert breaker.open_reason == CallError("connection", "x")
    assert breaker.opened.is_set()


def test_half_open_breaker_opens_or_closes_with_one_call() -> None:
    breaker = up()
    fail(breaker, 3)
    breaker.record_probe(DOWN)
    assert breaker.open_reason == DOWN
    breaker.record_probe(None)
    assert fail(breaker)
    breaker.record_probe(None)
    breaker.record_success(breaker.generation)
    assert not fail(breaker, 2)


def test_calls_from_before_the_breaker_opened_are_ignored() -> None:
    breaker = up()
    earlier = breaker.generation
    fail(breaker, 3)
    breaker.record_probe(None)
    assert not breaker.record_failure(earlier, DOWN)
    breaker.record_success(earlier)
    assert breaker.open_reason is None
    assert fail(breaker), "a success from an earlier generation does not close a half-open breaker"


@pytest.mark.parametrize("kind", ["bad_request", "rate_limit", "contract", "budget"])
def test_failures_that_are_not_the_backends_do_not_count(kind: str) -> None:
    assert not fail(up(1), 5, kind)


events = st.sampled_from(["ok", "down", "late", *sorted(COUNTED), "bad_request"])


@given(st.lists(events, max_size=40), st.integers(1, 4))
def test_breaker_matches_a_plain_count_of_failures(history: list[str], allowed: int) -> None:
    """Probes come only while the breaker is open, as in production."""
    breaker = up(allowed)
    in_a_row = 0
    for event in history:
        if breaker.open_reason is not None:
            breaker.record_probe(DOWN if event == "down" else None)
            in_a_row = allowed - 1
        elif event == "ok":
            breaker.record_success(breaker.generation)
            in_a_row = 0
        elif event == "late":
            breaker.record_failure(breaker.generation - 1, DOWN)
        elif event in COUNTED:
            in_a_row += 1
            assert fail(breaker, kind=event) is (in_a_row == allowed)
        assert (breaker.open_reason is None) is not breaker.opened.is_set()
