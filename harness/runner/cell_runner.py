"""The answers of one cell: from the run itself where it goes on, from other runs, and from the backend.

What a cell asks is made, looked for in the store, asked, read and saved some at a time, so that a run of a million
cases takes no more memory than one of a thousand.
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
"""How many requests are made and looked for, and how many results one commit carries, at most."""
GATHER_S = 0.05
"""How long an answer waits for others to be saved with: a commit of each by itself would cost more than the call.
Not longer than until all that may be asked meanwhile is answered."""
IN_MEMORY = 50_000
"""Results beyond which a finished run is read from the store when it is looked at."""


class PlannedRequest(NamedTuple):
    """One question. `key`: its request's, which takes a while to make."""

    case: Case
    request: Request
    key: str


@runtime_checkable
class BulkBackend(Protocol):
    """A backend that takes all requests of a cell together, and answers in its own time."""

    billing: Billing

    async def answer(self, answers: CellRunner, todo: list[PlannedRequest]) -> None:
        """Have `todo` and all that `answers` opens after it answered, and commit every answer."""
        ...


@dataclass
class CellRunner:
    """What `cell` asks, answered. `resumed`: the run has answers already.

    `known_by`: whose earlier answers are as good as new ones, a model's key; `None` where none are. `proven`: the
    model tells a digest, so that its answers do not age.
    """

    cell: Cell
    manifest: Manifest
    asker: RetryingClient
    keeper: ResultWriter
    listener: RunEvents
    known_by: str | None
    proven: bool
    resumed: bool
    known_at_first: int = 0
    """How many of the first requests other runs have answers to, after `look`."""
    _asks: Iterator[tuple[Case, Request]] = field(init=False)
    _kept: list[Result] | None = field(init=False)
    _todo: list[PlannedRequest] = field(default_factory=list)
    _at_end: bool = False

    def __post_init__(self) -> None:
        """Nothing is asked yet."""
        self._asks = iter(self.cell.asks)
        self._kept = [] if len(self.cell.asks) <= IN_MEMORY else None

    async def look(self) -> None:
        """Look for the first requests in the store: of a small run that is all of it."""
        known, self._todo = await asyncio.to_thread(self._next)
        self.known_at_first = len(known)

    async def open(self) -> list[PlannedRequest]:
        """The next requests that nobody has answered yet; empty at the end."""
        while not self._todo and not self._at_end:
            known, self._todo = await asyncio.to_thread(self._next)
            if known:
                self.listener.answered(self.cell, known)
        todo, self._todo = self._todo, []
        return todo

    async def ask(self, todo: list[PlannedRequest]) -> None:
        """Ask for `todo` and all that comes after it. Raises `BudgetExhausted` when what is under way has come back."""
        crew = WorkerPool(self)
        await crew.work(todo)
        if crew.stopped is not None:
            raise crew.stopped

    def results(self) -> Sequence[Result]:
        """All of them, by case id and repeat; from the store where they are too many to be held."""
        if self._kept is not None:
            return tuple(sorted(self._kept, key=_place))
        run_id = self.manifest.run_id
        saved = SavedResults(self.keeper.store, run_id, self.keeper.store.count(run_id))
        return tuple(saved) if self.cell.task.judges_together else saved

    def read(
        self, asked: PlannedRequest, response: Response, answered_at: str, *, attempts: int = 1, cached: bool = False
    ) -> Result:
        """A response, read under the contract and scored."""
        case, request, key = asked
        reading, score = read_and_score(self.cell.task, case, response)
        return Result(case, response, reading, score, key, request.repeat, attempts, cached, answered_at)

    def save(self, results: Sequence[Result]) -> None:
        """Have results in the store, and in hand where they are few."""
        self.keeper.save(self.manifest, self.cell.backend.variant, results)
        self._keep(results)

    async def commit(self, results: Sequence[Result]) -> None:
        """The same without holding up the calls; then the listener hears of them."""
        await self.keeper.commit(self.manifest, self.cell.backend.variant, results)
        self._keep(results)
        self.listener.answered(self.cell, results)

    def _next(self) -> tuple[list[Result], list[PlannedRequest]]:
        """What other runs know of the next requests, saved as this run's; and those that are to be asked."""
        chunk = [PlannedRequest(case, request, request.key) for case, request in islice(self._asks, AT_ONCE)]
        self._at_end = not chunk
        ids = [each.case.id for each in chunk]
        kept = self.keeper.store.answered(self.manifest.run_id, ids) if self.resumed else []
        done = {_place(result) for result in kept}
        known, todo = self._known([each for each in chunk if (each.case.id, each.request.repeat) not in done])
        self._keep(kept)
        self.keeper.record(self.manifest, self.cell.backend.variant, kept)  # the session before may have been without
        self.save(known)
        return known, todo

    def _known(self, asked: list[PlannedRequest]) -> tuple[list[Result], list[PlannedRequest]]:
        """Earlier answers to the same requests. Only where the same request must give the same answer.

        A server that tells no digest may serve another model tomorrow by the same name: its answers are good for a day.
        """
        if self.known_by is None or self.cell.sampling.temperature > 0:
            return [], asked
        since = "" if self.proven else now(-UNPROVEN_ANSWERS_LAST)
        found = self.keeper.store.answers(self.known_by, [each.key for each in asked], since=since)
        known = [self.read(each, *found[each.key], cached=True) for each in asked if each.key in found]
        return known, [each for each in asked if each.key not in found]

    def _keep(self, results: Sequence[Result]) -> None:
        if self._kept is not None:
            self._kept.extend(results)


