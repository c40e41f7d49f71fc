"""What a server says of a batch."""

from __future__ import annotations

from dataclasses import dataclass

ENDED = frozenset({"completed", "failed", "expired", "cancelled", "gone"})
"""States in which a batch stays. `gone` is ours: the server does not know it any more."""


class BusyError(Exception):
    """The server cannot answer now, and may later."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How a batch stands, as the server says. `files`: of results and of errors, those that there are."""

    batch_id: str
    status: str
    done: int = 0
    total: int = 0
    files: tuple[str, ...] = ()
    why: str = ""
