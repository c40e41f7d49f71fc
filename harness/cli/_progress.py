"""Progress of a run: bars on a terminal; otherwise a line per cell every ten seconds, even if nothing changes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event, Lock, Thread
from time import monotonic
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from harness.cli._common import print_note
from harness.core.formatting import plural
from harness.core.types import Result, Run
from harness.project.config import Config
from harness.project.pricing import BATCH, Price, price_of, usd
from harness.runner.events import RunEvents
from harness.runner.pacing import Pace
from harness.runner.plan import Cell, CellKey

EVERY_S = 10.0
MEGABYTE = 1_000_000

TokenPrices = Callable[[str, int, int], float | None]
"""Backend name, prompt tokens, completion tokens -> USD; `None` if the backend has no price per token."""


@dataclass
class CellProgress:
    """State of one cell. `received`: new replies, `errors` of them failed calls; `usd`: their cost."""

    title: str
    total: int
    done: int
    from_store: int
    started_at: float
    pace: Pace | None
    received: int = 0
    errors: int = 0
    usd: float | None = None
    in_batch_job: bool = False
    """The requests run in a batch job, which reports its own status."""

    def status(self, now: float) -> str:
        """Rate, time left, concurrency, errors, cost, and the reason for waiting. `now` is a `monotonic()` time."""
        parts = [f"{self.from_store:,} from cache"] if self.from_store and not self.received else []
        if not self.received and self.done < self.total and (self.pace is None or not self.pace.in_flight):
            parts.append("queued")
        rate = self.received / max(now - self.started_at, 1e-9)
        if self.received and self.done < self.total:
            parts += [f"{rate:.3g}/s", f"{duration((self.total - self.done) / rate)} left"]
        pace = self.pace
        if pace is not None and pace.in_flight:
            parts.append(f"{pace.in_flight} in flight")
        if self.errors:
            parts.append(plural(self.errors, "error"))
        if self.usd is not None:
            parts.append(f"${self.usd:.4f}")
        if pace is not None and (wait_s := pace.waiting_s) is not None and wait_s >= 1:
            parts.append(f"waiting {duration(wait_s)} ({pace.wait_reason})")
        return " · ".join(parts)


class LineProgress(RunEvents):
    """Progress as lines on standard error, for logs."""

    def __init__(self, prices: TokenPrices | None = None) -> None:
        self._prices = prices
        self._states: dict[CellKey, CellProgress] = {}
        self._paces: dict[str, Pace] = {}
        self._fetched: dict[str, int] = {}
        self._lock = Lock()
        self._stopped = Event()

    def __enter__(self) -> Self:
        """Start the thread that prints the status every ten seconds."""
        Thread(target=self._report, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop the thread."""
        self._stopped.set()

    def skipped(self, backend: str, reason: str) -> None:
        """Print which backend is skipped, and why."""
        print_note(f"skipping {backend}: {reason}")

    def noted(self, cell: str, text: str) -> None:
        """Print a note about a cell."""
        print_note(f"{cell}: {text}")

    def waits(self, cell: Cell, text: str) -> None:
        """Print the status of a batch job. It replaces the status every ten seconds."""
        with self._lock:
            self._states[cell.key].in_batch_job = True
        self._print(f"{cell_title(cell)}: {text}")

    def fetching(self, what: str, done: int, total: int) -> None:
        """Print a line per quarter of a download."""
        quarter = 4 * done // max(total, 1)
        if quarter > self._fetched.get(what, -1):
            self._fetched[what] = quarter
            self._print(f"{what}: {done // MEGABYTE} of {total // MEGABYTE} MB")

    def paced(self, backend: str, pace: Pace) -> None:
        """Keep the pace of a backend, for its concurrency and waits."""
        self._paces[backend] = pace

    def started(self, cell: Cell, total: int, from_store: int) -> None:
        """Print the number of cases, and how many replies come from the cache."""
        state = self._begin(cell, total, from_store)
        cached = f", {plural(from_store, 'reply', 'replies')} from cache" if from_store else ""
        self._print(f"{state.title}: {plural(total, 'case')}{cached}")

    def answered(self, cell: Cell, results: Sequence[Result]) -> None:
        """Count the results; the next status line shows them."""
        with self._lock:
            state = self._states[cell.key]
            state.done += len(results)
            new = [result.response for result in results if not result.cached]
            if new and not state.received:  # the wait before the first call must not lower the rate
                state.started_at = monotonic() - max(response.latency_s or 0.0 for response in new)
            state.received += len(new)
            state.from_store += len(results) - len(new)
            state.errors += sum(response.error is not None for response in new)
            if self._prices is not None:
                tokens = (sum(r.prompt_tokens or 0 for r in new), sum(r.completion_tokens or 0 for r in new))
                full = self._prices(cell.backend.name, *tokens)
                usd = full and full * (BATCH if state.in_batch_job else 1.0)
                state.usd = state.usd if usd is None else (state.usd or 0.0) + usd

    def finished(self, cell: Cell, run: Run) -> None:
        """Print duration, cost and run id."""
        with self._lock:
            state = self._states.pop(cell.key)
        usd = f", ${state.usd:.4f}" if state.usd is not None else ""
        self._print(f"{state.title}: done in {run.manifest.wall_s or 0:.1f} s{usd} ({run.manifest.run_id})")

    def _begin(self, cell: Cell, total: int, from_store: int) -> CellProgress:
        state = CellProgress(
            cell_title(cell), total, from_store, from_store, monotonic(), self._paces.get(cell.backend.name)
        )
        with self._lock:
            self._states[cell.key] = state
        return state

    def _report(self) -> None:
        while not self._stopped.wait(EVERY_S):
            with self._lock:
                states = [state for state in self._states.values() if not state.in_batch_job]
            for state in states:
                status = state.status(monotonic())
                self._print(f"{state.title}: {state.done:,} of {state.total:,}{' · ' if status else ''}{status}")

    def _print(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201  this is what the user reads


class QuietProgress(LineProgress):
    """Only skipped backends and notes."""

    def _print(self, line: str) -> None:
        """Print nothing."""


class BarProgress(LineProgress):
    """One bar per cell, with its current status."""

    def __init__(self, console: Console, prices: TokenPrices | None = None) -> None:
        super().__init__(prices)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _StatusColumn(),
            console=console,
        )
        self._tasks: dict[CellKey | str, TaskID] = {}

    def __enter__(self) -> Self:
        """Start to draw the bars."""
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop drawing and keep the bars on the screen."""
        self._bars.stop()

    def fetching(self, what: str, done: int, total: int) -> None:
        """Show a download as a bar in megabytes."""
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total // MEGABYTE)
        self._bars.update(self._tasks[what], completed=done // MEGABYTE)

    def started(self, cell: Cell, total: int, from_store: int) -> None:
        """Add a bar."""
        state = self._begin(cell, total, from_store)
        self._tasks[cell.key] = self._bars.add_task(state.title, total=total, completed=from_store, state=state)

    def answered(self, cell: Cell, results: Sequence[Result]) -> None:
        """Advance the bar."""
        super().answered(cell, results)
        self._bars.advance(self._tasks[cell.key], len(results))

    def finished(self, cell: Cell, run: Run) -> None:
        """Print nothing: the bar shows it."""


class _StatusColumn(ProgressColumn):
    """The status of a bar's cell."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """The current status; `MB` for a download."""
        state = task.fields.get("state")
        return Text(state.status(monotonic()) if isinstance(state, CellProgress) else "MB")


def token_prices(project: Config) -> TokenPrices:
    """Token prices of the backends of a project."""
    prices: dict[str, Price | None] = {}

    def cost_usd(backend: str, prompt_tokens: int, completion_tokens: int) -> float | None:
        if backend not in prices:
            configured = project.backends.get(backend)
            prices[backend] = price_of(project, configured) if configured else None
        price = prices[backend]
        return None if price is None else usd(price, prompt_tokens, completion_tokens)

    return cost_usd


def show_progress(prices: TokenPrices | None = None, *, quiet: bool = False) -> LineProgress:
    """Bars if standard error is a terminal, else lines; with `quiet`, only notes."""
    if quiet:
        return QuietProgress(prices)
    console = Console(stderr=True, highlight=False)
    return BarProgress(console, prices) if console.is_terminal else LineProgress(prices)


def duration(seconds: float) -> str:
    """Seconds as text: `12 s`, `3 min`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def cell_title(cell: Cell) -> str:
    """Eval and cell name."""
    return f"{cell.definition.name} {cell.name}"
