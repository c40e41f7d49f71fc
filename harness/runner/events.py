"""Events of a run, for progress displays."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.types import Result, Run
from harness.runner.pacing import Pace
from harness.runner.plan import Cell


class RunEvents:
    """Receives the events of a run. These methods do nothing: override those you need, and return quickly.

    The event loop calls them. That loop has a thread of its own in `harness.run`.
    """

    def skipped(self, backend: str, reason: str) -> None:
        """A backend is unavailable and takes no part."""

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
