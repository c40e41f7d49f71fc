"""The only loop: cells in, runs out. asyncio inside, a plain function outside.

Every answer is in the store before anybody hears of it, so that whatever ends a run, what was answered is kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from importlib.metadata import version
from itertools import groupby
from threading import Lock
from time import perf_counter

from harness.asking import Patience, ask
from harness.backends import Backend
from harness.backends import connect as connect_backend
from harness.config import BackendConfig
from harness.errors import BackendError, BackendUnavailable, HarnessError, Interrupted
from harness.ids import new_run_id, now
from harness.listener import Listener
from harness.models import Progress
from harness.plan import Cell
from harness.store import Store
from harness.tasks import read_and_score
from harness.types import Case, Manifest, Message, ModelInfo, Request, Response, Result, Run, Sampling

UNPROVEN_ANSWERS_LAST = timedelta(hours=24)
BATCH = 256
"""The most results that one commit carries."""

Connect = Callable[[BackendConfig, Progress | None], Backend]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run. `required`: backends that may not be missing, because the user named them.

    `tags`: names by which the runs can be found again. `resume` goes on with a run that has them only.
    """

    cache: bool = True
    resume: bool = False
    jobs: int | None = None
    required: frozenset[str] = frozenset()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the finished runs in the order of the cells, who was skipped and why, and what failed."""

    runs: tuple[Run, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    failures: tuple[HarnessError, ...] = ()


def run(
    cells: Sequence[Cell],
    store: Store,
    listener: Listener,
    settings: Settings | None = None,
    connect: Connect = connect_backend,
) -> Outcome:
    """Run all cells; backends side by side, the cells of one backend in turn.

    A backend that is not there is skipped, unless it is required; one that fails does not stop the others. Raises
    `Interrupted` on Ctrl-C, `StoreError` where results cannot be kept.
    """
    loop = _Loop(store, listener, settings or Settings(), connect)
    try:
        parts = asyncio.run(loop.run(cells))
    except (KeyboardInterrupt, asyncio.CancelledError):
        loop.interrupted = True
    if loop.interrupted:
        msg = f"interrupted: {loop.saved} answers of this session are saved; the same command with --resume goes on"
        raise Interrupted(msg)
    runs = {id(cell): run for part in parts for cell, run in part.done}
    return Outcome(
        runs=tuple(runs[id(cell)] for cell in cells if id(cell) in runs),
        skipped=tuple((part.backend, part.skipped) for part in parts if part.skipped),
        failures=tuple(part.failure for part in parts if part.failure),
    )


@dataclass
class _Part:
    """What came of one backend."""

    backend: str
    done: list[tuple[Cell, Run]] = field(default_factory=list)
    skipped: str = ""
    failure: HarnessError | None = None


class _Loop:
    def __init__(self, store: Store, listener: Listener, settings: Settings, connect: Connect) -> None:
        self.store = store
        self.listener = listener
        self.settings = settings
        self.connect = connect
        self.saved = 0
        self.counting = Lock()
        self.machine = asyncio.Lock()
        self.interrupted = False
        self._ctrl_c_is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler

    async def run(self, cells: Sequence[Cell]) -> list[_Part]:
        self._listen_for_ctrl_c()
        by_backend = sorted(cells, key=lambda cell: cell.backend.name)
        groups = [list(group) for _, group in groupby(by_backend, key=lambda cell: cell.backend.name)]
        order = {id(cell): place for place, cell in enumerate(cells)}
        for group in groups:
            group.sort(key=lambda cell: order[id(cell)])
        try:
            async with asyncio.TaskGroup() as side_by_side:
                tasks = [side_by_side.create_task(self._backend(group)) for group in groups]
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        return [task.result() for task in tasks]

    def _listen_for_ctrl_c(self) -> None:
        """Cancel on the first Ctrl-C, and let what follows pass while results are being saved.

        asyncio's own way raises `KeyboardInterrupt` on the second one, wherever the loop happens to be: half-done
        callbacks then leave tasks that nobody wakes up, and the process hangs.
        """
        task = asyncio.current_task()

        def stop() -> None:
            if task is not None and not self.interrupted:
                task.cancel()
            self.interrupted = True

        if self._ctrl_c_is_ours:
            with suppress(NotImplementedError, RuntimeError):  # Windows; not the main thread
                asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop)

    async def _backend(self, cells: list[Cell]) -> _Part:
        """All cells of one backend. Its own troubles are its result; the store's are everybody's."""
        config = cells[0].backend
        part = _Part(config.name)
        try:
            backend = self.connect(config, self.listener.fetching)
            try:
                info = await backend.identify()
                session = _Session(self, backend, config, info)
                for cell in cells:
                    part.done.append((cell, await session.run(cell)))
            finally:
                await backend.close()
        except BackendUnavailable as error:
            if config.name in self.settings.required or part.done:
                part.failure = error
            else:
                part.skipped = str(error)
                self.listener.skipped(config.name, str(error))
        except BackendError as error:
            part.failure = error
        return part


class _Session:
    """One connected backend."""

    def __init__(self, loop: _Loop, backend: Backend, config: BackendConfig, info: ModelInfo) -> None:
        self.loop = loop
        self.backend = backend
        self.config = config
        self.info = info
        self.jobs = _jobs(loop.settings, config, backend)
        self.cold_start_s: float | None = None
        self._warm: set[bool] = set() if backend.warm_up else {False, True}
        told = asdict(info)
        del told["note"], told["size"]
        self.model_key = _hash([told, config.provider, config.model, config.base_url, config.options])

    async def run(self, cell: Cell) -> Run:
        started = perf_counter()
        # The store in threads: a loop that waits for the disk would be counted as latency of another backend.
        manifest, kept, known = await asyncio.to_thread(self._prepare, cell)
        todo = _remaining(cell, [*kept, *known])
        self.loop.listener.started(cell, len(cell.asks), len(kept) + len(known))
        if self.info.note:
            self.loop.listener.noted(cell.name, self.info.note)
        try:
            asked = await self._ask_in_turn(manifest, cell, todo)
        except BackendError:
            await asyncio.to_thread(self.loop.store.discard_if_empty, manifest.run_id)
            raise
        results = sorted([*kept, *known, *asked], key=_place)
        results = await asyncio.to_thread(self._judge, manifest, cell, results)
        finished = await asyncio.to_thread(self._finish, manifest, results, perf_counter() - started)
        run_ = Run(finished, tuple(results))
        self.loop.listener.finished(cell, run_)
        return run_

    def _prepare(self, cell: Cell) -> tuple[Manifest, list[Result], list[Result]]:
        """The run, what it has from an interrupted session, and what the store knows from other runs."""
        manifest = self._begin(cell)
        kept = self._kept(manifest, cell)
        known = self._from_store(cell, {_place(result) for result in kept})
        self._save(manifest.run_id, known)
        return manifest, kept, known

    def _begin(self, cell: Cell) -> Manifest:
        """A new run, or the unfinished one that `--resume` goes on with."""
        fingerprint = {**cell.fingerprint(), **self._identity(), "harness": version("prompt-portability-harness")}
        plan_key = _hash([cell.definition.name, cell.name, fingerprint])
        tags = self.loop.settings.tags
        earlier = self.loop.store.unfinished(plan_key) if self.loop.settings.resume else None
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
        )
        self.loop.store.begin(manifest, plan_key=plan_key, model_key=self.model_key)
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
            "backend_hash": self.model_key,
        }

    def _kept(self, manifest: Manifest, cell: Cell) -> list[Result]:
        """What an interrupted run already has. Its failed calls are asked again."""
        if not self.loop.settings.resume:
            return []
        ids = {case.id for case in cell.cases}
        results = self.loop.store.results(manifest.run_id)
        return [r for r in results if r.response.error is None and r.case.id in ids]

    def _judge(self, manifest: Manifest, cell: Cell, results: list[Result]) -> list[Result]:
        """Score what shows only beside the other replies."""
        judged = cell.task.judge(results)
        self.loop.store.save(manifest.run_id, [new for old, new in zip(results, judged, strict=True) if new is not old])
        return judged

    def _from_store(self, cell: Cell, done: set[tuple[str, int]]) -> list[Result]:
        """Earlier answers to the same requests. Only where the same request must give the same answer.

        A server that tells no digest may serve another model tomorrow by the same name: its answers are good for a day.
        """
        if not self.loop.settings.cache or cell.sampling.temperature > 0:
            return []
        since = "" if self.info.digest else now(-UNPROVEN_ANSWERS_LAST)
        pairs = [(case, request) for case, request in cell.asks if (case.id, request.repeat) not in done]
        found = self.loop.store.answers(self.model_key, [request.key for _, request in pairs], since=since)
        return [
            replace(_read(cell, case, request, found[request.key][0]), cached=True, answered_at=found[request.key][1])
            for case, request in pairs
            if request.key in found
        ]

    async def _ask_in_turn(self, manifest: Manifest, cell: Cell, todo: Sequence[int]) -> list[Result]:
        """Ask for the cases at `todo`, if any; where the model takes this machine's cores, after others of its kind."""
        if not todo:
            return []
        async with self.loop.machine if self.backend.exclusive else nullcontext():
            return await self._ask_all(manifest, cell, todo)

    async def _ask_all(self, manifest: Manifest, cell: Cell, todo: Sequence[int]) -> list[Result]:
        """Ask for the cases at `todo`, `jobs` at a time, saving as answers come in."""
        await self._warm_up(embed=cell.task.embeds)
        pending = iter(todo)
        ready: asyncio.Queue[Result] = asyncio.Queue()
        asked: list[Result] = []
        patience = Patience(max(10, 2 * self.jobs))

        async def worker() -> None:
            for place in pending:
                case, request = cell.asks[place]
                response, attempts = await ask(self.backend, request, self.config)
                ready.put_nowait(replace(_read(cell, case, request, response), attempts=attempts))
                patience.watch(self.config.name, response)

        async def writer() -> None:
            while len(asked) < len(todo):
                batch = [await ready.get(), *_drain(ready, BATCH - 1)]
                await self._commit(manifest.run_id, batch)
                asked.extend(batch)
                self.loop.listener.answered(cell, batch)

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(writer())
                for _ in range(min(self.jobs, len(todo))):
                    group.create_task(worker())
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        finally:
            self._save(manifest.run_id, _drain(ready, ready.qsize()))
        return asked

    async def _commit(self, run_id: str, batch: Sequence[Result]) -> None:
        """Save in a thread, so that the disk does not hold up the calls. Ctrl-C waits until it is done."""
        saving = asyncio.create_task(asyncio.to_thread(self._save, run_id, batch))
        try:
            await asyncio.shield(saving)
        except asyncio.CancelledError:
            await saving  # and not only its end: where it failed, that is what the user must hear
            raise

    def _save(self, run_id: str, results: Sequence[Result]) -> None:
        self.loop.store.save(run_id, results)
        with self.loop.counting:
            self.loop.saved += sum(not result.cached and result.response.error is None for result in results)

    async def _warm_up(self, *, embed: bool) -> None:
        """Have the model loaded before anything is timed."""
        if embed in self._warm:
            return
        started = perf_counter()
        dummy = Request((Message("user", "Say OK."),), Sampling(max_tokens=1), embed=embed)
        response, _ = await ask(self.backend, dummy, self.config)
        if response.error is not None:
            msg = f"backend {self.config.name}: no answer to the warm-up request: {response.error.message}"
            raise BackendUnavailable(msg)
        self.cold_start_s = perf_counter() - started
        self._warm.add(embed)

    def _finish(self, manifest: Manifest, results: Sequence[Result], wall_s: float) -> Manifest:
        served = sorted({r.response.model for r in results if r.response.model})
        fingerprint = {**manifest.fingerprint, "served_model": ", ".join(served[:4])}
        finished = replace(
            manifest,
            fingerprint=fingerprint,
            finished_at=now(),
            cold_start_s=self.cold_start_s,
            wall_s=wall_s + (manifest.wall_s or 0.0),
        )
        self.loop.store.finish(finished)
        return finished


def _jobs(settings: Settings, config: BackendConfig, backend: Backend) -> int:
    """How many requests at once. An embedded engine has so many slots: more would wait inside it, as latency."""
    wanted = settings.jobs or config.concurrency or backend.concurrency
    return min(wanted, backend.concurrency) if backend.exclusive else wanted


def _read(cell: Cell, case: Case, request: Request, response: Response) -> Result:
    """A response, read under the contract and scored."""
    reading, score = read_and_score(cell.task, case, response)
    return Result(case, response, reading, score, request.key, request.repeat, answered_at=now())


def _remaining(cell: Cell, done: Iterable[Result]) -> list[int]:
    """The places of what is still to be asked."""
    places = {_place(result) for result in done}
    return [place for place, (case, request) in enumerate(cell.asks) if (case.id, request.repeat) not in places]


def _place(result: Result) -> tuple[str, int]:
    """A result's place in its run."""
    return result.case.id, result.repeat


def _drain(queue: asyncio.Queue[Result], at_most: int) -> list[Result]:
    batch: list[Result] = []
    with suppress(asyncio.QueueEmpty):
        while len(batch) < at_most:
            batch.append(queue.get_nowait())
    return batch


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to tell: a task group wraps what the user should read."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
