"""How many at once: the number of slots of a simulated server is found, kept to, and found again when it changes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.runner.pacing import AdaptiveLimit

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """bench/speed/pace.py, under a name that is no package's."""
    spec = importlib.util.spec_from_file_location("bench_pace", ROOT / "bench/speed/pace.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("each_s", [0.0, 0.001], ids=["slots of their own", "a batch"])
@pytest.mark.parametrize("slots", [1, 4, 8, 32])
def test_the_number_of_slots_is_found(bench: ModuleType, slots: int, each_s: float) -> None:
    server = bench.Server("", slots, each_s=each_s)
    told = bench.simulate(server, AdaptiveLimit(128), 4000)
    best = bench.simulate(server, bench.Fixed(slots), 4000)
    assert slots * 0.9 <= told.at_once <= slots * 1.3
    assert told.wall_s < 1.05 * best.wall_s


@pytest.mark.parametrize("slots", [1, 8, 32])
def test_it_is_found_among_replies_of_very_different_length(bench: ModuleType, slots: int) -> None:
    server = bench.Server("", slots, tokens=40, noise=0.8, jitter=0.3)
    told = bench.simulate(server, AdaptiveLimit(128), 8000)
    best = bench.simulate(server, bench.Fixed(slots), 8000)
    assert slots * 0.75 <= told.at_once <= slots * 2
    assert told.wall_s < 1.06 * best.wall_s


def test_more_at_once_that_only_slows_everything_down_is_given_up(bench: ModuleType) -> None:
    cpu = bench.Server("", 8, step_s=0.0, each_s=0.01)
    assert bench.simulate(cpu, AdaptiveLimit(128), 2000).at_once == 1


def test_50_connections_of_50_ms_are_full_at_once_and_stay_so(bench: ModuleType) -> None:
    server = bench.Server("", 10**6, step_s=0.005, limit=50)
    told = bench.simulate(server, AdaptiveLimit(50), 10_000)
    full = next(at for at, allowed in told.held if allowed == 50)
    assert full <= 4 * 0.05 + 1e-9
    assert told.wall_s < 1.03 * 10.0


@pytest.mark.parametrize("top", [1, 2, 8, 40])
def test_a_server_that_refuses_is_asked_as_much_as_it_takes(bench: ModuleType, top: int) -> None:
    server = bench.Server("", 10**6, step_s=0.05, refuses_above=top)
    told = bench.simulate(server, AdaptiveLimit(128), 4000)
    best = bench.simulate(server, bench.Fixed(top), 4000)
    assert top * 0.75 <= told.at_once <= top
    assert told.refusals < 0.03 * 4000
    assert told.wall_s < 1.1 * best.wall_s


def test_a_server_that_loses_slots_is_asked_less(bench: ModuleType) -> None:
    server = bench.Server("", 32, slots_later=8, changes_s=5.0)
    assert bench.simulate(server, AdaptiveLimit(128), 6000).at_once <= 10


def test_a_server_that_fails_now_and_then_is_not_starved(bench: ModuleType) -> None:
    told = bench.simulate(bench.Server("", 32, broken=0.02), AdaptiveLimit(128), 6000)
    assert told.wall_s < 1.1 * bench.simulate(bench.Server("", 32), bench.Fixed(32), 6000).wall_s


@settings(max_examples=60)
@given(limit=st.integers(1, 40), outcomes=st.lists(st.tuples(st.sampled_from("arl"), st.floats(0, 9)), max_size=300))
def test_whatever_happens_it_is_from_1_to_the_limit(limit: int, outcomes: list[tuple[str, float]]) -> None:
    slots = AdaptiveLimit(limit)
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
    slots = AdaptiveLimit(64)
    bench.simulate(bench.Server("", 64), slots, 2000)
    before = slots.now
    for _ in range(64):
        slots.refused(None, started=1.0, now=2.0)
    assert slots.now == before // 2
    assert slots.slowed == 1
    slots.refused(None, started=2.5, now=3.0)  # sent after it had slowed down: another one
    assert slots.slowed == 2


def test_one_slot_is_one_slot() -> None:
    slots = AdaptiveLimit(1)
    for _ in range(100):
        slots.answered(slots.begin(1), 0.1, 1)
    slots.refused(None, 0.0, 1.0)
    assert slots.now == 1
