"""The rules of fallback and hedging, against fake targets without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import AllBackendsFailed, BackendError
from harness.core.types import CallError
from harness.project.routing import TIERS, TaskRoute
from harness.router import _fallback
from harness.router._circuit_breaker import CircuitBreaker
from harness.router._fallback import FallbackCall
from harness.router._sdk_errors import TargetFailed

from ..support.virtual_time import now, run

KINDS = ("connection", "server", "bad_reply", "bad_request", "rate_limit", "contract")
WHAT = ("ok", "slow", "hangs", "refused", *KINDS)
SLOW_S = 0.004


@dataclass
class Script:
    """A fake request: each target behaves as scripted. No process, no model."""

    steps: dict[str, list[str]]
    chars: Any = field(default=lambda _target: 100)
    max_tokens: int = 10
    streams: bool = False
    retry_after_s: float | None = None
    takes_s: float = 0.0
    now: set[str] = field(default_factory=set)
    most_at_once: int = 0
    asked: list[str] = field(default_factory=list)

    async def send(self, target: Any, _call: FallbackCall[str]) -> str:
        self.asked.append(target.name)
        self.now.add(target.name)
        self.most_at_once = max(self.most_at_once, len(self.now))
        try:
            return await self._do(self.steps[target.name].pop(0) if self.steps[target.name] else "ok", target.name)
        finally:
            self.now.discard(target.name)

    async def _do(self, what: str, name: str) -> str:
        await asyncio.sleep({"slow": SLOW_S, "hangs": 60}.get(what, self.takes_s))
        if what == "refused":
            msg = f"backend {name}: no tools"
            raise BackendError(msg)
        if what in KINDS:
            raise TargetFailed(CallError(what, "x", retryable=True, retry_after_s=self.retry_after_s))
        return name

    async def discard(self, reply: str, call: FallbackCall[str]) -> None:
        """Do nothing: the reply is a plain string."""


class FakeTarget:
    """A fake target without a backend."""

    def __init__(self, name: str, usd: float) -> None:
        self.name = name
        self.most_usd = usd
        self.breaker = CircuitBreaker(3)
        self.breaker.record_probe(None)
        self.config = SimpleNamespace(timeout_s=60.0)

    def check_open(self) -> None:
        """Do nothing: a fake target is always open."""

    def usd(self, _prompt: int | None, _completion: int | None) -> float:
        return 0.0

    def max_usd_of(self, _chars: int, _tokens: int) -> float:
        return self.most_usd


def target(name: str, usd: float = 0.0) -> Any:
    return FakeTarget(name, usd)


def route(**more: Any) -> TaskRoute:
    return TaskRoute.model_validate({"tiers": TIERS, "deadline_s": 0.06, "patience_s": 0.0, **more})


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits, on the virtual clock of the event loop."""
    monkeypatch.setattr(_fallback, "perf_counter", now)
    monkeypatch.setattr(_fallback, "RETRY_WAIT_S", 0.001)
    monkeypatch.setattr(_fallback, "DEFAULT_WAIT_S", 0.001)
    monkeypatch.setattr(_fallback, "MIN_WAIT_S", 0.001)


scripts = st.lists(st.sampled_from(WHAT), max_size=3)


@given(steps=st.tuples(scripts, scripts, scripts), hedge=st.none() | st.just(0.002))
@settings(max_examples=100)
def test_a_call_is_answered_once_or_names_each_cause(steps: Sequence[list[str]], hedge: float | None) -> None:
    request = Script({name: list(what) for name, what in zip("abc", steps, strict=True)})
    targets = [target(name) for name in "abc"]

    async def main() -> None:
        call = FallbackCall("t", route(hedge_after_s=hedge), targets, request)
        before = asyncio.all_tasks()
        (outcome,) = await asyncio.gather(call.run(), return_exceptions=True)
        if isinstance(outcome, AllBackendsFailed):
            assert sorted(name for name, _, _ in outcome.causes) == ["a", "b", "c"]
        else:
            assert not isinstance(outcome, BaseException)
            assert outcome[1] == outcome[0].name
            assert (call.fallback_reason(outcome[0]) == "") is (outcome[0].name == "a")
        assert asyncio.all_tasks() == before
        assert request.now == set()
        assert call.attempts == len(request.asked)
        assert call.wall_s < 1

    run(main())
    assert hedge is not None or request.most_at_once <= 1
    assert (
        max((request.asked.count(name) for name in "ab"), default=0) <= 1
        or "rate_limit" in steps[0] + steps[1]
        or hedge
    )


