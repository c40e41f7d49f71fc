"""How many at once, and when the next one: against a server that is simulated, on a clock that jumps."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from timeit import timeit
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.backends._http import failed
from harness.pace import Pace, Slots, retry_wait_s, seconds
from harness.pace._limits import Bucket
from harness.pace._retries import RetryBudget
from harness.types import Response

from .support.virtual_time import now, run

ROOT = Path(__file__).resolve().parents[1]
ANSWER = Response("billing", "stop", prompt_tokens=90, completion_tokens=10)
REFUSED = failed("rate_limit", "too many", status=429, retry=True)


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """bench/pace.py, under a name that is no package's."""
    spec = importlib.util.spec_from_file_location("bench_pace", ROOT / "bench/pace.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def pace(limit: int = 4, **more: Any) -> Pace:
    return Pace(limit, clock=now, draw=lambda: 0.0, **more)


async def ask(pace: Pace, response: Response = ANSWER, *, takes: float = 0.0, **more: Any) -> float:
    """One attempt; when it started."""
    tokens, headers = more.get("tokens", 0), more.get("headers", {})
    async with pace.turn(tokens) as turn:
        started = now()
        await asyncio.sleep(takes)
        turn.learn(response, headers)
    return started


async def ask_all(pace: Pace, n: int, **more: Any) -> list[float]:
    return sorted(await asyncio.gather(*(ask(pace, **more) for _ in range(n))))


# How many at once: the number of slots is found


@pytest.mark.parametrize("each_s", [0.0, 0.001], ids=["slots of their own", "a batch"])
@pytest.mark.parametrize("slots", [1, 4, 8, 32])
def test_the_number_of_slots_is_found(bench: ModuleType, slots: int, each_s: float) -> None:
    server = bench.Server("", slots, each_s=each_s)
    told = bench.simulate(server, Slots(128), 4000)
    best = bench.simulate(server, bench.Fixed(slots), 4000)
    assert slots * 0.9 <= told.at_once <= slots * 1.3
    assert told.wall_s < 1.05 * best.wall_s


@pytest.mark.parametrize("slots", [1, 8, 32])
def test_it_is_found_among_replies_of_very_different_length(bench: ModuleType, slots: int) -> None:
    server = bench.Server("", slots, tokens=40, noise=0.8, jitter=0.3)
    told = bench.simulate(server, Slots(128), 8000)
    best = bench.simulate(server, bench.Fixed(slots), 8000)
    assert slots * 0.75 <= told.at_once <= slots * 2
    assert told.wall_s < 1.06 * best.wall_s


def test_more_at_once_that_only_slows_everything_down_is_given_up(bench: ModuleType) -> None:
    cpu = bench.Server("", 8, step_s=0.0, each_s=0.01)
    assert bench.simulate(cpu, Slots(128), 2000).at_once == 1


def test_50_connections_of_50_ms_are_full_at_once_and_stay_so(bench: ModuleType) -> None:
    server = bench.Server("", 10**6, step_s=0.005, limit=50)
    told = bench.simulate(server, Slots(50), 10_000)
    full = next(at for at, allowed in told.held if allowed == 50)
    assert full <= 4 * 0.05 + 1e-9
    assert told.wall_s < 1.03 * 10.0


@pytest.mark.parametrize("top", [1, 2, 8, 40])
def test_a_server_that_refuses_is_asked_as_much_as_it_takes(bench: ModuleType, top: int) -> None:
    server = bench.Server("", 10**6, step_s=0.05, refuses_above=top)
    told = bench.simulate(server, Slots(128), 4000)
    best = bench.simulate(server, bench.Fixed(top), 4000)
    assert top * 0.75 <= told.at_once <= top
    assert told.refusals < 0.03 * 4000
    assert told.wall_s < 1.1 * best.wall_s


def test_a_server_that_loses_slots_is_asked_less(bench: ModuleType) -> None:
    server = bench.Server("", 32, slots_later=8, changes_s=5.0)
    assert bench.simulate(server, Slots(128), 6000).at_once <= 10


def test_a_server_that_fails_now_and_then_is_not_starved(bench: ModuleType) -> None:
    told = bench.simulate(bench.Server("", 32, broken=0.02), Slots(128), 6000)
    assert told.wall_s < 1.1 * bench.simulate(bench.Server("", 32), bench.Fixed(32), 6000).wall_s


@settings(max_examples=60, deadline=None)
@given(limit=st.integers(1, 40), outcomes=st.lists(st.tuples(st.sampled_from("arl"), st.floats(0, 9)), max_size=300))
def test_whatever_happens_it_is_from_1_to_the_limit(limit: int, outcomes: list[tuple[str, float]]) -> None:
    slots = Slots(limit)
    for at, (outcome, latency) in enumerate(outcomes):
        cohort = slots.begin(slots.now)
        if outcome == "a":
            slots.answered(cohort, latency, 3)
        elif outcome == "r":
            slots.refused(cohort, at - latency, at)
        else:
            slots.dropped(cohort)
        assert 1 <= slots.now <= limit


def test_the_refusals_of_one_burst_count_once(bench: ModuleType) -> None:
    slots = Slots(64)
    bench.simulate(bench.Server("", 64), slots, 2000)
    before = slots.now
    for _ in range(64):
        slots.refused(None, started=1.0, now=2.0)
    assert slots.now == before // 2
    assert slots.slowed == 1
    slots.refused(None, started=2.5, now=3.0)  # sent after it had slowed down: another one
    assert slots.slowed == 2


def test_one_slot_is_one_slot() -> None:
    slots = Slots(1)
    for _ in range(100):
        slots.answered(slots.begin(1), 0.1, 1)
    slots.refused(None, 0.0, 1.0)
    assert slots.now == 1


# When the next one may start


def test_no_more_are_in_flight_than_allowed_and_the_first_to_come_is_the_first_to_go() -> None:
    async def scene() -> list[float]:
        return await ask_all(pace(2), 6, takes=1.0)

    assert run(scene()) == [0, 0, 1, 1, 2, 2]


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


@settings(max_examples=40, deadline=None)
@given(per_minute=st.integers(1, 3000), seed=st.integers(0, 99))
def test_no_minute_sees_more_requests_than_its_limit(per_minute: int, seed: int) -> None:
    at, starts, bucket = 0.0, [], Bucket(per_minute, 0.0)
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


# Words of headers, retries


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
