"""Who hears how a run goes."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.types import Result, Run
from harness.runner.pacing import Pace
from harness.runner.plan import Cell


class RunEvents:
    """Hears how a run goes. This one does nothing with it; the command line's draw bars or write lines."""

    def skipped(self, backend: str, reason: str) -> None:
        """A backend takes no part."""

    def noted(self, cell: str, text: str) -> None:
        """Something worth a line."""

    def waits(self, cell: Cell, text: str) -> None:
        """How work stands that is done elsewhere and may take hours, such as a batch."""

    def fetching(self, what: str, done: int, total: int) -> None:
        """A model file is on its way; sizes in bytes."""

    def paced(self, backend: str, pace: Pace) -> None:
        """A backend is there, and will be asked at this pace."""

    def started(self, cell: Cell, total: int, from_store: int) -> None:
        """A cell begins; `from_store` of its `total` answers are already there."""

    def answered(self, cell: Cell, results: Sequence[Result]) -> None:
        """Some answers have been saved."""

    def finished(self, cell: Cell, run: Run) -> None:
        """A cell is done."""
