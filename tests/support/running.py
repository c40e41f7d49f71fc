"""A run from a test: cells over a project in a folder, a store beside it, a listener that remembers."""

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
class Heard(RunEvents):
    """Everything that was told, in order."""

    told: list[tuple[str, Any]] = field(default_factory=list)
    on_answer: Callable[[Sequence[Result]], None] = lambda _: None

    def skipped(self, backend: str, reason: str) -> None:
        """Remember."""
        self.told.append(("skipped", (backend, reason)))

    def noted(self, cell: str, text: str) -> None:
        """Remember."""
        self.told.append(("noted", (cell, text)))

    def waits(self, cell: Cell, text: str) -> None:
        """Remember."""
        self.told.append(("waits", (cell.name, text)))

    def fetching(self, what: str, done: int, total: int) -> None:
        """Nothing is fetched here."""

    def started(self, cell: Cell, total: int, from_store: int) -> None:
        """Remember."""
        self.told.append(("started", (cell.name, total, from_store)))

    def answered(self, cell: Cell, results: Sequence[Result]) -> None:
        """Remember, and let the test look."""
        self.told.append(("answered", (cell.name, [result.case.id for result in results])))
        self.on_answer(results)

    def finished(self, cell: Cell, run: Run) -> None:
        """Remember."""
        self.told.append(("finished", (cell.name, run.manifest.run_id)))

    def of(self, kind: str) -> list[Any]:
        """What was told of one kind."""
        return [what for name, what in self.told if name == kind]


@dataclass
class Scripted(Backend):
    """A fake that says so: it answers what a function says, at once, from this process."""

    script: Callable[[Request], Response]
    info: ModelInfo = field(default=ModelInfo(model="scripted", digest="sha256:1"))
    concurrency: int = 1
    exclusive: bool = False
    warm_up: bool = False
    asked: list[Request] = field(default_factory=list)
    closed: bool = False

    async def identify(self) -> ModelInfo:
        """What the test says."""
        return self.info

    async def complete(self, request: Request) -> Response:
        """What the script says."""
        self.asked.append(request)
        return self.script(request)

    async def close(self) -> None:
        """Remember."""
        self.closed = True


def config_of(name: str = "fake", provider: str = "openai", url: str = "http://127.0.0.1:9/v1", **more: Any) -> str:
    """One `[backends.…]` of harness.toml."""
    keys = {"provider": provider, "model": "fake-model", "base_url": url, "variant": "local", "retries": 0, **more}
    lines = [f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for key, value in keys.items()]
    return "\n".join([f"[backends.{name}]", *lines, ""])


def cases(project: Project, n: int) -> None:
    """`n` cases, all of them billing."""
    project.cases([row(f"c-{i:03}", f"ticket {i}", split="test") for i in range(n)])


def cells_of(project: Project, **selection: Any) -> list[Cell]:
    """The project's cells, of the variant `local` unless something else is asked for."""
    return project.plan(**({"variant": ("local",)} | selection))


def execute(
    project: Project,
    store: Store,
    *,
    backend: Callable[[BackendConfig], Backend] | None = None,
    heard: Heard | None = None,
    cells: Sequence[Cell] | None = None,
    named: Sequence[str] = (),
    budget: Budget | None = None,
    recorder: Recorder | None = None,
    **options: Any,
) -> Outcome:
    """Run the project's cells; `backend` takes the place of the real `connect`."""

    def connect(config: BackendConfig, progress: Progress | None) -> Backend:
        return backend(config) if backend else backends.connect(config, progress)

    chosen = cells_of(project) if cells is None else cells
    setup = RunSetup(RunOptions(backend=tuple(named), **options), connect, budget, recorder)
    return engine.run(chosen, store, heard or Heard(), setup)
