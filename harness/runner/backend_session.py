"""One connected backend, and the cells that it runs in sequence."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from time import perf_counter
from typing import Protocol

from harness import backends
from harness.backends import Backend, ReportsHeaders
from harness.backends.local.models import Progress
from harness.backends.providers import replay
from harness.core.errors import BackendError, BackendUnavailable
from harness.core.ids import new_run_id, now
from harness.core.types import Billing, Manifest, Message, ModelInfo, Request, Result, Run, Sampling
from harness.project.config import BackendConfig
from harness.project.run_options import RunOptions
from harness.runner.budget import Budget
from harness.runner.cell_runner import BulkBackend, CellRunner
from harness.runner.events import RunEvents
from harness.runner.pacing import Pace
from harness.runner.plan import Cell
from harness.runner.retrying import RetryingClient
from harness.runner.saving import ResultWriter
from harness.store.recording import Recorder


class Abandoned(BackendError):
    """The other run of a comparison has failed, so this run waits for nothing."""


class StoppingRule(Protocol):
    """Opens the cases of a run batch by batch."""

    first: int
    """Number of cases in the first batch."""

    async def next_batch(self, run: Run) -> int:
        """Return how many more cases to send, after the results so far; 0 to finish the run."""
        ...

    def leave(self, backend: str) -> None:
        """Stop waiting for a backend: its cells have ended."""
        ...


Connect = Callable[[BackendConfig, Progress | None], Backend]


@dataclass(frozen=True, slots=True)
class RunSetup:
    """Options of a run, with the objects that the options select."""

    options: RunOptions = field(default_factory=RunOptions)
    connect: Connect = backends.connect
    budget: Budget | None = None
    """Limit on the cost of all backends together."""
    recorder: Recorder | None = None
    """Receives each result that is saved."""
    stopping: StoppingRule | None = None
    """Decides after how many cases a run stops; `None` for all cases."""


@dataclass
class BackendSession:
    """Runs cells on one connected backend. `machine`: a lock for backends that use this machine's cores."""

    writer: ResultWriter
    events: RunEvents
    setup: RunSetup
    backend: Backend
    config: BackendConfig
    info: ModelInfo
    machine: AbstractAsyncContextManager[None]
    _client: RetryingClient = field(init=False)
    _cold_start_s: float | None = None
    _warm: set[bool] = field(init=False)
    _model_key: str = field(init=False)

    def __post_init__(self) -> None:
        config = self.config
        limit = _concurrency(self.setup.options, config, self.backend)
        pace = Pace(limit, rpm=config.requests_per_minute, tpm=config.tokens_per_minute)
        self._client = RetryingClient(self.backend, self.config, pace, self.setup.budget)
        if isinstance(self.backend, ReportsHeaders):
            self.backend.on_headers = pace.observe
        self._warm = set() if self.backend.warm_up else {False, True}
        identity = asdict(self.info)
        del identity["note"], identity["size"]
        self._model_key = _hash([identity, config.provider, config.model, config.base_url, config.options])
        self.events.paced(config.name, pace)

    async def run(self, cell: Cell) -> Run:
        """Run a cell to its end and return the finished run."""
        started = perf_counter()
        # The store works in threads: waiting for the disk in the loop would count as latency of other backends.
        manifest = await asyncio.to_thread(self._begin, cell)
        async with self.writer.lease(manifest.run_id):
            run = await self._continue(cell, manifest, started)
        self.events.finished(cell, run)
        return run

    async def _continue(self, cell: Cell, manifest: Manifest, started: float) -> Run:
        resumed = await asyncio.to_thread(self._resumed, manifest)
        cache_key = self._model_key if self.setup.options.cache is not False else None
        runner = CellRunner(
            *(cell, manifest, self._client, self.writer, self.events),
            cache_key=cache_key,
            proven=bool(self.info.digest),
            resumed=bool(resumed),
        )
        if self.setup.stopping is not None:
            runner.allow(self.setup.stopping.first * cell.definition.repeats)
        await runner.load_first()
        self.events.started(cell, len(cell.requests), resumed + runner.n_cached_first)
        if self.info.note:
            self.events.noted(cell.name, self.info.note)
        try:
            await self._answer(cell, runner)
            while more := await self._next_batch(manifest, runner):
                runner.allow(more * cell.definition.repeats)
                await self._answer(cell, runner)
        except BackendError:
            await asyncio.to_thread(self.writer.store.discard_if_empty, manifest.run_id)
            raise
        results = await asyncio.to_thread(runner.results)
        results = await asyncio.to_thread(self._judge, manifest, cell, results)
        finished = await asyncio.to_thread(self._finish, manifest, results, perf_counter() - started)
        return Run(finished, results)

    async def _answer(self, cell: Cell, runner: CellRunner) -> None:
        if not (todo := await runner.next_requests()):
            return
        if isinstance(self.backend, BulkBackend):
            await self.backend.answer(runner, todo)
            return
        async with self.machine if self.backend.exclusive else nullcontext():
            await self._warm_up(embed=cell.task.embeds)
            await runner.send(todo)

    async def _next_batch(self, manifest: Manifest, runner: CellRunner) -> int:
        """Number of cases to send next. Does not hold the machine, which the other run of the comparison may need."""
        if self.setup.stopping is None:
            return 0
        return await self.setup.stopping.next_batch(Run(manifest, await asyncio.to_thread(runner.results)))

    def _begin(self, cell: Cell) -> Manifest:
        """A new run, or the unfinished run that `--resume` continues."""
        fingerprint = {**cell.fingerprint(), **self._identity(), "harness": version("prompt-portability-harness")}
        # A whole run must not continue a sample.
        kind = [*(["until_decided"] if cell.until_decided else []), *cell.selection]
        plan_key = _hash([cell.definition.name, cell.name, fingerprint, *kind])
        tags = self.setup.options.tag
        earlier = self.writer.store.unfinished(plan_key) if self.setup.options.resume else None
        if earlier is not None and set(tags) <= set(earlier.tags):
            return earlier
        started_at = now()
        manifest = Manifest(
            run_id=new_run_id(started_at),
            eval=cell.definition.name,
            task=cell.definition.task,
            variant=cell.variant.name,
            backend=cell.backend.name,
            prompt=cell.prompt.id,
            dataset=cell.dataset.name,
            split=cell.split or "",
            limit=cell.limit,
            labels=cell.task.labels,
            n_cases=sum(case.expected is not None for case in cell.cases),
            started_at=started_at,
            fingerprint=fingerprint,
            notes=(self.info.note,) if self.info.note else (),
            decoding=cell.decoding,
            repeats=cell.definition.repeats,
            model_bytes=self.info.size,
            tags=tags,
            origin=replay.origin(self.config) or cell.origin,
            billing=self.backend.billing if isinstance(self.backend, BulkBackend) else Billing.STANDARD,
            until_decided=cell.until_decided,
            selection=cell.selection,
        )
        return self.writer.store.begin(manifest, plan_key=plan_key, model_key=self._model_key)

    def _identity(self) -> dict[str, str]:
        info = self.info
        return {
            "model": info.model,
            "model_digest": info.digest,
            "quantization": info.quantization,
            "parameters": info.parameters,
            "engine": info.engine,
            "engine_version": info.engine_version,
            "backend_hash": self._model_key,
        }

    def _resumed(self, manifest: Manifest) -> int:
        """Count the answered results of an interrupted run. Failed requests are sent again."""
        return self.writer.store.count(manifest.run_id, answered=True) if self.setup.options.resume else 0

    def _judge(self, manifest: Manifest, cell: Cell, results: Sequence[Result]) -> Sequence[Result]:
        """Compute scores that need all replies together, such as retrieval scores."""
        if not cell.task.judges_together:
            return results
        judged = cell.task.judge(results)
        changed = [after for before, after in zip(results, judged, strict=True) if after is not before]
        self.writer.store.save(manifest.run_id, changed)
        return judged

    async def _warm_up(self, *, embed: bool) -> None:
        """Load the model before requests are timed."""
        if embed in self._warm:
            return
        started = perf_counter()
        request = Request((Message("user", "Say OK."),), Sampling(max_tokens=1), embed=embed)
        response, _ = await self._client.send(request)
        if response.error is not None:
            msg = f"no reply to the warm-up request: {response.error.message}"
            raise BackendUnavailable(msg, backend=self.config.name)
        self._cold_start_s = perf_counter() - started
        self._warm.add(embed)

    def _finish(self, manifest: Manifest, results: Sequence[Result], wall_s: float) -> Manifest:
        served = sorted({r.response.model for r in results if r.response.model})
        fingerprint = {**manifest.fingerprint, "served_model": ", ".join(served[:4])}
        if manifest.until_decided:
            n = len({result.case.id for result in results})
            manifest = replace(manifest, limit=n, n_cases=n)
        finished = replace(
            manifest,
            fingerprint=fingerprint,
            finished_at=now(),
            cold_start_s=self._cold_start_s,
            wall_s=wall_s + (manifest.wall_s or 0.0),
        )
        self.writer.store.finish(finished)
        return finished


def _concurrency(options: RunOptions, config: BackendConfig, backend: Backend) -> int:
    """Number of concurrent requests, at most the slots of an embedded engine: its queue would count as latency."""
    wanted = options.jobs or config.concurrency or backend.concurrency
    return min(wanted, backend.concurrency) if backend.exclusive else wanted


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
