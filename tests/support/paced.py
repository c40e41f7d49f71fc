"""A `Pace` on virtual time, and attempts that use it."""

from __future__ import annotations

import asyncio
from typing import Any

from harness.core.types import Response
from harness.runner.pacing import Pace

from .virtual_time import now

ANSWER = Response("billing", "stop", prompt_tokens=90, completion_tokens=10)


def pace(limit: int = 4, **more: Any) -> Pace:
    return Pace(limit, clock=now, draw=lambda: 0.0, **more)


async def ask(pace: Pace, response: Response = ANSWER, *, takes: float = 0.0, **more: Any) -> float:
    """Make one attempt; return its start time."""
    tokens, headers = more.get("tokens", 0), more.get("headers", {})
    async with pace.turn(tokens) as turn:
        started = now()
        await asyncio.sleep(takes)
        turn.record(response, headers)
    return started


async def ask_all(pace: Pace, n: int, **more: Any) -> list[float]:
    return sorted(await asyncio.gather(*(ask(pace, **more) for _ in range(n))))
