"""What is answered goes to the store, and to a recording where one is made; until then nobody hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from threading import Lock

from harness.core.errors import StoreError
from harness.core.types import Manifest, Result
from harness.store import leases
from harness.store.recording import Recorder
from harness.store.runs import Store


class ResultWriter:
    """Saves results and counts the new answers among them. Threads share one."""

    def __init__(self, store: Store, recorder: Recorder | None = None) -> None:
        self.store = store
        self.saved = 0
        self._recorder = recorder
        self._counting = Lock()
        self._owner = leases.new_owner()
        self._lost: set[str] = set()

    @asynccontextmanager
    async def alone(self, run_id: str) -> AsyncIterator[None]:
        """While nobody else is at a run; raises `StoreError` where somebody is."""
        if not await asyncio.to_thread(leases.acquire, self.store, run_id, self._owner):
            who = await asyncio.to_thread(leases.holder, self.store, run_id) or "another process"
            msg = f"run {run_id} is being gone on with by {who}: wait until that ends, or leave out --resume"
            raise StoreError(msg)
        renewing = asyncio.create_task(self._renew(run_id))
        try:
            yield
        finally:
            renewing.cancel()
            with suppress(StoreError):  # it ends by itself
                await asyncio.to_thread(leases.release, self.store, run_id, self._owner)

    async def _renew(self, run_id: str) -> None:
        while True:
            await asyncio.sleep(leases.LASTS_S / 3)
            with suppress(StoreError):  # whoever saves results will say so
                if not await asyncio.to_thread(leases.renew, self.store, run_id, self._owner):
                    self._lost.add(run_id)

    def save(self, manifest: Manifest, own_variant: str, results: Sequence[Result]) -> None:
        """Write results of a run; they are durable when this returns. `own_variant`: that of the run's backend.

        Raises `StoreError` where the run is somebody else's by now.
        """
        if manifest.run_id in self._lost:  # the machine slept for longer than a lease lasts
            msg = f"run {manifest.run_id} was taken over by another process: let that one go on, or leave out --resume"
            raise StoreError(msg)
        self.store.save(manifest.run_id, results)
        self.record(manifest, own_variant, results)
        with self._counting:
            self.saved += sum(not result.cached and result.response.error is None for result in results)

    def record(self, manifest: Manifest, own_variant: str, results: Sequence[Result]) -> None:
        """Have results in the recording, if there is one: those, too, that the run had before."""
        if self._recorder is not None:
            self._recorder.add(manifest, results, own_variant)

    async def commit(self, manifest: Manifest, own_variant: str, results: Sequence[Result]) -> None:
        """Save in a thread, so that the disk does not hold up the calls. Ctrl-C waits until it is done."""
        saving = asyncio.create_task(asyncio.to_thread(self.save, manifest, own_variant, results))
        try:
            await asyncio.shield(saving)
        except asyncio.CancelledError:
            await saving  # and not only its end: where it failed, that is what the user must hear
            raise