class WorkerPool:
    """Those who work on one cell: one opens requests, so many ask, and one saves."""

    def __init__(self, answers: CellRunner) -> None:
        self.stopped: BudgetExhausted | None = None
        self._answers = answers
        self._size = min(answers.asker.pace.concurrency.maximum, len(answers.cell.asks))
        self._pending: deque[PlannedRequest] = deque()
        self._all_open = False
        self._more = asyncio.Event()
        self._few = asyncio.Event()
        self._patience = FailureLimit(answers.asker)
        self._answered: deque[Result] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._full = asyncio.Event()
        self._working = self._size

    async def work(self, todo: list[PlannedRequest]) -> None:
        """Until all is asked and saved."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._save())
                group.create_task(self._open(todo))
                for _ in range(self._size):
                    group.create_task(self._ask())
        except BaseExceptionGroup as errors:
            raise first(errors) from None
        finally:
            self._answers.save(list(self._answered))

    async def _open(self, todo: list[PlannedRequest]) -> None:
        while todo and self.stopped is None:
            self._pending.extend(todo)
            self._more.set()
            await self._few.wait()
            self._few.clear()
            todo = await self._answers.open()
        self._all_open = True
        self._more.set()

    async def _next(self) -> PlannedRequest | None:
        """The next question; `None` when there are no more, or nobody is to ask any."""
        while not self._pending and not self._all_open:
            self._more.clear()
            await self._more.wait()
        asked = self._pending.popleft() if self._pending and self.stopped is None else None
        if len(self._pending) <= self._size or self.stopped is not None:
            self._few.set()
        return asked

    async def _ask(self) -> None:
        answers, asker = self._answers, self._answers.asker
        while (asked := await self._next()) is not None:
            try:
                response, attempts = await asker.ask(asked.request)
            except BudgetExhausted as error:
                self.stopped = error  # the others come to the end of what they are at: it is paid for
                continue
            self._answered.append(answers.read(asked, response, now(), attempts=attempts))
            self._news.set()
            self._patience.watch(response)
            if len(self._answered) > 2 * self._size:  # while nothing can be saved, no more is asked
                self._full.set()
                self._room.clear()
                await self._room.wait()
        self._working -= 1
        self._news.set()

    async def _save(self) -> None:
        while self._working or self._answered:
            await self._news.wait()
            self._news.clear()
            if self._working and len(self._answered) < AT_ONCE:
                with suppress(TimeoutError):
                    async with asyncio.timeout(GATHER_S):
                        await self._full.wait()
            self._full.clear()
            while self._answered:
                batch = [self._answered.popleft() for _ in range(min(AT_ONCE, len(self._answered)))]
                try:
                    await self._answers.commit(batch)
                except StoreError:
                    self._answered.extendleft(reversed(batch))  # one more try, at the end
                    raise
                self._room.set()


def first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to tell: a task group wraps what the user should read."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _place(result: Result) -> tuple[str, int]:
    """A result's place in its run."""
    return result.case.id, result.repeat
