"""Run all cells: backends concurrently, the cells of one backend in sequence.

`arun` is a coroutine; `run` is its blocking counterpart. backend_session.py runs the cells of one backend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from harness.core.errors import BackendError, BackendUnavailable, BudgetExhausted, HarnessError, Interrupted, Terminated
from harness.core.formatting import plural
from harness.core.types import Run
from harness.runner.backend_session import Abandoned, BackendSession, RunSetup
from harness.runner.blocking import TerminationSignal, run_blocking
from harness.runner.cell_runner import BulkBackend, first
from harness.runner.events import RunEvents
from harness.runner.plan import Cell
from harness.runner.saving import ResultWriter
from harness.store.runs import Store

_exclusive: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
"""One lock per event loop for embedded engines: two engines at once would distort each other's latency."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a run: finished runs in the order of the cells, skipped backends with reasons, and failures."""

    runs: tuple[Run, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    failures: tuple[HarnessError, ...] = ()


def run(cells: Sequence[Cell], store: Store, events: RunEvents, setup: RunSetup) -> Outcome:
    """Run all cells and wait; works inside a running event loop, too. `events` is called from another thread.

    Raises `Interrupted` on Ctrl-C, and the errors of `arun`.
    """
    engine = _Engine(store, events, setup)
    try:
        return run_blocking(engine.run(cells))
    except KeyboardInterrupt as interrupt:
        is_sigterm = isinstance(interrupt, TerminationSignal)
        cause, error = ("terminated", Terminated) if is_sigterm else ("interrupted", Interrupted)
        saved = plural(engine.writer.saved, "reply of this session is", "replies of this session are")
        msg = f"{cause}: {saved} saved: to continue, add --resume"
        raise error(msg) from None


async def arun(cells: Sequence[Cell], store: Store, events: RunEvents, setup: RunSetup) -> Outcome:
    """Run all cells in the caller's event loop.

    An unavailable backend is skipped, unless the options name it. A failing backend does not stop the others.
    Cancellation saves the replies received so far before it propagates. Raises `StoreError` if results cannot be saved.
    """
    return await _Engine(store, events, setup).run(cells)


@dataclass
class _BackendOutcome:
    backend: str
    runs: dict[int, Run] = field(default_factory=dict)
    """By the position of the cell in the run."""
    skipped: str = ""
    failure: HarnessError | None = None


_Group = list[tuple[int, Cell]]
"""The cells of one backend, each with its position in the run."""


class _Engine:
    def __init__(self, store: Store, events: RunEvents, setup: RunSetup) -> None:
        self.writer = ResultWriter(store, setup.recorder)
        self._events = events
        self._setup = setup

    async def run(self, cells: Sequence[Cell]) -> Outcome:
        groups: dict[str, _Group] = {}
        for position, cell in enumerate(cells):
            groups.setdefault(cell.backend.name, []).append((position, cell))
        try:
            async with asyncio.TaskGroup() as concurrent:
                tasks = [concurrent.create_task(self._backend(groups[name])) for name in sorted(groups)]
        except BaseExceptionGroup as errors:
            raise first(errors) from None
        parts = [task.result() for task in tasks]
        runs = {position: run for part in parts for position, run in part.runs.items()}
        return Outcome(
            runs=tuple(run for _, run in sorted(runs.items())),
            skipped=tuple((part.backend, part.skipped) for part in parts if part.skipped),
            failures=tuple(part.failure for part in parts if part.failure),
        )

    async def _backend(self, group: _Group) -> _BackendOutcome:
        """Run the cells of one backend. A backend error ends only its cells; a store error ends the run."""
        config = group[0][1].backend
        part = _BackendOutcome(config.name)
        machine = _exclusive.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        try:
            backend = self._setup.connect(config, self._events.fetching)
            try:
                info = await backend.identify()
                session = BackendSession(self.writer, self._events, self._setup, backend, config, info, machine)
                await (self._concurrently if isinstance(backend, BulkBackend) else self._in_turn)(session, group, part)
            finally:
                await backend.close()
        except Abandoned:
            pass  # the error of the other backend is reported; this run can be resumed
        except BackendUnavailable as error:
            if config.name in self._setup.options.backend or part.runs:
                part.failure = error
            else:
                part.skipped = str(error)
                self._events.skipped(config.name, error.message)
        except (BackendError, BudgetExhausted) as error:
            part.failure = error
        finally:
            if self._setup.stopping is not None:
                self._setup.stopping.leave(config.name)
        return part

    async def _in_turn(self, session: BackendSession, group: _Group, part: _BackendOutcome) -> None:
        for position, cell in group:
            part.runs[position] = await session.run(cell)

    async def _concurrently(self, session: BackendSession, group: _Group, part: _BackendOutcome) -> None:
        """Run all cells at the same time: a batch may take a day. A failure does not end the other cells."""
        ended = await asyncio.gather(*(session.run(cell) for _, cell in group), return_exceptions=True)
        for (position, _), result in zip(group, ended, strict=True):
            if isinstance(result, Run):
                part.runs[position] = result
        for result in ended:
            if isinstance(result, BaseException):
                raise result
