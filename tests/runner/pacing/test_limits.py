"""When the next one may start: rests that a server asks for, what it says is left, requests and tokens per minute."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.backends.http.errors import failed
from harness.core.types import Response
from harness.runner.pacing.limits import TokenBucket

from ...support.paced import ask, ask_all, pace
from ...support.virtual_time import run


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (failed("rate_limit", "", status=429, retry=True, after_s=7.0), 7.0),
        (failed("server", "", status=503, retry=True, after_s=2.5), 2.5),
        (failed("rate_limit", "", status=429, retry=True, after_s=10.0**9), 600.0),
        (failed("rate_limit", "", status=429, retry=True), 0.0),
    ],
)
def test_nothing_starts_before_a_server_that_asked_for_it_has_had_its_rest(error: Response, pause: float) -> None:
    async def scene() -> float:
        kept = pace(1)
        await ask(kept, error)
        assert kept.waiting_s is None  # nobody waits
        waiting = asyncio.create_task(ask(kept))
        await asyncio.sleep(0)
        assert kept.waiting_s == (pause or None)
        assert kept.waits_for == ("the server asked to wait" if pause else "")
        return await waiting

    assert run(scene()) == pytest.approx(pause)


def test_those_already_in_flight_and_a_shorter_pause_do_not_shorten_one() -> None:
    async def scene() -> float:
        kept = pace(2)
        long, short = (failed("rate_limit", "", status=429, after_s=s) for s in (9.0, 1.0))
        await asyncio.gather(ask(kept, long), ask(kept, short, takes=0.5))
        return await ask(kept)

    assert run(scene()) == pytest.approx(9.0)


@pytest.mark.parametrize(
    ("headers", "starts"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, [360, 360]),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "1s"}, [0, 1]),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, [1, 1]),
        ({"x-ratelimit-remaining-requests": "none"}, [0, 0]),
        ({"x-ratelimit-remaining-tokens": "99", "x-ratelimit-reset-tokens": "120ms"}, [0.12, 0.12]),
        ({"x-ratelimit-remaining-tokens": "199", "x-ratelimit-reset-tokens": "2s"}, [0, 2]),
    ],
)
def test_what_the_server_says_is_left_is_kept_to(headers: Mapping[str, str], starts: list[float]) -> None:
    async def scene() -> list[float]:
        kept = pace(4)
        await ask(kept, headers=headers)
        return await ask_all(kept, 2, tokens=100)

    assert run(scene()) == pytest.approx(starts)


def test_what_is_in_flight_counts_as_used() -> None:
    async def scene() -> float:
        kept = pace(3)
        busy = [asyncio.create_task(ask(kept, takes=5.0)) for _ in range(2)]
        await asyncio.sleep(0)
        await ask(kept, headers={"x-ratelimit-remaining-requests": "2", "x-ratelimit-reset-requests": "60s"})
        started = await ask(kept)
        await asyncio.gather(*busy)
        return started

    assert run(scene()) == pytest.approx(60)


@settings(max_examples=40)
@given(per_minute=st.integers(1, 3000), seed=st.integers(0, 99))
def test_no_minute_sees_more_requests_than_its_limit(per_minute: int, seed: int) -> None:
    at, starts, bucket = 0.0, [], TokenBucket(per_minute, 0.0)
    for number in range(min(4 * per_minute, 2000)):
        at += 0.7 * ((number * 7919 + seed) % 5 == 0)  # now and then nobody asks
        at += bucket.delay_s(1, at)
        bucket.take(1)
        starts.append(at)
    for first, last in zip(starts, starts[per_minute:], strict=False):
        assert last - first >= 60.0 - 1e-6


def test_requests_per_minute() -> None:
    async def scene() -> tuple[list[float], str]:
        kept = pace(10, rpm=120)
        waiting = asyncio.create_task(ask_all(kept, 121))
        await asyncio.sleep(0.1)
        why = kept.waits_for
        return await waiting, why

    starts, why = run(scene())
    assert why == "requests_per_minute in harness.toml"
    assert 59.5 <= starts[-1] - starts[0] <= 61.5


def test_tokens_per_minute_by_what_was_used_and_not_by_what_was_thought() -> None:
    async def last(tokens: int) -> float:
        return (await ask_all(pace(10, tpm=6000), 61, tokens=tokens))[-1]

    assert run(last(100)) == pytest.approx(60, rel=0.05)  # ANSWER has 100
    assert run(last(200)) == pytest.approx(61, rel=0.05)


def test_a_request_larger_than_a_minute_starts_and_is_paid_off() -> None:
    async def scene() -> list[float]:
        kept = pace(1, tpm=60)
        return [await ask(kept, tokens=100), await ask(kept, tokens=100)]

    assert run(scene()) == pytest.approx([0, 100 * 61 / 60], rel=0.02)
