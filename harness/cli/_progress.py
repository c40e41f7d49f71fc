"""How a run looks: bars on a terminal, a line every ten seconds elsewhere, also while nothing moves."""

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

from harness.cli._common import note
from harness.core.types import Result, Run
from harness.project.config import Config
from harness.project.pricing import BATCH, Price, price_of, usd
from harness.runner.events import RunEvents
from harness.runner.pacing import Pace
from harness.runner.plan import Cell, CellKey

EVERY_S = 10.0
MEGABYTE = 1_000_000

Spent = Callable[[str, int, int], float | None]
"""What a backend's prompt and completion tokens cost in USD, `None` where it costs nothing by the token."""


@dataclass
class CellProgress:
    """How one cell stands. `asked`: answers that are new, of which `errors` are none; `usd` is what they cost."""

    title: str
    total: int
    done: int
    from_store: int
    started_at: float
    pace: Pace | None
    asked: int = 0
    errors: int = 0
    usd: float | None = None
    elsewhere: bool = False
    """The work is done elsewhere, and whoever does it says when there is news."""

    def told(self, now: float) -> str:
        """Rate, time left, how many at once, errors, spend, and what it waits for."""
        parts = [f"{self.from_store:,} from the store"] if self.from_store and not self.asked else []
        if not self.asked and self.done < self.total and (self.pace is None or not self.pace.in_flight):
            parts.append("waits for its turn")
        rate = self.asked / max(now - self.started_at, 1e-9)
        if self.asked and self.done < self.total:
            parts += [f"{rate:.3g}/s", f"{duration((self.total - self.done) / rate)} left"]
        pace = self.pace
        if pace is not None and pace.in_flight:
            parts.append(f"{pace.in_flight} at once")
        if self.errors:
            parts.append(f"{self.errors:,} errors")
        if self.usd is not None:
            parts.append(f"${self.usd:.4f}")
        if pace is not None and (wait_s := pace.waiting_s) is not None and wait_s >= 1:
            parts.append(f"waiting {duration(wait_s)} ({pace.waits_for})")
        return " · ".join(parts)


