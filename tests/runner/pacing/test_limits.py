"""When the next request may start: `retry-after`, `x-ratelimit-*`, requests and tokens per minute."""

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
def test_no_request_starts_during_a_servers_pause(error: Response, pause: float) -> None:
    async def scene() -> float:
        paced = pace(1)
        await ask(paced, error)
        assert paced.waiting_s is None  # no request waits
        waiting = asyncio.create_task(ask(paced))
        await asyncio.sleep(0)
        assert paced.waiting_s == (pause or None)
        assert paced.wait_reason == ("the server asked to wait" if pause else "")
        return await waiting

    assert run(scene()) == pytest.approx(pause)


def test_a_shorter_pause_does_not_shorten_a_longer_one() -> None:
    async def scene() -> float:
        paced = pace(2)
        long, short = (failed("rate_limit", "", status=429, after_s=s) for s in (9.0, 1.0))
        await asyncio.gather(ask(paced, long), ask(paced, short, takes=0.5))
        return await ask(paced)

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
def test_ratelimit_headers_delay_the_next_requests(headers: Mapping[str, str], starts: list[float]) -> None:
    async def scene() -> list[float]:
        paced = pace(4)
        await ask(paced, headers=headers)
        return await ask_all(paced, 2, tokens=100)

    assert run(scene()) == pytest.approx(starts)


def test_requests_in_flight_count_against_the_remaining() -> None:
    async def scene() -> float:
        paced = pace(3)
        busy = [asyncio.create_task(ask(paced, takes=5.0)) for _ in range(2)]
        await asyncio.sleep(0)
        await ask(paced, headers={"x-ratelimit-remaining-requests": "2", "x-ratelimit-reset-requests": "60s"})
        started = await ask(paced)
        await asyncio.gather(*busy)
        return started

    assert run(scene()) == pytest.approx(60)


@settings(max_examples=40)
@given(per_minute=st.integers(1, 3000), seed=st.integers(0, 99))
def test_no_minute_exceeds_requests_per_minute(per_minute: int, seed: int) -> None:
    at, starts, bucket = 0.0, [], TokenBucket(per_minute, 0.0)
    for number in range(min(4 * per_minute, 2000)):
        at += 0.7 * ((number * 7919 + seed) % 5 == 0)  # pauses without requests
        at += bucket.delay_s(1, at)
        bucket.take(1)
        starts.append(at)
    for first, last in zip(starts, starts[per_minute:], strict=False):
        assert last - first >= 60.0 - 1e-6


def test_requests_per_minute_spreads_starts() -> None:
    async def scene() -> tuple[list[float], str]:
        paced = pace(10, rpm=120)
        waiting = asyncio.create_task(ask_all(paced, 121))
        await asyncio.sleep(0.1)
        reason = paced.wait_reason
        return await waiting, reason

    starts, reason = run(scene())
    assert reason == "requests_per_minute in harness.toml"
    assert 59.5 <= starts[-1] - starts[0] <= 61.5


def test_tokens_per_minute_counts_used_not_estimated_tokens() -> None:
    async def last(tokens: int) -> float:
        return (await ask_all(pace(10, tpm=6000), 61, tokens=tokens))[-1]

    assert run(last(100)) == pytest.approx(60, rel=0.05)  # ANSWER has 100
    assert run(last(200)) == pytest.approx(61, rel=0.05)


def test_a_request_above_tokens_per_minute_delays_the_next() -> None:
    async def scene() -> list[float]:
        paced = pace(1, tpm=60)
        return [await ask(paced, tokens=100), await ask(paced, tokens=100)]

    assert run(scene()) == pytest.approx([0, 100 * 61 / 60], rel=0.02)
