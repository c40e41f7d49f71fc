"""Persist results before listeners are notified: to the store, and to a recording if there is one."""

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
    """Saves results and counts the new replies among them. Thread-safe."""

    def __init__(self, store: Store, recorder: Recorder | None = None) -> None:
        self.store = store
        self.saved = 0
        self._recorder = recorder
        self._counting = Lock()
        self._owner = leases.new_owner()
        self._lost: set[str] = set()

    @asynccontextmanager
    async def lease(self, run_id: str) -> AsyncIterator[None]:
        """Hold the lease of a run; raises `StoreError` if another process holds it."""
        if not await asyncio.to_thread(leases.acquire, self.store, run_id, self._owner):
            who = await asyncio.to_thread(leases.holder, self.store, run_id) or "another process"
            msg = f"run {run_id} is already being resumed by {who}: wait until that process ends, or leave out --resume"
            raise StoreError(msg)
        renewing = asyncio.create_task(self._renew(run_id))
        try:
            yield
        finally:
            renewing.cancel()
            with suppress(StoreError):  # the lease expires
                await asyncio.to_thread(leases.release, self.store, run_id, self._owner)

    async def _renew(self, run_id: str) -> None:
        while True:
            await asyncio.sleep(leases.LASTS_S / 3)
            with suppress(StoreError):  # the next save reports it
                if not await asyncio.to_thread(leases.renew, self.store, run_id, self._owner):
                    self._lost.add(run_id)

    def save(self, manifest: Manifest, own_variant: str, results: Sequence[Result]) -> None:
        """Write results durably. `own_variant`: the variant that the run's backend is tuned for.

        Raises `StoreError` if another process has taken over the run.
        """
        if manifest.run_id in self._lost:  # the machine slept longer than the lease lasts
            advice = "let that process continue, or leave out --resume"
            msg = f"run {manifest.run_id} was taken over by another process: {advice}"
            raise StoreError(msg)
        self.store.save(manifest.run_id, results)
        self.record(manifest, own_variant, results)
        with self._counting:
            self.saved += sum(not result.cached and result.response.error is None for result in results)

    def record(self, manifest: Manifest, own_variant: str, results: Sequence[Result]) -> None:
        """Add results to the recording, if there is one, also those of earlier sessions."""
        if self._recorder is not None:
            self._recorder.add(manifest, results, own_variant)

    async def commit(self, manifest: Manifest, own_variant: str, results: Sequence[Result]) -> None:
        """Save in a thread, so that the disk does not delay calls. A cancelled caller waits for the save."""
        saving = asyncio.create_task(asyncio.to_thread(self.save, manifest, own_variant, results))
        try:
            await asyncio.shield(saving)
        except asyncio.CancelledError:
            await saving  # raises its error, which matters more than the cancellation
            raise
