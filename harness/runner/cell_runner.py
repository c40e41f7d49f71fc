"""The results of one cell: from the resumed run, from the cache of earlier runs, or from the backend.

Requests are built, looked up, sent, read and saved in chunks: a million cases take no more memory than a thousand.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import NamedTuple, Protocol, runtime_checkable

from harness.core.errors import BudgetExhausted, StoreError
from harness.core.ids import now
from harness.core.types import Billing, Case, Manifest, Request, Response, Result
from harness.runner.events import RunEvents
from harness.runner.plan import Cell
from harness.runner.retrying import FailureLimit, RetryingClient
from harness.runner.saving import ResultWriter
from harness.store.runs import SavedResults
from harness.tasks import read_and_score

UNPROVEN_ANSWERS_LAST = timedelta(hours=24)
AT_ONCE = 1024
"""Limit on the requests of one chunk, and on the results of one commit."""
GATHER_S = 0.05
"""Seconds that a result waits for others, because a commit per result would cost more than the call. The wait ends
early when more results wait than the workers may leave unsaved."""
IN_MEMORY = 50_000
"""Limit on the results in memory; a larger run is read from the store on access."""


class PlannedRequest(NamedTuple):
    """One request. `key` is `request.key`, which is slow to compute."""

    case: Case
    request: Request
    key: str


@runtime_checkable
class BulkBackend(Protocol):
    """A backend that takes all requests of a cell at once, such as a batch API."""

    billing: Billing

    async def answer(self, runner: CellRunner, todo: list[PlannedRequest]) -> None:
        """Answer `todo` and all of `runner.next_requests()`, and commit each result."""
        ...


@dataclass
class CellRunner:
    """Runs one cell. `resumed`: the run already has results.

    `cache_key`: the model whose earlier replies may be used; `None` without a cache. `proven`: the model has a digest,
    so its replies stay valid.
    """

    cell: Cell
    manifest: Manifest
    client: RetryingClient
    writer: ResultWriter
    events: RunEvents
    cache_key: str | None
    proven: bool
    resumed: bool
    n_cached_first: int = 0
    """Cached results among the first chunk, after `load_first`."""
    _requests: Iterator[tuple[Case, Request]] = field(init=False)
    _in_memory: list[Result] | None = field(init=False)
    failures: FailureLimit = field(init=False)
    _todo: list[PlannedRequest] = field(default_factory=list)
    _exhausted: bool = False
    _allowed: int | None = None
    """How many more requests may be opened; `None` for all."""

    def __post_init__(self) -> None:
        self.failures = FailureLimit(self.client)
        self._requests = iter(self.cell.requests)
        self._in_memory = [] if len(self.cell.requests) <= IN_MEMORY else None

    def allow(self, n: int) -> None:
        """Open at most `n` more requests. Without a call, all requests of the cell are opened."""
        self._allowed, self._exhausted = n, False

    async def load_first(self) -> None:
        """Look up the first chunk in the cache; for a small run that is all of it."""
        cached, self._todo = await asyncio.to_thread(self._next)
        self.n_cached_first = len(cached)

    async def next_requests(self) -> list[PlannedRequest]:
        """The next requests without a saved or cached result; empty at the end."""
        while not self._todo and not self._exhausted:
            cached, self._todo = await asyncio.to_thread(self._next)
            if cached:
                self.events.answered(self.cell, cached)
        todo, self._todo = self._todo, []
        return todo

    async def send(self, todo: list[PlannedRequest]) -> None:
        """Send `todo` and all open requests after it.

        Raises `BudgetExhausted` after the pending calls have returned.
        """
        pool = WorkerPool(self)
        await pool.work(todo)
        if pool.stopped is not None:
            raise pool.stopped

    def results(self) -> Sequence[Result]:
        """All results, by case id and repeat; read from the store if they are too many for memory."""
        if self._in_memory is not None:
            return tuple(sorted(self._in_memory, key=_place))
        run_id = self.manifest.run_id
        saved = SavedResults(self.writer.store, run_id, self.writer.store.count(run_id))
        return tuple(saved) if self.cell.task.judges_together else saved

    def read(
        self, planned: PlannedRequest, response: Response, answered_at: str, *, attempts: int = 1, cached: bool = False
    ) -> Result:
        """Read a response under the contract, and score it."""
        case, request, key = planned
        reading, score = read_and_score(self.cell.task, case, response)
        return Result(case, response, reading, score, key, request.repeat, attempts, cached, answered_at)

    def save(self, results: Sequence[Result]) -> None:
        """Save results, and keep them in memory if they are few."""
        self.writer.save(self.manifest, self.cell.backend.variant, results)
        self._keep(results)

    async def commit(self, results: Sequence[Result]) -> None:
        """Save results in a thread, then notify the listener."""
        await self.writer.commit(self.manifest, self.cell.backend.variant, results)
        self._keep(results)
        self.events.answered(self.cell, results)

    def _next(self) -> tuple[list[Result], list[PlannedRequest]]:
        """The cached results of the next chunk, now saved in this run, and the requests still to send."""
        most = AT_ONCE if self._allowed is None else min(AT_ONCE, self._allowed)
        chunk = [PlannedRequest(case, request, request.key) for case, request in islice(self._requests, most)]
        if self._allowed is not None:
            self._allowed -= len(chunk)
        self._exhausted = not chunk
        ids = [each.case.id for each in chunk]
        kept = self.writer.store.answered(self.manifest.run_id, ids) if self.resumed else []
        done = {_place(result) for result in kept}
        cached, todo = self._cached([each for each in chunk if (each.case.id, each.request.repeat) not in done])
        self._keep(kept)
        self.writer.record(
            self.manifest, self.cell.backend.variant, kept
        )  # the earlier session may have had no recording
        self.save(cached)
        return cached, todo

    def _cached(self, requests: list[PlannedRequest]) -> tuple[list[Result], list[PlannedRequest]]:
        """Split requests by whether an earlier run has a reply. Only requests at temperature 0 are looked up.

        Without a digest a server may change its model under the same name, so its replies are valid for a day.
        """
        if self.cache_key is None or self.cell.sampling.temperature > 0:
            return [], requests
        since = "" if self.proven else now(-UNPROVEN_ANSWERS_LAST)
        earlier = self.writer.store.answers(self.cache_key, [each.key for each in requests], since=since)
        cached = [self.read(each, *earlier[each.key], cached=True) for each in requests if each.key in earlier]
        return cached, [each for each in requests if each.key not in earlier]

    def _keep(self, results: Sequence[Result]) -> None:
        if self._in_memory is not None:
            self._in_memory.extend(results)


class WorkerPool:
    """Worker pool: one producer, N callers, one writer."""

    def __init__(self, runner: CellRunner) -> None:
        self.stopped: BudgetExhausted | None = None
        self._runner = runner
        self._size = min(runner.client.pace.concurrency.maximum, len(runner.cell.requests))
        self._pending: deque[PlannedRequest] = deque()
        self._all_open = False
        self._available = asyncio.Event()
        self._low = asyncio.Event()
        self._answered: deque[Result] = deque()
        self._unsaved = asyncio.Event()
        self._room = asyncio.Event()
        self._full = asyncio.Event()
        self._working = self._size

    async def work(self, todo: list[PlannedRequest]) -> None:
        """Run until every request has a saved result."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write())
                group.create_task(self._produce(todo))
                for _ in range(self._size):
                    group.create_task(self._call())
        except BaseExceptionGroup as errors:
            raise first(errors) from None
        finally:
            self._runner.save(list(self._answered))

    async def _produce(self, todo: list[PlannedRequest]) -> None:
        while todo and self.stopped is None:
            self._pending.extend(todo)
            self._available.set()
            await self._low.wait()
            self._low.clear()
            todo = await self._runner.next_requests()
        self._all_open = True
        self._available.set()

    async def _next(self) -> PlannedRequest | None:
        """The next request; `None` at the end, or after the pool was stopped."""
        while not self._pending and not self._all_open:
            self._available.clear()
            await self._available.wait()
        planned = self._pending.popleft() if self._pending and self.stopped is None else None
        if len(self._pending) <= self._size or self.stopped is not None:
            self._low.set()
        return planned

    async def _call(self) -> None:
        runner, client = self._runner, self._runner.client
        while (planned := await self._next()) is not None:
            try:
                response, attempts = await client.send(planned.request)
            except BudgetExhausted as error:
                self.stopped = error  # pending calls finish: they are paid for
                continue
            self._answered.append(runner.read(planned, response, now(), attempts=attempts))
            self._unsaved.set()
            runner.failures.watch(response)
            if len(self._answered) > 2 * self._size:  # backpressure: send nothing more while saving is stuck
                self._full.set()
                self._room.clear()
                await self._room.wait()
        self._working -= 1
        self._unsaved.set()

    async def _write(self) -> None:
        while self._working or self._answered:
            await self._unsaved.wait()
            self._unsaved.clear()
            if self._working and len(self._answered) < AT_ONCE:
                with suppress(TimeoutError):
                    async with asyncio.timeout(GATHER_S):
                        await self._full.wait()
            self._full.clear()
            while self._answered:
                batch = [self._answered.popleft() for _ in range(min(AT_ONCE, len(self._answered)))]
                try:
                    await self._runner.commit(batch)
                except StoreError:
                    self._answered.extendleft(reversed(batch))  # one more try, at the end
                    raise
                self._room.set()


def first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error inside a task group's exception group."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _place(result: Result) -> tuple[str, int]:
    return result.case.id, result.repeat
