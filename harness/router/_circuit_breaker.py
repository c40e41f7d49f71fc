"""Circuit breaker of one backend. Pure, except for the event that wakes the background probe.

    closed --(N consecutive failures)--> open --(a probe succeeds)--> half open --(a call succeeds)--> closed
                                          ^----------(a call fails)--------'

A caller's request is never the probe: the router sends requests of its own in the background.
"""

from __future__ import annotations

import asyncio

from harness.core.types import CallError

COUNTED = frozenset({"connection", "timeout", "server", "bad_reply", "refused"})
"""Failure kinds that count. A long prompt, a broken contract or a 429 does not mean that the backend is down."""

NOT_YET = CallError("starting", "has not answered its first probe yet")


class CircuitBreaker:
    """Decides whether a backend gets calls. Open until the first probe succeeds."""

    def __init__(self, failures: int) -> None:
        """Args: `failures` is the number of consecutive failures that opens the breaker."""
        self._max_failures = failures
        self._consecutive_failures = 0
        self._generation = 0
        self.open_reason: CallError | None = NOT_YET
        """Why the breaker is open; `None` if it is closed."""
        self.opened = asyncio.Event()
        self.opened.set()

    @property
    def generation(self) -> int:
        """Number of times the breaker opened. The outcome of a call from an earlier generation is ignored."""
        return self._generation

    def record_success(self, generation: int) -> None:
        """Count a call that was answered."""
        if generation == self._generation:
            self._consecutive_failures = 0

    def record_failure(self, generation: int, error: CallError) -> bool:
        """Count a call that failed; return whether this failure opened the breaker."""
        if generation != self._generation or self.open_reason is not None or error.kind not in COUNTED:
            return False
        self._consecutive_failures += 1
        if self._consecutive_failures < self._max_failures:
            return False
        self._generation += 1
        self.open_reason = error
        self.opened.set()
        return True

    def record_probe(self, error: CallError | None) -> None:
        """Close the breaker after a successful probe, open it after a failed one.

        After an outage the breaker is half open: one failed call opens it again.
        """
        if error is None:
            self._consecutive_failures = 0 if self.open_reason is NOT_YET else self._max_failures - 1
            self.opened.clear()
        self.open_reason = error
