"""A budget is never exceeded, whatever is under way and whatever the models answer."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import BudgetExhausted, ConfigError
from harness.core.types import CallError, Constraint, Message, Request, Response, Sampling
from harness.project.config import BackendConfig
from harness.project.pricing import Price
from harness.runner.budget import Budget, Reservation, budget, most_prompt_tokens, most_usd

from ..support.project import CONFIG, Project

PRICE = Price(1.0, 10.0, None, "a test")
BACKEND = BackendConfig(name="api", provider="openai", model="m", variant="gpt")
REQUEST = Request((Message("user", "x" * 468),), Sampling(max_tokens=50))
MOST = 0.001
"""What it can cost at most: 468 bytes and 2 x 16 around them in, 50 tokens out."""


def of(limit_usd: float) -> Budget:
    return Budget(limit_usd, {"api": PRICE})


def reserve(held: Budget) -> Reservation:
    return asyncio.run(held.reserve(BACKEND, REQUEST))


def failed(kind: str) -> Response:
    return Response(error=CallError(kind, "it failed"))


class TestWhatACallCanCost:
    def test_upper_bound_is_one_token_per_byte_plus_max_tokens(self) -> None:
        assert most_prompt_tokens(REQUEST) == 500
        assert most_usd(PRICE, REQUEST) == pytest.approx(MOST)
        assert most_usd(PRICE, replace(REQUEST, embed=True)) == pytest.approx(0.0005)

    def test_bytes_are_counted_and_not_characters(self) -> None:
        assert most_prompt_tokens(Request((Message("user", "日本"),), Sampling())) == 6 + 32

    def test_tools_and_schemas_are_part_of_the_prompt(self) -> None:
        tools = replace(REQUEST, tools=({"type": "function", "function": {"name": "f" * 100}},))
        schema = replace(REQUEST, constraint=Constraint(schema={"description": "s" * 100}))
        assert most_prompt_tokens(tools) > 600
        assert most_prompt_tokens(schema) > 600

    def test_no_tokenizer_exceeds_the_upper_bound(self) -> None:
        quicktok = pytest.importorskip("quicktok")
        for text in ("Hello there", "日本語のテキスト", "\U0001f9ea" * 9, "\x00\xad\u202e", "aAaA0" * 40):
            for name in ("o200k_base", "cl100k_base"):
                assert len(quicktok.get_encoding(name).encode_ordinary(text)) <= len(text.encode())


class TestSettling:
    @pytest.mark.parametrize(
        ("response", "costs"),
        [
            (Response("ok", prompt_tokens=100, completion_tokens=5), 0.00015),
            (Response("ok", prompt_tokens=100), 0.0001),
            (Response("ok"), MOST),  # a server that tells no tokens
            (None, MOST),  # cut off by Ctrl-C: it may be billed
            (failed("timeout"), MOST),
            (failed("bad_reply"), MOST),
            (failed("rate_limit"), 0.0),
            (failed("connection"), 0.0),
        ],
    )
    def test_reported_tokens_settle_else_the_maximum_cost(self, response: Response | None, costs: float) -> None:
        held = of(1.0)
        held.settle(reserve(held), response)
        assert held.settled_usd == pytest.approx(costs)
        assert held.held_usd == 0

    def test_budget_is_exhausted_before_it_is_exceeded(self) -> None:
        held = of(2.5 * MOST)
        for _ in range(2):
            held.settle(reserve(held), None)
        with pytest.raises(BudgetExhausted, match=r"\$0\.002 are spent and the next call can cost \$0\.001") as told:
            reserve(held)
        assert told.value.exit_code == 3
        assert "--resume" in str(told.value)

    def test_local_backend_continues_with_an_exhausted_budget(self) -> None:
        free = BACKEND.model_copy(update={"name": "home"})
        held = Budget(MOST, {"api": PRICE, "home": Price(0.0, 0.0, None, "local")})
        held.settle(reserve(held), None)
        held.settle(asyncio.run(held.reserve(free, REQUEST)), Response("ok"))
        assert held.settled_usd == pytest.approx(MOST)


class TestManyAtOnce:
    def test_call_that_does_not_fit_waits_for_pending_calls(self) -> None:
        """There is room for one worst case at a time, and each call costs a tenth of it: seven are made, not one."""
        done: list[int] = []

        async def call(held: Budget, place: int) -> None:
            hold = await held.reserve(BACKEND, REQUEST)
            await asyncio.sleep(0)
            held.settle(hold, Response("ok", prompt_tokens=100, completion_tokens=0))
            done.append(place)

        async def all_of_them(held: Budget) -> list[BaseException | None]:
            return await asyncio.gather(*(call(held, i) for i in range(7)), return_exceptions=True)

        held = of(1.65 * MOST)
        assert asyncio.run(all_of_them(held)) == [None] * 7
        assert sorted(done) == list(range(7))

    def test_waiting_call_raises_once_it_cannot_fit(self) -> None:
        async def both(held: Budget) -> str:
            first = await held.reserve(BACKEND, REQUEST)
            second = asyncio.create_task(held.reserve(BACKEND, REQUEST))
            await asyncio.sleep(0)
            held.settle(first, None)
            with pytest.raises(BudgetExhausted) as told:
                await asyncio.wait_for(second, 1)
            return str(told.value)

        assert "spent" in asyncio.run(both(of(1.5 * MOST)))

    def test_cancelled_waiter_reserves_nothing(self) -> None:
        async def cancelled(held: Budget) -> None:
            first = await held.reserve(BACKEND, REQUEST)
            second = asyncio.create_task(held.reserve(BACKEND, REQUEST))
            await asyncio.sleep(0)
            second.cancel()
            await asyncio.gather(second, return_exceptions=True)
            held.settle(first, Response("ok", prompt_tokens=0, completion_tokens=0))
            await asyncio.sleep(0)

        held = of(1.5 * MOST)
        asyncio.run(cancelled(held))
        assert (held.held_usd, held.settled_usd) == (0, 0)

    @settings(max_examples=30)
    @given(st.integers(0, 10_000), st.floats(0.0, 12 * MOST), st.integers(1, 12))
    def test_settled_plus_reserved_never_exceeds_the_limit(self, seed: int, limit: float, workers: int) -> None:
        rng = random.Random(seed)
        held = of(limit)
        answers = [None, failed("rate_limit"), Response("ok"), *(Response("", "", p, p // 10) for p in (1, 90, 500))]

        async def worker() -> None:
            while True:
                hold = await held.reserve(BACKEND, REQUEST)
                assert held.settled_usd + held.held_usd <= limit + 1e-12
                for _ in range(rng.randrange(4)):
                    await asyncio.sleep(0)
                held.settle(hold, rng.choice(answers))
                assert held.settled_usd + held.held_usd <= limit + 1e-12

        async def all_of_them() -> None:
            ended = await asyncio.gather(*(worker() for _ in range(workers)), return_exceptions=True)
            assert all(isinstance(error, BudgetExhausted) for error in ended)

        asyncio.run(asyncio.wait_for(all_of_them(), 10))
        assert held.settled_usd <= limit + 1e-12

    def test_threads_share_one_budget(self) -> None:
        held = of(100.5 * MOST)

        def spend() -> None:
            async def many() -> None:
                while True:
                    hold = await held.reserve(BACKEND, REQUEST)
                    await asyncio.sleep(0)
                    held.settle(hold, Response("ok", prompt_tokens=500, completion_tokens=50))

            with pytest.raises(BudgetExhausted):
                asyncio.run(many())

        threads = [Thread(target=spend) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert held.settled_usd == pytest.approx(100 * MOST)


class TestOfAProject:
    def made(self, project: Project, *more: str) -> Budget:
        project.config("".join((CONFIG, *more)))
        config = project.load()
        return budget(config, config.backends, 1.0)

    def test_a_local_backend_costs_nothing(self, project: Project) -> None:
        assert self.made(project).prices["fake"].prompt_usd == 0

    def test_backend_with_unknown_price_is_rejected(self, project: Project) -> None:
        hosted = '[backends.new]\nprovider = "openai"\nmodel = "not-yet-out"\nvariant = "gpt"\n'
        with pytest.raises(ConfigError, match=r'the price of not-yet-out is unknown.*\[prices\."not-yet-out"\]'):
            self.made(project, hosted)
        priced = "[prices.not-yet-out]\nprompt_usd = 1.0\ncompletion_usd = 4.0\n"
        assert self.made(project, hosted, priced).prices["new"].completion_usd == 4

    def test_backend_without_max_tokens_is_rejected(self, project: Project) -> None:
        hosted = '[backends.o]\nprovider = "openai"\nmodel = "gpt-4o"\nvariant = "gpt"\nomit = ["max_tokens"]\n'
        with pytest.raises(ConfigError, match="it omits max_tokens"):
            self.made(project, hosted)
