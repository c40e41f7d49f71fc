"""The rules of the chain, whatever its backends do: against made-up ones, without a socket."""

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
from harness.router import _chain
from harness.router._breaker import CircuitBreaker
from harness.router._chain import FallbackCall
from harness.router._faults import TargetFailed

KINDS = ("connection", "server", "bad_reply", "bad_request", "rate_limit", "contract")
WHAT = ("ok", "slow", "hangs", "refused", *KINDS)
SLOW_S = 0.004


@dataclass
class Script:
    """A job whose backends do what is told of each; they are asked in this process, and no model is there."""

    told: dict[str, list[str]]
    chars: Any = field(default=lambda _member: 100)
    max_tokens: int = 10
    streams: bool = False
    retry_after_s: float | None = None
    takes_s: float = 0.0
    now: set[str] = field(default_factory=set)
    most_at_once: int = 0
    asked: list[str] = field(default_factory=list)

    async def ask(self, member: Any, _chain: FallbackCall[str]) -> str:
        self.asked.append(member.name)
        self.now.add(member.name)
        self.most_at_once = max(self.most_at_once, len(self.now))
        try:
            return await self._do(self.told[member.name].pop(0) if self.told[member.name] else "ok", member.name)
        finally:
            self.now.discard(member.name)

    async def _do(self, what: str, name: str) -> str:
        await asyncio.sleep({"slow": SLOW_S, "hangs": 60}.get(what, self.takes_s))
        if what == "refused":
            msg = f"backend {name}: no tools"
            raise BackendError(msg)
        if what in KINDS:
            raise TargetFailed(CallError(what, "x", retryable=True, retry_after_s=self.retry_after_s))
        return name

    async def drop(self, answer: str, chain: FallbackCall[str]) -> None:
        """A name holds nothing."""


class Made:
    """A backend without anything behind it."""

    def __init__(self, name: str, usd: float) -> None:
        self.name = name
        self.most_usd = usd
        self.breaker = CircuitBreaker(3)
        self.breaker.probed(None)
        self.config = SimpleNamespace(timeout_s=60.0)

    def check_open(self) -> None:
        """It always is."""

    def usd(self, _prompt: int | None, _completion: int | None) -> float:
        return 0.0

    def at_most_usd(self, _chars: int, _tokens: int) -> float:
        return self.most_usd


def member(name: str, usd: float = 0.0) -> Any:
    return Made(name, usd)


def route(**more: Any) -> TaskRoute:
    return TaskRoute.model_validate({"tiers": TIERS, "deadline_s": 0.06, "patience_s": 0.0, **more})


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_chain, "AGAIN_S", 0.001)
    monkeypatch.setattr(_chain, "WAIT_S", 0.001)
    monkeypatch.setattr(_chain, "LEAST_WAIT_S", 0.001)


scripts = st.lists(st.sampled_from(WHAT), max_size=3)


@given(told=st.tuples(scripts, scripts, scripts), hedge=st.none() | st.just(0.002))
@settings(max_examples=100)
def test_every_call_is_answered_once_or_fails_with_a_cause_for_each(
    told: Sequence[list[str]], hedge: float | None
) -> None:
    job = Script({name: list(what) for name, what in zip("abc", told, strict=True)})
    members = [member(name) for name in "abc"]

    async def main() -> None:
        chain = FallbackCall("t", route(hedge_after_s=hedge), members, job)
        before = asyncio.all_tasks()
        (came,) = await asyncio.gather(chain.run(), return_exceptions=True)
        if isinstance(came, AllBackendsFailed):
            assert sorted(name for name, _, _ in came.causes) == ["a", "b", "c"]
        else:
            assert not isinstance(came, BaseException)
            assert came[1] == came[0].name
            assert (chain.reason(came[0]) == "") is (came[0].name == "a")
        assert asyncio.all_tasks() == before
        assert job.now == set()
        assert chain.attempts == len(job.asked)
        assert chain.wall_s < 1

    asyncio.run(main())
    assert hedge is not None or job.most_at_once <= 1
    assert max((job.asked.count(name) for name in "ab"), default=0) <= 1 or "rate_limit" in told[0] + told[1] or hedge


