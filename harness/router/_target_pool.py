"""The shared state of a router: its targets, their start and probes, and the traffic log."""

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
from harness.router._eval_request import TaskSpec
from harness.router._fallback import FallbackCall, FallbackRequest
from harness.router._target import Connect, Target
from harness.router._traffic_log import TrafficLog, redactor
from harness.store.traffic import RoutedCall

T = TypeVar("T")


class TargetPool:
    """The targets of a routing, for as long as the router is open."""

    def __init__(self, routing: Routing, path: Path, config: Config, connect: Connect) -> None:
        """Raises `ConfigError` or `BackendUnavailable` for an invalid configuration. Sends no request."""
        library = PromptLibrary(config.root / "prompts")
        self.routing = routing
        self.path = path
        self.specs = {name: TaskSpec(_eval(config, path, name), library) for name in routing.tasks}
        embeds: dict[str, set[bool]] = {}
        for name, spec in self.specs.items():
            for backend in routing.backends(name):
                embeds.setdefault(backend, set()).add(spec.task.embeds)
        self.targets = {
            name: Target(config, name, routing, frozenset(kinds), connect) for name, kinds in embeds.items()
        }
        self._of_task = {
            name: tuple(self.targets[backend] for backend in routing.backends(name)) for name in routing.tasks
        }
        for name, spec in self.specs.items():
            for target in self._of_task[name]:
                spec.check(target, path)
            if spec.task.embeds and len(self._of_task[name]) > 1:
                where = at(path, ("tasks", name, "tiers"))
                msg = f"{where}{name} needs vectors, and vectors of two models cannot be compared: name one tier"
                raise ConfigError(msg)
        secrets = [secret for target in self.targets.values() for secret in target.secrets]
        labels = frozenset(label for spec in self.specs.values() for label in spec.task.labels)
        self.log = TrafficLog(config.store_url, config.log, redactor(config), secrets, labels)
        self.keeps_texts = config.log.texts
        self._probing: list[asyncio.Task[None]] = []
        self._starting: asyncio.Task[None] | None = None
        self._ready = False
        self._closed = False

    async def start(self) -> None:
        """Probe every backend and load its model; waits at most `[probe] start_s` seconds."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        try:
            # Shielded: a cancelled caller must not cancel the start for all others.
            await asyncio.shield(self._starting)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed and not (task and task.cancelling()):
                raise self._closed_error() from None  # the start was cancelled, not the caller
            raise

    async def _start(self) -> None:
        self.log.start()
        self._probing = [asyncio.create_task(target.keep_probing()) for target in self.targets.values()]
        first_probes = [asyncio.create_task(target.first_probe_done.wait()) for target in self.targets.values()]
        try:
            if first_probes:
                await asyncio.wait(first_probes, timeout=self.routing.probe.start_s)
        finally:
            for task in first_probes:
                task.cancel()
        self._ready = True

    def spec(self, task: str) -> TaskSpec:
        """Return the spec of `task`; raises `ConfigError` with the closest name."""
        if task not in self.specs:
            msg = f"no task {task!r} in {self.path}{hint(task, self.specs)}"
            raise ConfigError(msg)
        return self.specs[task]

    async def new_call(self, task: str, request: FallbackRequest[T]) -> FallbackCall[T]:
        """Return a call of `task` that has not begun. Starts the router if necessary."""
        if self._closed:
            raise self._closed_error()
        if not self._ready:
            await self.start()
        self.spec(task)
        return FallbackCall(task, self.routing.tasks[task], self._of_task[task], request)

    async def run(self, call: FallbackCall[T], **fields: Any) -> tuple[Target, T]:
        """Run `call`; return the target that answered and its reply. Logs a call that failed or was cancelled."""
        try:
            return await call.run()
        except AllBackendsFailed as failed:
            self.log_call(call, None, error=failed.causes[-1][1], **fields)
            raise
        except asyncio.CancelledError:
            self.log_call(call, None, error="cancelled", **fields)
            raise

    def log_call(self, call: FallbackCall[T], target: Target | None, prompt: str = "", **fields: Any) -> None:
        """Log a call.

        Args:
            call: The call.
            target: The target that answered, `None` if all failed.
            prompt: Digest of the prompt variant.
            fields: More fields of `RoutedCall`.

        """
        self.log.put(
            RoutedCall(
                task=call.task,
                backend=target.name if target else "",
                fingerprint=target.fingerprint(prompt) if target else "",
                usd=call.usd,
                latency_s=call.wall_s,
                fallback=call.fallback_reason(target),
                attempts=call.attempts,
                **fields,
            )
        )

    @staticmethod
    def _closed_error() -> HarnessError:
        return HarnessError("the router is closed")

    async def close(self) -> None:
        """Stop the probes, close the backends, and write the rest of the log."""
        if self._closed:
            return
        self._closed = True
        running = [task for task in (self._starting, *self._probing) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        try:
            await asyncio.gather(*(target.close() for target in self.targets.values()))
        finally:
            await asyncio.to_thread(self.log.close)


def _eval(config: Config, path: Path, name: str) -> evals.Eval:
    try:
        (definition,) = evals.find(config.root, [name])
    except ConfigError as error:
        msg = f"{at(path, ('tasks', name))}{error}"
        raise ConfigError(msg) from None
    return definition
