"""How a run looks: bars on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from time import monotonic
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from harness.cli._common import note
from harness.listener import Listener
from harness.plan import Cell
from harness.types import Result, Run

EVERY_S = 10.0
MEGABYTE = 1_000_000


class Plain(Listener):
    """Lines on standard error, for logs."""

    def __init__(self) -> None:
        """Nothing is said until something happens."""
        self._done: dict[str, int] = {}
        self._errors: dict[str, int] = {}
        self._total: dict[str, int] = {}
        self._said_at = monotonic()
        self._fetched: dict[str, int] = {}

    def __enter__(self) -> Self:
        """Nothing to set up."""
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to tear down."""

    def skipped(self, backend: str, reason: str) -> None:
        """One line."""
        note(f"skipping {backend}: {reason.removeprefix(f'backend {backend}: ')}")

    def noted(self, cell: str, text: str) -> None:
        """One line."""
        note(f"{cell}: {text}")

    def fetching(self, what: str, done: int, total: int) -> None:
        """A line each quarter."""
        quarter = 4 * done // max(total, 1)
        if quarter > self._fetched.get(what, -1):
            self._fetched[what] = quarter
            self._say(f"{what}: {done // MEGABYTE} of {total // MEGABYTE} MB")

    def started(self, cell: Cell, total: int, from_store: int) -> None:
        """One line."""
        key = _title(cell)
        self._total[key], self._done[key], self._errors[key] = total, from_store, 0
        cached = f", {from_store} answers from the store" if from_store else ""
        self._say(f"{key}: {total} cases{cached}")

    def answered(self, cell: Cell, results: Sequence[Result]) -> None:
        """A line every ten seconds."""
        key = _title(cell)
        self._done[key] += len(results)
        self._errors[key] += sum(r.response.error is not None for r in results)
        if monotonic() - self._said_at >= EVERY_S:
            errors = f", {self._errors[key]} errors" if self._errors[key] else ""
            self._say(f"{key}: {self._done[key]} of {self._total[key]}{errors}")

    def finished(self, cell: Cell, run: Run) -> None:
        """One line."""
        self._say(f"{_title(cell)}: done in {run.manifest.wall_s or 0:.1f} s ({run.manifest.run_id})")

    def _say(self, line: str) -> None:
        self._said_at = monotonic()
        print(line, file=sys.stderr, flush=True)  # noqa: T201  this is what the user reads


class Bars(Plain):
    """One bar a cell, with errors and what is left."""

    def __init__(self, console: Console) -> None:
        """Drawn on `console`, which is a terminal."""
        super().__init__()
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[extra]}", markup=False),
            TimeRemainingColumn(compact=True),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Start drawing."""
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the bars as they are."""
        self._bars.stop()

    def fetching(self, what: str, done: int, total: int) -> None:
        """A bar in megabytes."""
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total // MEGABYTE, extra="MB")
        self._bars.update(self._tasks[what], completed=done // MEGABYTE)

    def started(self, cell: Cell, total: int, from_store: int) -> None:
        """A new bar."""
        key = _title(cell)
        self._errors[key] = 0
        extra = f"{from_store} from the store" if from_store else ""
        self._tasks[key] = self._bars.add_task(key, total=total, completed=from_store, extra=extra)

    def answered(self, cell: Cell, results: Sequence[Result]) -> None:
        """Move the bar."""
        key = _title(cell)
        self._errors[key] += sum(r.response.error is not None for r in results)
        self._bars.advance(self._tasks[key], len(results))
        if self._errors[key]:
            self._bars.update(self._tasks[key], extra=f"{self._errors[key]} errors")

    def finished(self, cell: Cell, run: Run) -> None:
        """The bar says it."""


def listener() -> Plain:
    """Bars where standard error is a terminal, lines elsewhere."""
    console = Console(stderr=True, highlight=False)
    return Bars(console) if console.is_terminal else Plain()


def _title(cell: Cell) -> str:
    return f"{cell.definition.name} {cell.name}"
