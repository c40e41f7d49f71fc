"""What a server says of a batch."""

from __future__ import annotations

from dataclasses import dataclass

ENDED = frozenset({"completed", "failed", "expired", "cancelled", "gone"})
"""States in which a batch stays. `gone` is ours: the server does not know it any more."""


class BusyError(Exception):
    """The server cannot answer now, and may later."""


class NoFileError(Exception):
    """Nothing can be had of a file of results, now or later."""


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """How a batch stands, as the server says. `files`: of results and of errors, those that there are.

    `then`: what we have made of that.
    """

    batch_id: str
    status: str
    answered: int = 0
    failed: int = 0
    files: tuple[str, ...] = ()
    why: str = ""
    then: str = ""

    def told(self, requests: int) -> str:
        """In a few words, of a batch of so many requests."""
        failed = f", {self.failed:,} failed" if self.failed else ""
        then = f": {self.then}" if self.then else ""
        return f"{self.status}, {self.answered:,} of {requests:,} answered{failed}{then}"
