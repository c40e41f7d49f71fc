"""Run cells from a test: a project in a folder, a store, and a listener that records events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness import backends
from harness.backends import Backend
from harness.backends.local.models import Progress
from harness.core.types import ModelInfo, Request, Response, Result, Run
from harness.project.config import BackendConfig
from harness.project.run_options import RunOptions
from harness.runner import engine
from harness.runner.backend_session import RunSetup
from harness.runner.budget import Budget
from harness.runner.engine import Outcome
from harness.runner.events import RunEvents
from harness.runner.plan import Cell
from harness.store.recording import Recorder
from harness.store.runs import Store

from .project import Project, row


@dataclass
class RecordedEvents(RunEvents):
    """Records all events in order."""

    events: list[tuple[str, Any]] = field(default_factory=list)
    on_answer: Callable[[Sequence[Result]], None] = lambda _: None

    def skipped(self, backend: str, reason: str) -> None:
        """Record the event."""
        self.events.append(("skipped", (backend, reason)))

    def noted(self, cell: str, text: str) -> None:
        """Record the event."""
        self.events.append(("noted", (cell, text)))

    def waits(self, cell: Cell, text: str) -> None:
        """Record the event."""
        self.events.append(("waits", (cell.name, text)))

    def fetching(self, what: str, done: int, total: int) -> None:
        """Ignore downloads: no test of runs has one."""

    def started(self, cell: Cell, total: int, from_store: int) -> None:
        """Record the event."""
        self.events.append(("started", (cell.name, total, from_store)))

    def answered(self, cell: Cell, results: Sequence[Result]) -> None:
        """Record the event and call `on_answer`."""
        self.events.append(("answered", (cell.name, [result.case.id for result in results])))
        self.on_answer(results)

    def finished(self, cell: Cell, run: Run) -> None:
        """Record the event."""
        self.events.append(("finished", (cell.name, run.manifest.run_id)))

    def of(self, kind: str) -> list[Any]:
        """Return the events of one kind."""
        return [event for name, event in self.events if name == kind]


@dataclass
class Scripted(Backend):
    """A fake backend in this process that replies at once with the result of `script`."""

    script: Callable[[Request], Response]
    info: ModelInfo = field(default=ModelInfo(model="scripted", digest="sha256:1"))
    concurrency: int = 1
    exclusive: bool = False
    warm_up: bool = False
    received: list[Request] = field(default_factory=list)
    closed: bool = False

    async def identify(self) -> ModelInfo:
        """Return `info`."""
        return self.info

    async def complete(self, request: Request) -> Response:
        """Return the response of `script`."""
        self.received.append(request)
        return self.script(request)

    async def close(self) -> None:
        """Record the call."""
        self.closed = True


def config_of(name: str = "fake", provider: str = "openai", url: str = "http://127.0.0.1:9/v1", **more: Any) -> str:
    """Return one table `[backends.…]` of harness.toml."""
    keys = {"provider": provider, "model": "fake-model", "base_url": url, "variant": "local", "retries": 0, **more}
    lines = [f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for key, value in keys.items()]
    return "\n".join([f"[backends.{name}]", *lines, ""])


def cases(project: Project, n: int) -> None:
    """Write `n` cases, all with the label `billing`."""
    project.cases([row(f"c-{i:03}", f"ticket {i}", split="test") for i in range(n)])


def cells_of(project: Project, **selection: Any) -> list[Cell]:
    """Plan the project's cells, by default of the variant `local`."""
    return project.plan(**({"variant": ("local",)} | selection))


def execute(
    project: Project,
    store: Store,
    *,
    backend: Callable[[BackendConfig], Backend] | None = None,
    heard: RecordedEvents | None = None,
    cells: Sequence[Cell] | None = None,
    named: Sequence[str] = (),
    budget: Budget | None = None,
    recorder: Recorder | None = None,
    **options: Any,
) -> Outcome:
    """Run the project's cells. `backend` replaces the real `connect`."""

    def connect(config: BackendConfig, progress: Progress | None) -> Backend:
        return backend(config) if backend else backends.connect(config, progress)

    chosen = cells_of(project) if cells is None else cells
    setup = RunSetup(RunOptions(backend=tuple(named), **options), connect, budget, recorder)
    return engine.run(chosen, store, heard or RecordedEvents(), setup)
