"""The status of a batch, and the errors of a Batch API."""

from __future__ import annotations

from dataclasses import dataclass

ENDED = frozenset({"completed", "failed", "expired", "cancelled", "gone"})
"""Final states. `gone` is our own: the server no longer knows the batch."""


class BusyError(Exception):
    """The server cannot answer now; a later call may succeed."""


class NoFileError(Exception):
    """A file of results cannot be downloaded, now or later."""


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """The status of a batch.

    Attributes:
        batch_id: The server's id.
        status: OpenAI's state, or `gone`.
        answered: Requests answered so far.
        failed: Requests failed so far.
        files: Ids of the existing result and error files.
        reason: Why the batch failed.
        action: What `harness batch cancel` did about it.

    """

    batch_id: str
    status: str
    answered: int = 0
    failed: int = 0
    files: tuple[str, ...] = ()
    reason: str = ""
    action: str = ""

    def text(self, requests: int) -> str:
        """Return the status on one line, for a batch of `requests` requests."""
        failed = f", {self.failed:,} failed" if self.failed else ""
        action = f": {self.action}" if self.action else ""
        return f"{self.status}, {self.answered:,} of {requests:,} answered{failed}{action}"
