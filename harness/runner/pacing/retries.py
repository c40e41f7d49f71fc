"""How often and when to ask again.

A retry adds load just when a server has too much of it. So retries have a budget, a share of the calls made so far
(Google's SRE book, "Handling Overload"; Finagle's `RetryBudget`): a server that fails now and then gets every retry,
one that fails every call gets few. Waits are drawn evenly from nothing to the longest ("full jitter", Brooker 2015),
which spreads a crowd better than a little noise on top of equal waits.
"""

from __future__ import annotations

import random
from collections.abc import Callable

SHARE = 1 / 6
"""Of all attempts, which is a fifth of the calls."""
FLOOR = 10
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0


class RetryBudget:
    """At most a fifth as many retries as calls, and `floor` more: a burst that finds the server full is no outage."""

    __slots__ = ("_attempts", "_floor", "_retries")

    def __init__(self, floor: int = FLOOR) -> None:
        self._floor = floor
        self._attempts = 0
        self._retries = 0

    def called(self) -> None:
        """Count an attempt."""
        self._attempts += 1

    def spend(self) -> bool:
        """Whether one more retry may be made; if so, it is counted."""
        if self._retries >= self._floor + SHARE * self._attempts:
            return False
        self._retries += 1
        return True


def retry_wait_s(attempt: int, asked_s: float | None, draw: Callable[[], float] = random.random) -> float:
    """Seconds between attempt number `attempt`, from 1, and the next one.

    What the server asks for and a little more, or anything up to a limit that doubles each time.
    """
    longest = min(FIRST_WAIT_S * 2.0 ** min(attempt, 20), LONGEST_WAIT_S)
    return longest * draw() if asked_s is None else asked_s + 0.1 * draw() * min(longest, asked_s)