class LineProgress(RunEvents):
    """Lines on standard error, for logs."""

    def __init__(self, spent: Spent | None = None) -> None:
        """Nothing is said until something happens."""
        self._spent = spent
        self._states: dict[CellKey, CellProgress] = {}
        self._paces: dict[str, Pace] = {}
        self._fetched: dict[str, int] = {}
        self._turn = Lock()
        self._over = Event()

    def __enter__(self) -> Self:
        """Start to tell how things stand, every ten seconds."""
        Thread(target=self._tell, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        """Tell no more."""
        self._over.set()

    def skipped(self, backend: str, reason: str) -> None:
        """One line."""
        note(f"skipping {backend}: {reason}")

    def noted(self, cell: str, text: str) -> None:
        """One line."""
        note(f"{cell}: {text}")

    def waits(self, cell: Cell, text: str) -> None:
        """One line, which takes the place of those every ten seconds."""
        with self._turn:
            self._states[cell.key].elsewhere = True
        self._say(f"{title(cell)}: {text}")

    def fetching(self, what: str, done: int, total: int) -> None:
        """A line each quarter."""
        quarter = 4 * done // max(total, 1)
        if quarter > self._fetched.get(what, -1):
            self._fetched[what] = quarter
            self._say(f"{what}: {done // MEGABYTE} of {total // MEGABYTE} MB")

    def paced(self, backend: str, pace: Pace) -> None:
        """Remember whom to ask how many are under way."""
        self._paces[backend] = pace

    def started(self, cell: Cell, total: int, from_store: int) -> None:
        """One line."""
        state = self._begin(cell, total, from_store)
        cached = f", {from_store:,} answers from the store" if from_store else ""
        self._say(f"{state.title}: {total:,} cases{cached}")

    def answered(self, cell: Cell, results: Sequence[Result]) -> None:
        """Count; the next line tells."""
        with self._turn:
            state = self._states[cell.key]
            state.done += len(results)
            new = [result.response for result in results if not result.cached]
            if new and not state.asked:  # what was waited for before the first call says nothing of the rate
                state.started_at = monotonic() - max(response.latency_s or 0.0 for response in new)
            state.asked += len(new)
            state.from_store += len(results) - len(new)
            state.errors += sum(response.error is not None for response in new)
            if self._spent is not None:
                tokens = (sum(r.prompt_tokens or 0 for r in new), sum(r.completion_tokens or 0 for r in new))
                full = self._spent(cell.backend.name, *tokens)
                usd = full and full * (BATCH if state.elsewhere else 1.0)
                state.usd = state.usd if usd is None else (state.usd or 0.0) + usd

    def finished(self, cell: Cell, run: Run) -> None:
        """One line."""
        with self._turn:
            state = self._states.pop(cell.key)
        usd = f", ${state.usd:.4f}" if state.usd is not None else ""
        self._say(f"{state.title}: done in {run.manifest.wall_s or 0:.1f} s{usd} ({run.manifest.run_id})")

    def _begin(self, cell: Cell, total: int, from_store: int) -> CellProgress:
        state = CellProgress(
            title(cell), total, from_store, from_store, monotonic(), self._paces.get(cell.backend.name)
        )
        with self._turn:
            self._states[cell.key] = state
        return state

    def _tell(self) -> None:
        while not self._over.wait(EVERY_S):
            with self._turn:
                states = [state for state in self._states.values() if not state.elsewhere]
            for state in states:
                told = state.told(monotonic())
                self._say(f"{state.title}: {state.done:,} of {state.total:,}{' · ' if told else ''}{told}")

    def _say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201  this is what the user reads


class QuietProgress(LineProgress):
    """Who is left out, and nothing else."""

    def _say(self, line: str) -> None:
        """Not this."""


class BarProgress(LineProgress):
    """One bar a cell, with what `CellProgress.told` says at that moment."""

    def __init__(self, console: Console, spent: Spent | None = None) -> None:
        """Drawn on `console`, which is a terminal."""
        super().__init__(spent)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _StatusColumn(),
            console=console,
        )
        self._tasks: dict[CellKey | str, TaskID] = {}

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
            self._tasks[what] = self._bars.add_task(what, total=total // MEGABYTE)
        self._bars.update(self._tasks[what], completed=done // MEGABYTE)

    def started(self, cell: Cell, total: int, from_store: int) -> None:
        """A new bar."""
        state = self._begin(cell, total, from_store)
        self._tasks[cell.key] = self._bars.add_task(state.title, total=total, completed=from_store, state=state)

    def answered(self, cell: Cell, results: Sequence[Result]) -> None:
        """Move the bar."""
        super().answered(cell, results)
        self._bars.advance(self._tasks[cell.key], len(results))

    def finished(self, cell: Cell, run: Run) -> None:
        """The bar says it."""


class _StatusColumn(ProgressColumn):
    """What a bar's cell has to say at the moment of drawing."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """Megabytes have no more to say than that."""
        state = task.fields.get("state")
        return Text(state.told(monotonic()) if isinstance(state, CellProgress) else "MB")


def spent(found: Config) -> Spent:
    """What tokens cost on the backends of a project."""
    prices: dict[str, Price | None] = {}

    def of(backend: str, prompt_tokens: int, completion_tokens: int) -> float | None:
        if backend not in prices:
            configured = found.backends.get(backend)
            prices[backend] = price_of(found, configured) if configured else None
        price = prices[backend]
        return None if price is None else usd(price, prompt_tokens, completion_tokens)

    return of


def listener(spends: Spent | None = None, *, quiet: bool = False) -> LineProgress:
    """Bars where standard error is a terminal, lines elsewhere, next to nothing where that is wanted."""
    if quiet:
        return QuietProgress(spends)
    console = Console(stderr=True, highlight=False)
    return BarProgress(console, spends) if console.is_terminal else LineProgress(spends)


def duration(seconds: float) -> str:
    """A time that a person waits: `12 s`, `3 min`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def title(cell: Cell) -> str:
    """A cell's name on every line."""
    return f"{cell.definition.name} {cell.name}"
