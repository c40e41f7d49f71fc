"""The queue: first come, first served; cancelled turns leave no gap; an overloaded server gets fewer requests."""

from __future__ import annotations

import asyncio

import pytest

from harness.backends.http.errors import failed
from harness.core.types import Response
from harness.runner.pacing import Pace

from ...support.linear import assert_linear
from ...support.paced import ANSWER, ask, ask_all, pace
from ...support.virtual_time import run

REFUSED = failed("rate_limit", "too many", status=429, retry=True)


def test_turns_start_in_order_within_the_limit() -> None:
    async def scene() -> list[float]:
        return await ask_all(pace(2), 6, takes=1.0)

    assert run(scene()) == [0, 0, 1, 1, 2, 2]


def test_a_cancelled_waiting_turn_leaves_no_gap() -> None:
    async def scene() -> None:
        paced = pace(1)
        first = asyncio.create_task(ask(paced, takes=1.0))
        await asyncio.sleep(0)
        gone = [asyncio.create_task(ask(paced)) for _ in range(3)]
        stays = asyncio.create_task(ask(paced))
        await asyncio.sleep(0.5)
        for task in gone:
            task.cancel()
        await first
        gone[0].cancel()
        assert await stays == 1.0
        assert paced.in_flight == 0

    run(scene())


def test_a_turn_cancelled_as_it_starts_returns_its_slot() -> None:
    async def scene() -> None:
        paced = pace(1)
        async with paced.turn():
            unlucky, lucky = (asyncio.create_task(ask(paced)) for _ in range(2))
            await asyncio.sleep(0)
        unlucky.cancel()
        assert await lucky == 0
        assert unlucky.cancelled()
        assert paced.in_flight == 0

    run(scene())


def test_an_attempt_that_raises_returns_its_slot() -> None:
    async def scene() -> None:
        paced = pace(1)
        with pytest.raises(ValueError):
            async with paced.turn():
                raise ValueError
        assert await ask(paced) == 0

    run(scene())


@pytest.mark.parametrize("error", [REFUSED, failed("server", "", status=503), failed("timeout", "")])
def test_overload_errors_halve_the_limit_once(error: Response) -> None:
    async def scene() -> tuple[int, int]:
        paced = pace(4)
        await asyncio.gather(*(ask(paced, error) for _ in range(4)))
        return paced.current_limit, paced.decreases

    assert run(scene()) == (2, 1)


def test_a_bad_request_does_not_lower_the_limit() -> None:
    async def scene() -> tuple[int, int]:
        paced = pace(4)
        await asyncio.gather(*(ask(paced, failed("bad_request", "", status=400)) for _ in range(40)))
        return paced.current_limit, paced.decreases

    assert run(scene()) == (4, 0)


def test_a_turn_costs_no_more_after_many_turns() -> None:
    async def scene(turns: int) -> None:
        pacing = Pace(50, rpm=10**9, tpm=10**9)
        for _ in range(turns):
            async with pacing.turn(100) as turn:
                turn.record(ANSWER)

    assert_linear(lambda text: asyncio.run(scene(len(text))), "x".__mul__, small=1_000, large=10_000)