def test_what_is_left_of_the_deadline_is_shared_among_those_that_are_up() -> None:
    job = Script({"a": ["hangs"], "b": ["hangs"], "c": []})
    members = [member(name) for name in "abc"]

    async def main() -> FallbackCall[str]:
        chain = FallbackCall("t", route(deadline_s=0.3), members, job)
        who, _ = await chain.run()
        assert who.name == "c"
        return chain

    chain = asyncio.run(main())
    assert 0.19 < chain.wall_s < 0.3
    assert [(name, error.kind) for name, error in chain.causes] == [("a", "timeout"), ("b", "timeout")]


def test_one_that_is_down_gets_no_share() -> None:
    job = Script({"a": ["hangs"], "b": [], "c": []})
    members = [member(name) for name in "abc"]
    for other in members[1:]:
        other.breaker.probed(CallError("connection", "nobody listens"))

    async def main() -> FallbackCall[str]:
        chain = FallbackCall("t", route(deadline_s=0.1), members, job)
        with pytest.raises(AllBackendsFailed, match="b: breaker_open: left alone: nobody listens"):
            await chain.run()
        return chain

    assert asyncio.run(main()).wall_s >= 0.1


def test_the_budget_is_over_the_whole_chain() -> None:
    job = Script({"a": ["server"], "b": [], "c": []})
    members = [member("a", 0.2), member("b", 2.0), member("c", 0.9)]

    async def main() -> None:
        chain = FallbackCall("t", route(max_usd=1.0), members, job)
        chain.spend(0.05)
        assert (await chain.run())[0].name == "c"
        assert [error.kind for _, error in chain.causes] == ["server", "budget"]

    asyncio.run(main())
    assert job.asked == ["a", "c"]


def test_a_rate_limit_may_say_for_how_long() -> None:
    job = Script({"a": ["rate_limit"], "b": [], "c": []})

    async def main(patience_s: float) -> str:
        chain = FallbackCall("t", route(patience_s=patience_s), [member(name) for name in "abc"], job)
        return (await chain.run())[1]

    assert asyncio.run(main(0.05)) == "a"
    job.told["a"] = ["rate_limit"]
    assert asyncio.run(main(0.0)) == "b"


@pytest.mark.parametrize(("retry_after_s", "takes_s"), [(0.0, 0.0), (0.001, 0.0), (0.0, 0.06)])
def test_a_server_that_always_says_soon_is_asked_a_few_times_and_then_the_next_one(
    monkeypatch: pytest.MonkeyPatch, retry_after_s: float, takes_s: float
) -> None:
    """However short the wait it asks for, and however long it takes to say so."""
    monkeypatch.setattr(_chain, "LEAST_WAIT_S", 0.05)
    job = Script({"a": ["rate_limit"] * 1000, "b": [], "c": []}, retry_after_s=retry_after_s, takes_s=takes_s)

    async def main() -> FallbackCall[str]:
        chain = FallbackCall("t", route(patience_s=0.15, deadline_s=5.0), [member(name) for name in "abc"], job)
        assert (await chain.run())[1] == "b"
        return chain

    chain = asyncio.run(main())
    assert chain.wall_s < 0.5
    assert 2 <= job.asked.count("a") <= 3


def test_where_nobody_else_is_up_it_is_asked_until_the_deadline_and_not_more_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_chain, "LEAST_WAIT_S", 0.05)
    job = Script({"a": ["rate_limit"] * 1000}, retry_after_s=0.0)

    async def main() -> None:
        with pytest.raises(AllBackendsFailed, match="a: rate_limit"):
            await FallbackCall("t", route(deadline_s=0.3), [member("a")], job).run()

    asyncio.run(main())
    assert 4 <= job.asked.count("a") <= 6


@pytest.mark.parametrize("kind", ["contract", "bad_request", "rate_limit"])
def test_a_reply_that_is_no_use_is_still_a_sign_of_life(kind: str) -> None:
    job = Script({"a": ["server", "server", kind, "server", "server"]})
    one = member("a")

    async def main() -> None:
        for _ in range(5):
            await asyncio.gather(FallbackCall("t", route(), [one], job).run(), return_exceptions=True)

    asyncio.run(main())
    assert one.breaker.why is None
