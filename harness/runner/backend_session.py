"""One connected backend, and the cells that are asked of it one after the other."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from time import perf_counter

from harness.backends import Backend, ReportsHeaders
from harness.core.errors import BackendError, BackendUnavailable
from harness.core.ids import new_run_id, now
from harness.core.types import Billing, Manifest, Message, ModelInfo, Request, Result, Run, RunOrigin, Sampling
from harness.project.config import BackendConfig
from harness.runner.budget import Budget
from harness.runner.cell_runner import BulkBackend, CellRunner
from harness.runner.events import RunEvents
from harness.runner.pacing import Pace
from harness.runner.plan import Cell
from harness.runner.retrying import RetryingClient
from harness.runner.saving import ResultWriter
from harness.store.recording import Recorder


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """How to run. `required`: backends that may not be missing, because the user named them.

    `tags`: names by which the runs can be found again. `resume` goes on with a run that has them only. `jobs`: the most
    requests at once. `budget`: what all backends together may cost. `recorder`: hears every answer that is saved.
    """

    cache: bool = True
    resume: bool = False
    jobs: int | None = None
    required: frozenset[str] = frozenset()
    tags: tuple[str, ...] = ()
    budget: Budget | None = None
    recorder: Recorder | None = None


@dataclass
class BackendSession:
    """One connected backend. `machine`: held while this machine's cores are needed, by one backend at a time."""

    keeper: ResultWriter
    listener: RunEvents
    settings: ExecutionSettings
    backend: Backend
    config: BackendConfig
    info: ModelInfo
    machine: AbstractAsyncContextManager[None]
    _asker: RetryingClient = field(init=False)
    _cold_start_s: float | None = None
    _warm: set[bool] = field(init=False)
    _model_key: str = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is asked yet."""
        config = self.config
        most = _most(self.settings, config, self.backend)
        pace = Pace(most, rpm=config.requests_per_minute, tpm=config.tokens_per_minute)
        self._asker = RetryingClient(self.backend, self.config, pace, self.settings.budget)
        if isinstance(self.backend, ReportsHeaders):
            self.backend.on_headers = pace.observe
        self._warm = set() if self.backend.warm_up else {False, True}
        told = asdict(self.info)
        del told["note"], told["size"]
        self._model_key = _hash([told, config.provider, config.model, config.base_url, config.options])
        self.listener.paced(config.name, pace)

    async def run(self, cell: Cell) -> Run:
        """All that a cell asks, answered, and the run finished."""
        started = perf_counter()
        # The store in threads: a loop that waits for the disk would be counted as latency of another backend.
        manifest = await asyncio.to_thread(self._begin, cell)
        async with self.keeper.alone(manifest.run_id):
            run_ = await self._go_on(cell, manifest, started)
        self.listener.finished(cell, run_)
        return run_

    async def _go_on(self, cell: Cell, manifest: Manifest, started: float) -> Run:
        resumed = await asyncio.to_thread(self._resumed, manifest)
        known_by = self._model_key if self.settings.cache else None
        answers = CellRunner(
            *(cell, manifest, self._asker, self.keeper, self.listener),
            known_by=known_by,
            proven=bool(self.info.digest),
            resumed=bool(resumed),
        )
        await answers.look()
        self.listener.started(cell, len(cell.asks), resumed + answers.known_at_first)
        if self.info.note:
            self.listener.noted(cell.name, self.info.note)
        try:
            await self._answer(cell, answers)
        except BackendError:
            await asyncio.to_thread(self.keeper.store.discard_if_empty, manifest.run_id)
            raise
        results = await asyncio.to_thread(answers.results)
        results = await asyncio.to_thread(self._judge, manifest, cell, results)
        finished = await asyncio.to_thread(self._finish, manifest, results, perf_counter() - started)
        return Run(finished, results)

    async def _answer(self, cell: Cell, answers: CellRunner) -> None:
        if not (todo := await answers.open()):
            return
        if isinstance(self.backend, BulkBackend):
            await self.backend.answer(answers, todo)
            return
        async with self.machine if self.backend.exclusive else nullcontext():
            await self._warm_up(embed=cell.task.embeds)
            await answers.ask(todo)

    def _begin(self, cell: Cell) -> Manifest:
        """A new run, or the unfinished one that `--resume` goes on with."""
        fingerprint = {**cell.fingerprint(), **self._identity(), "harness": version("prompt-portability-harness")}
        plan_key = _hash([cell.definition.name, cell.name, fingerprint])
        tags = self.settings.tags
        earlier = self.keeper.store.unfinished(plan_key) if self.settings.resume else None
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
            origin=RunOrigin.REPLAYED if self.config.capabilities.replays else cell.origin,
            billing=self.backend.billing if isinstance(self.backend, BulkBackend) else Billing.STANDARD,
        )
        self.keeper.store.begin(manifest, plan_key=plan_key, model_key=self._model_key)
        return manifest

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
        """How many answers an interrupted run already has. Its failed calls are asked again."""
        return self.keeper.store.count(manifest.run_id, answered=True) if self.settings.resume else 0

    def _judge(self, manifest: Manifest, cell: Cell, results: Sequence[Result]) -> Sequence[Result]:
        """Score what shows only beside the other replies."""
        if not cell.task.judges_together:
            return results
        judged = cell.task.judge(results)
        new = [now_judged for old, now_judged in zip(results, judged, strict=True) if now_judged is not old]
        self.keeper.store.save(manifest.run_id, new)
        return judged

    async def _warm_up(self, *, embed: bool) -> None:
        """Have the model loaded before anything is timed."""
        if embed in self._warm:
            return
        started = perf_counter()
        dummy = Request((Message("user", "Say OK."),), Sampling(max_tokens=1), embed=embed)
        response, _ = await self._asker.ask(dummy)
        if response.error is not None:
            msg = f"no answer to the warm-up request: {response.error.message}"
            raise BackendUnavailable(msg, backend=self.config.name)
        self._cold_start_s = perf_counter() - started
        self._warm.add(embed)

    def _finish(self, manifest: Manifest, results: Sequence[Result], wall_s: float) -> Manifest:
        served = sorted({r.response.model for r in results if r.response.model})
        fingerprint = {**manifest.fingerprint, "served_model": ", ".join(served[:4])}
        finished = replace(
            manifest,
            fingerprint=fingerprint,
            finished_at=now(),
            cold_start_s=self._cold_start_s,
            wall_s=wall_s + (manifest.wall_s or 0.0),
        )
        self.keeper.store.finish(finished)
        return finished


def _most(settings: ExecutionSettings, config: BackendConfig, backend: Backend) -> int:
    """The most requests at once. An embedded engine has so many slots: more would wait inside it, as latency."""
    wanted = settings.jobs or config.concurrency or backend.concurrency
    return min(wanted, backend.concurrency) if backend.exclusive else wanted


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
