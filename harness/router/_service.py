"""What every routed call needs: the backends of its task, up and watched, and a log that hears what came of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, TypeVar

from harness.core.errors import AllBackendsFailed, ConfigError, HarnessError
from harness.core.toml import at, hint
from harness.project import evals
from harness.project.config import Config
from harness.project.prompts import PromptLibrary
from harness.project.routing import Routing
from harness.router._ask import TaskSpec
from harness.router._chain import FallbackCall, FallbackRequest
from harness.router._log import TrafficLog, redactor
from harness.router._member import Connect, Target
from harness.store.traffic import RoutedCall

T = TypeVar("T")


class TargetPool:
    """The members of a routing, for as long as the router is open."""

    def __init__(self, routing: Routing, path: Path, config: Config, connect: Connect) -> None:
        """Raises `ConfigError` or `BackendUnavailable` for whatever is wrong; asks nobody."""
        library = PromptLibrary(config.root / "prompts")
        self.routing = routing
        self.path = path
        self.works = {name: TaskSpec(_eval(config, path, name), library) for name in routing.tasks}
        embeds: dict[str, set[bool]] = {}
        for name, work in self.works.items():
            for backend in routing.backends(name):
                embeds.setdefault(backend, set()).add(work.task.embeds)
        self.members = {
            name: Target(config, name, routing, frozenset(kinds), connect) for name, kinds in embeds.items()
        }
        self._of_task = {name: tuple(self.members[one] for one in routing.backends(name)) for name in routing.tasks}
        for name, work in self.works.items():
            for member in self._of_task[name]:
                work.check(member, path)
            if work.task.embeds and len(self._of_task[name]) > 1:
                where = at(path, ("tasks", name, "tiers"))
                msg = f"{where}{name} asks for vectors, and those of two models cannot be compared: name one tier"
                raise ConfigError(msg)
        secrets = [secret for member in self.members.values() for secret in member.secrets]
        labels = frozenset(label for work in self.works.values() for label in work.task.labels)
        self.log = TrafficLog(config.store_url, config.log, redactor(config), secrets, labels)
        self.keeps_texts = config.log.texts
        self._watches: list[asyncio.Task[None]] = []
        self._starting: asyncio.Task[None] | None = None
        self._ready = False
        self._closed = False

    async def start(self) -> None:
        """Have every backend answer its first probe, its model loaded; waits at most `[probe] start_s`."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        try:
            # Shielded: a caller that is cancelled must not take the start of all others with it.
            await asyncio.shield(self._starting)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed and not (task and task.cancelling()):
                raise self._no_more() from None  # the start was called off, and not the caller
            raise

    async def _start(self) -> None:
        self.log.start()
        self._watches = [asyncio.create_task(member.watch()) for member in self.members.values()]
        looked = [asyncio.create_task(member.looked.wait()) for member in self.members.values()]
        try:
            if looked:
                await asyncio.wait(looked, timeout=self.routing.probe.start_s)
        finally:
            for task in looked:
                task.cancel()
        self._ready = True

    def work(self, task: str) -> TaskSpec:
        """The task called `task`; raises `ConfigError` with the nearest name."""
        if task not in self.works:
            msg = f"no task {task!r} in {self.path}{hint(task, self.works)}"
            raise ConfigError(msg)
        return self.works[task]

    async def chain(self, task: str, job: FallbackRequest[T]) -> FallbackCall[T]:
        """A call of `task`, not yet under way; the first one starts the router."""
        if self._closed:
            raise self._no_more()
        if not self._ready:
            await self.start()
        self.work(task)
        return FallbackCall(task, self.routing.tasks[task], self._of_task[task], job)

    async def run(self, chain: FallbackCall[T], **told: Any) -> tuple[Target, T]:
        """Who answered, and what. A call that nobody answers, or that is given up, is logged here."""
        try:
            return await chain.run()
        except AllBackendsFailed as failed:
            self.note(chain, None, error=failed.causes[-1][1], **told)
            raise
        except asyncio.CancelledError:
            self.note(chain, None, error="cancelled", **told)
            raise

    def note(self, chain: FallbackCall[T], member: Target | None, prompt: str = "", **told: Any) -> None:
        """Log what came of a call: `told` are fields of `RoutedCall`.

        `member` is who answered, `prompt` the digest of the variant that it was asked in.
        """
        self.log.put(
            RoutedCall(
                task=chain.task,
                backend=member.name if member else "",
                fingerprint=member.fingerprint(prompt) if member else "",
                usd=chain.usd,
                latency_s=chain.wall_s,
                fallback=chain.reason(member),
                attempts=chain.attempts,
                **told,
            )
        )

    @staticmethod
    def _no_more() -> HarnessError:
        return HarnessError("the router is closed")

    async def close(self) -> None:
        """End the watches, give back what the backends hold, and write what is left of the log."""
        if self._closed:
            return
        self._closed = True
        running = [task for task in (self._starting, *self._watches) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        try:
            await asyncio.gather(*(member.close() for member in self.members.values()))
        finally:
            await asyncio.to_thread(self.log.close)


def _eval(config: Config, path: Path, name: str) -> evals.Eval:
    try:
        (definition,) = evals.find(config.root, [name])
    except ConfigError as error:
        msg = f"{at(path, ('tasks', name))}{error}"
        raise ConfigError(msg) from None
    return definition
