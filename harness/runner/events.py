"""Events of a run, for progress displays."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.types import Result, Run
from harness.runner.pacing import Pace
from harness.runner.plan import Cell


class RunEvents:
    """Receives the events of a run. Override the methods that you need, and return quickly: by default they do nothing.

    The event loop calls them. In `harness.run` the loop runs on a separate thread.
    """

    def skipped(self, backend: str, reason: str) -> None:
        """A backend is unavailable: its cells are skipped."""

    def noted(self, cell: str, text: str) -> None:
        """A note about a cell, such as a server that ignores a parameter."""

    def waits(self, cell: Cell, text: str) -> None:
        """Status of remote work that may take hours, such as a batch."""

    def fetching(self, what: str, done: int, total: int) -> None:
        """Download progress of a model file, in bytes."""

    def paced(self, backend: str, pace: Pace) -> None:
        """A backend is available; `pace` shows its current concurrency and waits."""

    def started(self, cell: Cell, total: int, from_store: int) -> None:
        """A cell starts; `from_store` of its `total` results are already saved."""

    def answered(self, cell: Cell, results: Sequence[Result]) -> None:
        """Some results have been saved."""

    def finished(self, cell: Cell, run: Run) -> None:
        """A cell has finished."""


class ForwardedEvents(RunEvents):
    """Forwards every event to another receiver. Override a method to see its event first."""

    def __init__(self, receiver: RunEvents) -> None:
        self._receiver = receiver

    def skipped(self, backend: str, reason: str) -> None:
        """Forward the event."""
        self._receiver.skipped(backend, reason)

    def noted(self, cell: str, text: str) -> None:
        """Forward the event."""
        self._receiver.noted(cell, text)

    def waits(self, cell: Cell, text: str) -> None:
        """Forward the event."""
        self._receiver.waits(cell, text)

    def fetching(self, what: str, done: int, total: int) -> None:
        """Forward the event."""
        self._receiver.fetching(what, done, total)

    def paced(self, backend: str, pace: Pace) -> None:
        """Forward the event."""
        self._receiver.paced(backend, pace)

    def started(self, cell: Cell, total: int, from_store: int) -> None:
        """Forward the event."""
        self._receiver.started(cell, total, from_store)

    def answered(self, cell: Cell, results: Sequence[Result]) -> None:
        """Forward the event."""
        self._receiver.answered(cell, results)

    def finished(self, cell: Cell, run: Run) -> None:
        """Forward the event."""
        self._receiver.finished(cell, run)
