"""When a backend is left alone: a circuit breaker. Pure but for the event that wakes up who probes.

    closed --(so many failures in a row)--> open --(a probe succeeds)--> half open --(a call succeeds)--> closed
                                             ^-----------(a call fails)-------'

A call is never the probe: whether a backend is back is found out in the background, with a request of our own.
"""

from __future__ import annotations

import asyncio

from harness.core.types import CallError

COUNTED = frozenset({"connection", "timeout", "server", "bad_reply", "refused"})
"""Kinds of failures that speak of the backend. A long prompt, a broken contract, a 429 are no reason to leave it."""

NOT_YET = CallError("starting", "has not answered its first probe yet")


class CircuitBreaker:
    """Open at first: a backend is asked when its first probe has succeeded."""

    def __init__(self, failures: int) -> None:
        """`failures`: how many in a row open it."""
        self._allowed = failures
        self._in_a_row = 0
        self._era = 0
        self.why: CallError | None = NOT_YET
        """Why it is open; `None` where it is closed."""
        self.opened = asyncio.Event()
        self.opened.set()

    @property
    def era(self) -> int:
        """How often it has opened: what became of a call that began in an earlier era says nothing of today."""
        return self._era

    def succeeded(self, era: int) -> None:
        """A call was answered."""
        if era == self._era:
            self._in_a_row = 0

    def failed(self, era: int, error: CallError) -> bool:
        """A call was not answered; returns whether that has opened it."""
        if era != self._era or self.why is not None or error.kind not in COUNTED:
            return False
        self._in_a_row += 1
        if self._in_a_row < self._allowed:
            return False
        self._era += 1
        self.why = error
        self.opened.set()
        return True

    def probed(self, error: CallError | None) -> None:
        """What came of a probe. Where it has been down, a single failure of a call opens it again."""
        if error is None:
            self._in_a_row = 0 if self.why is NOT_YET else self._allowed - 1
            self.opened.clear()
        self.why = error