def test_remaining_time_is_shared_among_targets_that_are_up() -> None:
    request = Script({"a": ["hangs"], "b": ["hangs"], "c": []})
    targets = [target(name) for name in "abc"]

    async def main() -> tuple[FallbackCall[str], float]:
        call = FallbackCall("t", route(deadline_s=0.3), targets, request)
        who, _ = await call.run()
        assert who.name == "c"
        return call, call.wall_s

    call, wall_s = run(main())
    assert wall_s == pytest.approx(0.2)
    assert [(name, error.kind) for name, error in call.causes] == [("a", "timeout"), ("b", "timeout")]


def test_a_target_that_is_down_gets_no_share() -> None:
    request = Script({"a": ["hangs"], "b": [], "c": []})
    targets = [target(name) for name in "abc"]
    for other in targets[1:]:
        other.breaker.record_probe(CallError("connection", "nobody listens"))

    async def main() -> float:
        call = FallbackCall("t", route(deadline_s=0.1), targets, request)
        with pytest.raises(AllBackendsFailed, match=r"b: breaker_open: .*nobody listens"):
            await call.run()
        return call.wall_s

    assert run(main()) == pytest.approx(0.1)


def test_max_usd_covers_all_attempts_of_a_call() -> None:
    request = Script({"a": ["server"], "b": [], "c": []})
    targets = [target("a", 0.2), target("b", 2.0), target("c", 0.9)]

    async def main() -> None:
        call = FallbackCall("t", route(max_usd=1.0), targets, request)
        call.add_cost(0.05)
        assert (await call.run())[0].name == "c"
        assert [error.kind for _, error in call.causes] == ["server", "budget"]

    run(main())
    assert request.asked == ["a", "c"]


def test_patience_decides_whether_a_429_is_waited_for() -> None:
    request = Script({"a": ["rate_limit"], "b": [], "c": []})

    async def main(patience_s: float) -> str:
        call = FallbackCall("t", route(patience_s=patience_s), [target(name) for name in "abc"], request)
        return (await call.run())[1]

    assert run(main(0.05)) == "a"
    request.steps["a"] = ["rate_limit"]
    assert run(main(0.0)) == "b"


@pytest.mark.parametrize(("retry_after_s", "takes_s"), [(0.0, 0.0), (0.001, 0.0), (0.0, 0.06)])
def test_repeated_429s_lead_to_the_next_target(
    monkeypatch: pytest.MonkeyPatch, retry_after_s: float, takes_s: float
) -> None:
    """Whatever `retry-after` says, and however slow the 429 is."""
    monkeypatch.setattr(_fallback, "MIN_WAIT_S", 0.05)
    request = Script({"a": ["rate_limit"] * 1000, "b": [], "c": []}, retry_after_s=retry_after_s, takes_s=takes_s)

    async def main() -> float:
        call = FallbackCall("t", route(patience_s=0.15, deadline_s=5.0), [target(name) for name in "abc"], request)
        assert (await call.run())[1] == "b"
        return call.wall_s

    assert run(main()) <= 0.15 + 2 * takes_s, "the patience, the last refusal and the answer"
    assert 2 <= request.asked.count("a") <= 3


def test_last_target_with_429_is_retried_until_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fallback, "MIN_WAIT_S", 0.05)
    request = Script({"a": ["rate_limit"] * 1000}, retry_after_s=0.0)

    async def main() -> None:
        with pytest.raises(AllBackendsFailed, match="a: rate_limit"):
            await FallbackCall("t", route(deadline_s=0.3), [target("a")], request).run()

    run(main())
    assert 4 <= request.asked.count("a") <= 6


@pytest.mark.parametrize("kind", ["contract", "bad_request", "rate_limit"])
def test_a_failure_kind_that_does_not_count_resets_the_breaker(kind: str) -> None:
    request = Script({"a": ["server", "server", kind, "server", "server"]})
    only = target("a")

    async def main() -> None:
        for _ in range(5):
            await asyncio.gather(FallbackCall("t", route(), [only], request).run(), return_exceptions=True)

    run(main())
    assert only.breaker.open_reason is None
