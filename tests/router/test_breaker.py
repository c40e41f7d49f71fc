"""When a backend is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.types import CallError
from harness.router._breaker import COUNTED, NOT_YET, CircuitBreaker

DOWN = CallError("connection", "refused")


def up(failures: int = 3) -> CircuitBreaker:
    breaker = CircuitBreaker(failures)
    breaker.probed(None)
    return breaker


def fail(breaker: CircuitBreaker, times: int = 1, kind: str = "connection") -> bool:
    return [breaker.failed(breaker.era, CallError(kind, "x")) for _ in range(times)][-1]


def test_nobody_is_asked_before_the_first_probe() -> None:
    breaker = CircuitBreaker(3)
    assert breaker.why is NOT_YET
    breaker.probed(None)
    assert breaker.why is None


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = up()
    assert not fail(breaker, 2)
    breaker.succeeded(breaker.era)
    assert not fail(breaker, 2)
    assert fail(breaker)
    assert breaker.why == CallError("connection", "x")
    assert breaker.opened.is_set()


def test_after_it_has_been_down_one_failure_opens_it_again_and_one_answer_closes_it_for_good() -> None:
    breaker = up()
    fail(breaker, 3)
    breaker.probed(DOWN)
    assert breaker.why == DOWN
    breaker.probed(None)
    assert fail(breaker)
    breaker.probed(None)
    breaker.succeeded(breaker.era)
    assert not fail(breaker, 2)


def test_calls_that_began_before_it_opened_say_nothing_of_today() -> None:
    breaker = up()
    then = breaker.era
    fail(breaker, 3)
    breaker.probed(None)
    assert not breaker.failed(then, DOWN)
    breaker.succeeded(then)
    assert breaker.why is None
    assert fail(breaker), "the old success has not closed it for good"


@pytest.mark.parametrize("kind", ["bad_request", "rate_limit", "contract", "budget"])
def test_what_does_not_speak_of_the_backend_does_not_count(kind: str) -> None:
    assert not fail(up(1), 5, kind)


events = st.sampled_from(["ok", "down", "late", *sorted(COUNTED), "bad_request"])


@given(st.lists(events, max_size=40), st.integers(1, 4))
def test_it_is_open_only_after_enough_failures_or_a_failed_probe(told: list[str], allowed: int) -> None:
    """Against a plain count: probes come only while it is open, as in life."""
    breaker = up(allowed)
    in_a_row = 0
    for event in told:
        if breaker.why is not None:
            breaker.probed(DOWN if event == "down" else None)
            in_a_row = allowed - 1
        elif event == "ok":
            breaker.succeeded(breaker.era)
            in_a_row = 0
        elif event == "late":
            breaker.failed(breaker.era - 1, DOWN)
        elif event in COUNTED:
            in_a_row += 1
            assert fail(breaker, kind=event) is (in_a_row == allowed)
        assert (breaker.why is None) is not breaker.opened.is_set()
