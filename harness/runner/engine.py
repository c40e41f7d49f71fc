"""The only loop: cells in, runs out. asyncio inside, a plain function outside.

Backends are asked side by side, each at its own pace; what happens on one of them is in session.py.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby

from harness.backends import Backend
from harness.backends import connect as connect_backend
from harness.backends.local.models import Progress
from harness.core.errors import BackendError, BackendUnavailable, BudgetExhausted, HarnessError, Interrupted, Terminated
from harness.core.types import Run
from harness.project.config import BackendConfig
from harness.runner.backend_session import BackendSession, ExecutionSettings
from harness.runner.cell_runner import BulkBackend, first
from harness.runner.events import RunEvents
from harness.runner.plan import Cell
from harness.runner.saving import ResultWriter
from harness.store.runs import Store

SWITCH_S = 0.0005
"""How long the thread that saves may go on while a reply waits to be taken in. Python's own 5 ms cost a tenth of the
rate at 1,000 replies a second."""

Connect = Callable[[BackendConfig, Progress | None], Backend]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the finished runs in the order of the cells, who was skipped and why, and what failed."""

    runs: tuple[Run, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    failures: tuple[HarnessError, ...] = ()


def run(
    cells: Sequence[Cell],
    store: Store,
    listener: RunEvents,
    settings: ExecutionSettings | None = None,
    connect: Connect = connect_backend,
) -> Outcome:
    """Run all cells; backends side by side, the cells of one backend in turn.

    A backend that is not there is skipped, unless it is required; one that fails does not stop the others. Raises
    `Interrupted` on Ctrl-C and SIGTERM, `StoreError` where results cannot be kept.
    """
    settings = settings or ExecutionSettings()
    switching = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    loop = _Loop(ResultWriter(store, settings.recorder), listener, settings, connect)
    try:
        parts = asyncio.run(loop.run(cells))
    except (KeyboardInterrupt, asyncio.CancelledError):
        loop.stopped_by = loop.stopped_by or signal.SIGINT
    finally:
        sys.setswitchinterval(switching)
    if loop.stopped_by is not None:
        what, error = ("interrupted", Interrupted) if loop.stopped_by == signal.SIGINT else ("terminated", Terminated)
        saved = loop.keeper.saved
        msg = f"{what}: {saved} answers of this session are saved; the same command with --resume goes on"
        raise error(msg)
    runs = {cell.key: run for part in parts for cell, run in part.done}
    return Outcome(
        runs=tuple(runs[cell.key] for cell in cells if cell.key in runs),
        skipped=tuple((part.backend, part.skipped) for part in parts if part.skipped),
        failures=tuple(part.failure for part in parts if part.failure),
    )


@dataclass
class _BackendOutcome:
    """What came of one backend."""

    backend: str
    done: list[tuple[Cell, Run]] = field(default_factory=list)
    skipped: str = ""
    failure: HarnessError | None = None


class _Loop:
    def __init__(
        self, keeper: ResultWriter, listener: RunEvents, settings: ExecutionSettings, connect: Connect
    ) -> None:
        self.keeper = keeper
        self.listener = listener
        self.settings = settings
        self.connect = connect
        self.machine = asyncio.Lock()
        self.stopped_by: int | None = None
        self._ours = [
            number
            for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL))
            if signal.getsignal(number) is usual
        ]

    async def run(self, cells: Sequence[Cell]) -> list[_BackendOutcome]:
        self._listen_for_signals()
        by_backend = sorted(cells, key=lambda cell: cell.backend.name)
        groups = [list(group) for _, group in groupby(by_backend, key=lambda cell: cell.backend.name)]
        order = {cell.key: place for place, cell in enumerate(cells)}
        for group in groups:
            group.sort(key=lambda cell: order[cell.key])
        try:
            async with asyncio.TaskGroup() as side_by_side:
                tasks = [side_by_side.create_task(self._backend(group)) for group in groups]
        except BaseExceptionGroup as errors:
            raise first(errors) from None
        return [task.result() for task in tasks]

    def _listen_for_signals(self) -> None:
        """Cancel on the first Ctrl-C or SIGTERM, and let what follows pass while results are being saved.

        asyncio's own way raises `KeyboardInterrupt` on the second one, wherever the loop happens to be: half-done
        callbacks then leave tasks that nobody wakes up, and the process hangs.
        """
        task = asyncio.current_task()

        def stop(number: int) -> None:
            if task is not None and self.stopped_by is None:
                task.cancel()
            self.stopped_by = self.stopped_by or number

        for number in self._ours:
            with suppress(NotImplementedError, RuntimeError):  # Windows; not the main thread
                asyncio.get_running_loop().add_signal_handler(number, stop, number)

    async def _backend(self, cells: list[Cell]) -> _BackendOutcome:
        """All cells of one backend. Its own troubles are its result; the store's are everybody's."""
        config = cells[0].backend
        part = _BackendOutcome(config.name)
        try:
            backend = self.connect(config, self.listener.fetching)
            try:
                info = await backend.identify()
                session = BackendSession(self.keeper, self.listener, self.settings, backend, config, info, self.machine)
                await (self._together if isinstance(backend, BulkBackend) else self._in_turn)(session, cells, part)
            finally:
                await backend.close()
        except BackendUnavailable as error:
            if config.name in self.settings.required or part.done:
                part.failure = error
            else:
                part.skipped = str(error)
                self.listener.skipped(config.name, error.message)
        except (BackendError, BudgetExhausted) as error:
            part.failure = error
        return part

    async def _in_turn(self, session: BackendSession, cells: list[Cell], part: _BackendOutcome) -> None:
        for cell in cells:
            part.done.append((cell, await session.run(cell)))

    async def _together(self, session: BackendSession, cells: list[Cell], part: _BackendOutcome) -> None:
        """Each may take a day: none waits for another, and none ends because another has failed."""
        ended = await asyncio.gather(*map(session.run, cells), return_exceptions=True)
        part.done += [(cell, run) for cell, run in zip(cells, ended, strict=True) if isinstance(run, Run)]
        for error in ended:
            if isinstance(error, BaseException):
                raise error
