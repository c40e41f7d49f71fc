"""Retry budget and the wait before each retry.

A retry adds load just when a server is overloaded. So retries have a budget, a share of the calls so far (Google's SRE
book, "Handling Overload"; Finagle's `RetryBudget`). A server with occasional failures gets every retry, a server that
fails every call gets few. Waits are uniform between 0 and a growing limit ("full jitter", Brooker 2015), which spreads
clients better than a little noise on equal waits.
"""

from __future__ import annotations

import random
from collections.abc import Callable

SHARE = 1 / 6
"""Retries per attempt, retries included: one retry for five calls."""
FLOOR = 10
"""Retries that are always allowed."""
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0


class RetryBudget:
    """Allows one retry for five calls, and `floor` more: a burst that hits a full server is not an outage."""

    __slots__ = ("_attempts", "_floor", "_retries")

    def __init__(self, floor: int = FLOOR) -> None:
        self._floor = floor
        self._attempts = 0
        self._retries = 0

    def record_attempt(self) -> None:
        """Count an attempt."""
        self._attempts += 1

    def try_spend(self) -> bool:
        """Return whether one more retry is allowed, and count it if so."""
        if self._retries >= self._floor + SHARE * self._attempts:
            return False
        self._retries += 1
        return True


def retry_wait_s(attempt: int, retry_after_s: float | None, draw: Callable[[], float] = random.random) -> float:
    """Return the seconds between attempt number `attempt` (from 1) and the next.

    With `retry_after_s`, the server's wait plus up to 10%. Otherwise uniform up to a limit that doubles each time.
    """
    longest = min(FIRST_WAIT_S * 2.0 ** min(attempt, 20), LONGEST_WAIT_S)
    return longest * draw() if retry_after_s is None else retry_after_s + 0.1 * draw() * min(longest, retry_after_s)
