"""Coroutines run from blocking code."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import sys
import threading
import time

import pytest

from harness.runner.blocking import run_blocking


async def interpreter_state() -> tuple[object, ...]:
    return sys.getswitchinterval(), *map(signal.getsignal, (signal.SIGINT, signal.SIGTERM))


async def failing() -> None:
    msg = "boom"
    raise ValueError(msg)


def test_result_is_returned_inside_a_running_loop() -> None:
    async def answer() -> int:
        return 42

    async def caller() -> int:
        return run_blocking(answer())

    assert asyncio.run(caller()) == 42


def test_handlers_and_switch_interval_stay_as_they_are() -> None:
    before = (sys.getswitchinterval(), *map(signal.getsignal, (signal.SIGINT, signal.SIGTERM)))
    assert run_blocking(interpreter_state()) == before


def test_error_is_raised_in_the_calling_thread() -> None:
    with pytest.raises(ValueError, match="boom"):
        run_blocking(failing())


def test_context_variables_are_visible_to_the_coroutine() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("here")

    async def read() -> str:
        return variable.get()

    assert run_blocking(read()) == "here"


def test_interrupt_is_raised_after_the_cleanup() -> None:
    cleaned: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            cleaned.append("done")

    def press() -> None:
        for _ in range(3):  # as impatient people do
            time.sleep(0.02)
            signal.raise_signal(signal.SIGINT)

    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt):
        run_blocking(work())
    assert cleaned == ["done"]
