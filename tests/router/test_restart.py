"""Calls while the local server is killed and comes back: a few hundred, and at length a thousand."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pytest

from harness.router import ModelRouter

from ..support.lean import WARM_UP, Act, Lean
from .conftest import ROUTING, Desk
from .test_faults import until


def says(server: Lean, name: str, delay_s: float, each_s: float = 0.0) -> None:
    """The server answers with its name and the number it is asked for, the higher the later."""

    def answer(asked: dict[str, Any]) -> Act:
        text = asked["messages"][-1]["content"]
        number = re.search(r"\d+", text)
        if number is None or text == WARM_UP:
            return Act("ok")
        return Act(f"{name} {number[0]}", delay_s=delay_s + each_s * int(number[0]))

    server.answer = answer


async def numbered(router: ModelRouter, number: int) -> str:
    """Three of four with the task's own prompt."""
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
            said = await asyncio.gather(*(numbered(router, number) for number in range(calls)))
            assert list(router.down) == ["home"]
            desk.local.start()
            await until(lambda: not router.down)
            says(desk.local, "home", 0.0)
            return said, await asyncio.gather(*(numbered(router, number) for number in range(20)))

    said, after = asyncio.run(main())
    assert [text.split()[1] for text in said] == [str(number) for number in range(calls)]
    who = Counter(text.split()[0] for text in said)
    assert who["home"] > 0
    assert who["api"] > 0
    assert {text.split()[0] for text in after} == {"home"}
    logged = desk.calls()
    assert len(logged) == calls + 20
    assert Counter(call.backend for call in logged[:calls]) == who
    assert max(Counter(desk.api.prompts).values()) == 1, "nobody is asked twice where the first time was answered"


@pytest.mark.slow
def test_where_nobody_else_can_answer_every_call_fails_clearly_or_is_answered(desk: Desk) -> None:
    from harness.core.errors import AllBackendsFailed

    desk.api.kill()
    says(desk.local, "home", 0.1, each_s=0.005)

    async def main() -> list[str | BaseException]:
        async with desk.router() as router:
            desk.local.dies_after = 50
            return await asyncio.gather(*(numbered(router, number) for number in range(200)), return_exceptions=True)

    said = asyncio.run(main())
    assert all(isinstance(one, AllBackendsFailed) or one == f"home {i}" for i, one in enumerate(said))
    assert 0 < sum(isinstance(one, str) for one in said) < 200
    assert len(desk.calls()) == 200
