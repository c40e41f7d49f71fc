"""Run a coroutine from blocking code, whether or not an event loop is running in the calling thread."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from contextlib import suppress
from threading import Event, Thread
from typing import Any, Generic, TypeVar

T = TypeVar("T")

POLL_S = 0.1
"""Upper bound on the delay of Ctrl-C where a signal does not end a wait: Windows, and signals sent to one thread."""


class TerminationSignal(KeyboardInterrupt):
    """SIGTERM, as the command line's signal handler raises it. A library never installs that handler."""


def run_blocking(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in an event loop on a thread of its own and return its result.

    The calling thread only waits, so signal handlers stay as they are. `KeyboardInterrupt` cancels `work`; it is raised
    again after `work` has cleaned up. Further ones are ignored until then.
    """
    thread = _LoopThread(work)
    thread.start()
    interrupt: KeyboardInterrupt | None = None
    while True:
        try:
            if interrupt is not None:
                thread.cancel()
            while not thread.ended.wait(POLL_S):
                pass
            break
        except KeyboardInterrupt as error:
            interrupt = interrupt or error
    thread.join()
    if interrupt is not None and (thread.error is None or isinstance(thread.error, asyncio.CancelledError)):
        raise interrupt
    if thread.error is not None:
        raise thread.error
    return thread.result


class _LoopThread(Thread, Generic[T]):
    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        super().__init__(name="harness-event-loop")
        self.result: T
        self.error: BaseException | None = None
        self.ended = Event()
        self._work = work
        self._context = contextvars.copy_context()
        self._ready = Event()
        self._loop: asyncio.AbstractEventLoop
        self._task: asyncio.Task[T]

    def run(self) -> None:
        try:
            self.result = self._context.run(asyncio.run, self._main())
        except BaseException as error:  # noqa: BLE001  raised again in the thread that waits
            self.error = error
        finally:
            self._ready.set()
            self.ended.set()

    async def _main(self) -> T:
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._work)
        self._ready.set()
        return await self._task

    def cancel(self) -> None:
        """Cancel the work once; a second cancellation would interrupt its cleanup."""
        self._ready.wait()
        with suppress(RuntimeError):  # the loop is closed: the work has ended
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if not self._task.cancelling():
            self._task.cancel()
