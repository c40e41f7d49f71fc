"""Proof that a function takes linear time, from CPU times whose ratio leaves a wide margin."""

from __future__ import annotations

from collections.abc import Callable
from time import thread_time

SMALL, LARGE = 10_000, 100_000
MARGIN = 4.0
"""How much more than ten times the time ten times the text may take. Quadratic time takes ten times more."""
TOO_SHORT_S = 0.005
ATTEMPTS = 5


def assert_linear(
    run: Callable[[str], object], text_of: Callable[[int], str], *, small: int = SMALL, large: int = LARGE
) -> None:
    """Fail if `run` takes more than linear time for texts of `small` and `large` characters, made by `text_of`.

    The clock counts the CPU time of this thread only, so that other processes do not matter. What remains is noise,
    and noise does not exceed the margin in each of several attempts.
    """
    ratios = []
    short, long = text_of(small), text_of(large)
    for _ in range(ATTEMPTS):
        brief = max(_seconds(run, short), TOO_SHORT_S)
        ratios.append(_seconds(run, long) / brief)
        if ratios[-1] <= MARGIN * large / small:
            return
    message = f"{large // small} times the text took {', '.join(f'{ratio:.0f}' for ratio in ratios)} times the time"
    raise AssertionError(message)


def _seconds(run: Callable[[str], object], text: str) -> float:
    started = thread_time()
    run(text)
    return thread_time() - started
