"""Process-wide settings. Only the command line has them: a library must not change its caller's interpreter."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

SWITCH_S = 0.0005
"""The thread switch interval in seconds. Python's default of 5 ms cost 10% of the rate at 1,000 replies a second."""
SPIN_COUNT = "10000"
"""OpenMP's spin count for the embedded engine: `python bench/speed/embedded.py`, and docs/decisions.md."""


INTERRUPTED, TERMINATED = 130, 143
"""Exit codes of a process that SIGINT or SIGTERM ended."""


@contextmanager
def settings() -> Iterator[None]:
    """Apply the settings for as long as a command runs."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)  # OpenMP reads it when the engine is loaded
    switch_interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        with _sigterm_interrupts():
            yield
    finally:
        sys.setswitchinterval(switch_interval)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Have SIGTERM end a command as Ctrl-C does, with its own exit code."""
    if current_thread() is not main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    terminated = False

    def terminate(_number: int, _frame: FrameType | None) -> NoReturn:
        from harness.runner.blocking import TerminationSignal

        nonlocal terminated
        terminated = True
        raise TerminationSignal

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except SystemExit as end:
        if terminated and end.code == INTERRUPTED:  # Typer's exit code for any KeyboardInterrupt
            raise SystemExit(TERMINATED) from None
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
