"""Progress of a whole command: one bar with the time left. Without a terminal, a line every ten seconds."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from time import monotonic
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from harness.cli._common import print_note
from harness.cli._progress import EVERY_S, MEGABYTE, duration
from harness.core.types import Result
from harness.runner.events import RunEvents
from harness.runner.plan import Cell


class OverallProgress(RunEvents):
    """Counts the replies of all cells but the recorded ones. Replies from the cache count as done."""

    def __init__(self, title: str, cells: Sequence[Cell]) -> None:
        """`cells`: all cells of the command."""
        self._title = title
        self._done = self._new = 0
        self._new_total = sum(len(cell.requests) for cell in cells if not cell.backend.capabilities.replays)
        self._first_new_at: float | None = None
        self._printed_at = 0.0
        self._lock = Lock()
        console = Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=30), TaskProgressColumn())
        self._bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
        self._is_terminal = console.is_terminal
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Start to draw on a terminal."""
        if self._is_terminal:
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=self._new_total)
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the bar."""
        self._bar.stop()

    def skipped(self, backend: str, reason: str) -> None:
        """Print which backend is skipped, and why."""
        print_note(f"skipping {backend}: {reason}")

    def fetching(self, what: str, done: int, total: int) -> None:
        """Show the megabytes of a file."""
        self._show(f"{what}: {done // MEGABYTE} of {total // MEGABYTE} MB", 0, counts=False)

    def started(self, cell: Cell, total: int, from_store: int) -> None:  # noqa: ARG002  the base class has it
        """Count the replies from the cache."""
        if not cell.backend.capabilities.replays:
            self._show(f"{self._title}: {cell.backend.name}, {cell.definition.name}", from_store)

    def answered(self, cell: Cell, results: Sequence[Result]) -> None:
        """Count replies."""
        if cell.backend.capabilities.replays:
            return
        with self._lock:
            if self._first_new_at is None:
                self._first_new_at = monotonic()
            self._new += sum(not result.cached for result in results)
        self._show(f"{self._title}: {cell.backend.name}, {cell.definition.name}", len(results))

    def _show(self, text: str, advance: int, *, counts: bool = True) -> None:
        with self._lock:
            self._done += advance
            if self._task is not None:
                self._bar.update(self._task, description=text, advance=advance)
                return
            now = monotonic()
            if now - self._printed_at < EVERY_S:
                return
            self._printed_at = now
            left = ""
            if self._new and self._first_new_at is not None and now > self._first_new_at:
                rate = self._new / (now - self._first_new_at)
                left = f", {duration(max(0, self._new_total - self._done) / rate)} left"
            done = f": {self._done:,} of {self._new_total:,} replies{left}" if counts else ""
            self._bar.console.print(f"{text}{done}", markup=False)
