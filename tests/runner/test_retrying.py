"""When asking again ends: a server that is gone is given up, one bad case is not mistaken for it."""

from __future__ import annotations

import asyncio

import pytest

from harness.backends.http.errors import failed
from harness.core.errors import BackendError
from harness.core.types import Message, Request, Response, Sampling
from harness.runner.pacing import Pace
from harness.runner.retrying import FailureLimit, RetryingClient

from ..support.backend_calls import configured

QUESTION = Request((Message("user", "?"),), Sampling())


class Clock:
    """Stands still until it is told to move on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Never:
    """A fake backend that never answers."""

    concurrency, exclusive, warm_up = 4, False, False
    asked = 0

    async def complete(self, _: Request) -> Response:
        self.asked += 1
        return failed("timeout", "no answer within 120 s", retry=True)


def asker(clock: Clock, backend: Never | None = None) -> RetryingClient:
    config = configured("openai", base_url="http://127.0.0.1:9/v1", retries=2, timeout_s=120)
    return RetryingClient(backend or Never(), config, Pace(4, clock=clock, draw=lambda: 0.0))  # type: ignore[arg-type]


def test_timed_out_call_is_retried_while_others_succeed() -> None:
    backend = Never()
    _, attempts = asyncio.run(asker(Clock(), backend).ask(QUESTION))
    assert (attempts, backend.asked) == (3, 3)


def test_silent_server_gets_no_retries_after_three_timeouts() -> None:
    clock, backend = Clock(), Never()
    it = asker(clock, backend)
    clock.now = 361.0
    _, attempts = asyncio.run(it.ask(QUESTION))
    assert attempts == 1


def test_run_stops_after_3_silent_or_10_failed_calls() -> None:
    clock, lost = Clock(), failed("timeout", "no answer within 120 s")
    it = asker(clock)
    patience = FailureLimit(it)
    for _ in range(9):
        patience.watch(lost)
    with pytest.raises(BackendError, match="stopped after 10 failed calls in a row"):
        patience.watch(lost)
    clock.now, patience = 361.0, FailureLimit(it)
    patience.watch(lost)
    patience.watch(lost)
    with pytest.raises(BackendError, match="stopped after 3 failed calls"):
        patience.watch(lost)


def test_success_resets_the_count_of_failures() -> None:
    patience = FailureLimit(asker(Clock()))
    for response in [failed("server", "boom")] * 9 + [Response("billing")] + [failed("server", "boom")] * 9:
        patience.watch(response)
    assert patience.in_a_row == 9
