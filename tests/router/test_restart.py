"""Calls while the local server is killed and restarted: 200, and 1,000 in the slow test."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pytest

from harness.router import ModelRouter

from ..support.lean import WARM_UP, Act, Lean
from .conftest import ROUTING, Desk
from .test_failures import until


def says(server: Lean, name: str, delay_s: float, each_s: float = 0.0) -> None:
    """Make the server reply with its name and the number in the prompt, later for higher numbers."""

    def answer(body: dict[str, Any]) -> Act:
        text = body["messages"][-1]["content"]
        number = re.search(r"\d+", text)
        if number is None or text == WARM_UP:
            return Act("ok")
        return Act(f"{name} {number[0]}", delay_s=delay_s + each_s * int(number[0]))

    server.answer = answer


async def numbered(router: ModelRouter, number: int) -> str:
    """Send three of four calls through `ask`, the others through the SDK's call."""
    if number % 4:
        return (await router.ask("triage", text=str(number))).response.text
    messages: list[Any] = [{"role": "user", "content": str(number)}]
    reply = await router.chat.completions.create(task="triage", messages=messages)
    return str(reply.choices[0].message.content)


@pytest.mark.parametrize("calls", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_no_call_is_lost_and_traffic_returns(desk: Desk, calls: int) -> None:
    desk.routing(text=ROUTING.replace("deadline_s = 2.0", "deadline_s = 20.0"))
    says(desk.local, "home", 0.05)
    says(desk.api, "api", 0.0)

    async def main() -> tuple[list[str], list[str]]:
        async with desk.router() as router:
            desk.local.dies_after = calls // 10
            replies = await asyncio.gather(*(numbered(router, number) for number in range(calls)))
            assert list(router.down) == ["home"]
            desk.local.start()
            await until(lambda: not router.down)
            says(desk.local, "home", 0.0)
            return replies, await asyncio.gather(*(numbered(router, number) for number in range(20)))

    replies, after = asyncio.run(main())
    assert [text.split()[1] for text in replies] == [str(number) for number in range(calls)]
    by_backend = Counter(text.split()[0] for text in replies)
    assert by_backend["home"] > 0
    assert by_backend["api"] > 0
    assert {text.split()[0] for text in after} == {"home"}
    logged = desk.calls()
    assert len(logged) == calls + 20
    assert Counter(call.backend for call in logged[:calls]) == by_backend
    assert max(Counter(desk.api.prompts).values()) == 1, "an answered call is not repeated"


@pytest.mark.slow
def test_without_alternatives_calls_are_answered_or_raise(desk: Desk) -> None:
    from harness.core.errors import AllBackendsFailed

    desk.api.kill()
    says(desk.local, "home", 0.1, each_s=0.005)

    async def main() -> list[str | BaseException]:
        async with desk.router() as router:
            desk.local.dies_after = 50
            return await asyncio.gather(*(numbered(router, number) for number in range(200)), return_exceptions=True)

    outcomes = asyncio.run(main())
    assert all(isinstance(o, AllBackendsFailed) or o == f"home {i}" for i, o in enumerate(outcomes))
    assert 0 < sum(isinstance(o, str) for o in outcomes) < 200
    assert len(desk.calls()) == 200
