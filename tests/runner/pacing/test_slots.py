"""`AdaptiveLimit` finds the number of slots of a simulated server, and finds it again after a change."""

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
    """Import bench/speed/pace.py under a name that clashes with no package."""
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
    outcome = bench.simulate(server, AdaptiveLimit(128), 4000)
    best = bench.simulate(server, bench.Fixed(slots), 4000)
    assert slots * 0.9 <= outcome.at_once <= slots * 1.3
    assert outcome.wall_s < 1.05 * best.wall_s


@pytest.mark.parametrize("slots", [1, 8, 32])
def test_slots_are_found_with_replies_of_varying_length(bench: ModuleType, slots: int) -> None:
    server = bench.Server("", slots, tokens=40, noise=0.8, jitter=0.3)
    outcome = bench.simulate(server, AdaptiveLimit(128), 8000)
    best = bench.simulate(server, bench.Fixed(slots), 8000)
    assert slots * 0.75 <= outcome.at_once <= slots * 2
    assert outcome.wall_s < 1.06 * best.wall_s


def test_concurrency_without_throughput_gain_is_abandoned(bench: ModuleType) -> None:
    cpu = bench.Server("", 8, step_s=0.0, each_s=0.01)
    assert bench.simulate(cpu, AdaptiveLimit(128), 2000).at_once == 1


def test_50_fast_connections_are_filled_and_stay_full(bench: ModuleType) -> None:
    server = bench.Server("", 10**6, step_s=0.005, limit=50)
    outcome = bench.simulate(server, AdaptiveLimit(50), 10_000)
    full = next(at for at, allowed in outcome.held if allowed == 50)
    assert full <= 4 * 0.05 + 1e-9
    assert outcome.wall_s < 1.03 * 10.0


@pytest.mark.parametrize("top", [1, 2, 8, 40])
def test_refusals_settle_at_what_the_server_accepts(bench: ModuleType, top: int) -> None:
    server = bench.Server("", 10**6, step_s=0.05, refuses_above=top)
    outcome = bench.simulate(server, AdaptiveLimit(128), 4000)
    best = bench.simulate(server, bench.Fixed(top), 4000)
    assert top * 0.75 <= outcome.at_once <= top
    assert outcome.refusals < 0.03 * 4000
    assert outcome.wall_s < 1.1 * best.wall_s


def test_a_server_that_loses_slots_gets_fewer_requests(bench: ModuleType) -> None:
    server = bench.Server("", 32, slots_later=8, changes_s=5.0)
    assert bench.simulate(server, AdaptiveLimit(128), 6000).at_once <= 10


def test_occasional_failures_do_not_reduce_throughput(bench: ModuleType) -> None:
    outcome = bench.simulate(bench.Server("", 32, broken=0.02), AdaptiveLimit(128), 6000)
    assert outcome.wall_s < 1.1 * bench.simulate(bench.Server("", 32), bench.Fixed(32), 6000).wall_s


@settings(max_examples=60)
@given(limit=st.integers(1, 40), outcomes=st.lists(st.tuples(st.sampled_from("arl"), st.floats(0, 9)), max_size=300))
def test_the_limit_is_always_from_1_to_its_maximum(limit: int, outcomes: list[tuple[str, float]]) -> None:
    slots = AdaptiveLimit(limit)
    for at, (outcome, latency) in enumerate(outcomes):
        sample = slots.begin(slots.current)
        if outcome == "a":
            slots.answered(sample, latency, 3)
        elif outcome == "r":
            slots.refused(sample, at - latency, at)
        else:
            slots.dropped(sample)
        assert 1 <= slots.current <= limit


def test_a_burst_of_refusals_is_one_decrease(bench: ModuleType) -> None:
    slots = AdaptiveLimit(64)
    bench.simulate(bench.Server("", 64), slots, 2000)
    before = slots.current
    for _ in range(64):
        slots.refused(None, started=1.0, now=2.0)
    assert slots.current == before // 2
    assert slots.decreases == 1
    slots.refused(None, started=2.5, now=3.0)  # sent after the decrease: a new burst
    assert slots.decreases == 2


def test_a_maximum_of_one_stays_one() -> None:
    slots = AdaptiveLimit(1)
    for _ in range(100):
        slots.answered(slots.begin(1), 0.1, 1)
    slots.refused(None, 0.0, 1.0)
    assert slots.current == 1
