"""Whose turn it is: first come, first served; who gives up leaves no gap; a busy server is asked less."""

from __future__ import annotations

import asyncio
from timeit import timeit

import pytest

from harness.backends.http.errors import failed
from harness.core.types import Response
from harness.runner.pacing import Pace, retry_wait_s

from ...support.paced import ANSWER, ask, ask_all, pace
from ...support.virtual_time import run

REFUSED = failed("rate_limit", "too many", status=429, retry=True)


def test_no_more_are_in_flight_than_allowed_and_the_first_to_come_is_the_first_to_go() -> None:
    async def scene() -> list[float]:
        return await ask_all(pace(2), 6, takes=1.0)

    assert run(scene()) == [0, 0, 1, 1, 2, 2]


def test_whoever_gives_up_waiting_leaves_no_gap() -> None:
    async def scene() -> None:
        kept = pace(1)
        first = asyncio.create_task(ask(kept, takes=1.0))
        await asyncio.sleep(0)
        gone = [asyncio.create_task(ask(kept)) for _ in range(3)]
        stays = asyncio.create_task(ask(kept))
        await asyncio.sleep(0.5)
        for task in gone:
            task.cancel()
        await first
        gone[0].cancel()
        assert await stays == 1.0
        assert kept.in_flight == 0

    run(scene())


def test_whoever_is_let_in_and_gives_up_at_the_same_moment_gives_the_slot_back() -> None:
    async def scene() -> None:
        kept = pace(1)
        async with kept.turn():
            unlucky, lucky = (asyncio.create_task(ask(kept)) for _ in range(2))
            await asyncio.sleep(0)
        unlucky.cancel()
        assert await lucky == 0
        assert unlucky.cancelled()
        assert kept.in_flight == 0

    run(scene())


def test_an_attempt_that_raises_gives_its_slot_back() -> None:
    async def scene() -> None:
        kept = pace(1)
        with pytest.raises(ValueError):
            async with kept.turn():
                raise ValueError
        assert await ask(kept) == 0

    run(scene())


@pytest.mark.parametrize("error", [REFUSED, failed("server", "", status=503), failed("timeout", "")])
def test_a_busy_server_is_asked_less(error: Response) -> None:
    async def scene() -> tuple[int, int]:
        kept = pace(4)
        await asyncio.gather(*(ask(kept, error) for _ in range(4)))
        return kept.now, kept.slowed

    assert run(scene()) == (2, 1)


def test_an_error_of_the_request_is_no_sign_of_a_busy_server() -> None:
    async def scene() -> tuple[int, int]:
        kept = pace(4)
        await asyncio.gather(*(ask(kept, failed("bad_request", "", status=400)) for _ in range(40)))
        return kept.now, kept.slowed

    assert run(scene()) == (4, 0)


def test_a_turn_costs_next_to_nothing() -> None:
    async def scene() -> float:
        kept = Pace(50, rpm=10**9, tpm=10**9)

        async def one() -> None:
            async with kept.turn(100) as turn:
                turn.learn(ANSWER)

        started = asyncio.get_running_loop().time()
        for _ in range(5000):
            await one()
        return (asyncio.get_running_loop().time() - started) / 5000

    assert min(asyncio.run(scene()) for _ in range(5)) < 30e-6  # 10 µs are meant; the machine is shared
    assert timeit(lambda: retry_wait_s(1, None), number=1000) < 0.1
