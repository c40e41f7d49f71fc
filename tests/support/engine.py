"""A run of the small project, and backends that change their behaviour after some calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from harness.core.types import Request, Response, Result, Run
from harness.store.runs import Store

from .project import Project
from .running import Scripted, config_of, execute
from .servers import FakeOpenAI


def served(project: Project, server: FakeOpenAI, **more: Any) -> None:
    """Make the server the project's only backend."""
    project.config(config_of(url=server.base_url, **more))


def run_of(project: Project, store: Store, **settings: Any) -> Run:
    outcome = execute(project, store, **settings)
    assert (outcome.failures, outcome.skipped) == ((), ())
    (run,) = outcome.runs
    return run


def saved(store: Store, run: Run) -> list[Result]:
    return store.results(run.manifest.run_id)


def answer(request: Request) -> Response:
    return Response("billing", "stop", latency_s=0.01)


def after(n: int, then: Response) -> Callable[[Request], Response]:
    """Return a script that answers `n` times and then returns `then`."""
    count = iter(range(10**6))
    return lambda _: answer(_) if next(count) < n else then


class Slow(Scripted):
    """A backend with slow replies that counts concurrent requests."""

    def __init__(self, script: Callable[[Request], Response] = answer, **more: Any) -> None:
        super().__init__(script, **more)
        self.now = self.most_at_once = 0

    async def complete(self, request: Request) -> Response:
        self.now += 1
        self.most_at_once = max(self.most_at_once, self.now)
        await asyncio.sleep(0.01)
        self.now -= 1
        return await super().complete(request)
