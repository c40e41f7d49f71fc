"""What is answered goes to the store, and to a recording where one is made; until then nobody hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from threading import Lock

from harness.recording import Recorder
from harness.store import Store
from harness.types import Manifest, Result


class Keeper:
    """Saves results and counts the new answers among them. Threads share one."""

    def __init__(self, store: Store, recorder: Recorder | None = None) -> None:
        self.store = store
        self.saved = 0
        self._recorder = recorder
        self._counting = Lock()

    def save(self, manifest: Manifest, own_variant: str, results: Sequence[Result]) -> None:
        """Write results of a run; they are durable when this returns. `own_variant`: that of the run's backend."""
        self.store.save(manifest.run_id, results)
        if self._recorder is not None:
            self._recorder.add(manifest, results, own_variant)
        with self._counting:
            self.saved += sum(not result.cached and result.response.error is None for result in results)

    async def commit(self, manifest: Manifest, own_variant: str, results: Sequence[Result]) -> None:
        """Save in a thread, so that the disk does not hold up the calls. Ctrl-C waits until it is done."""
        saving = asyncio.create_task(asyncio.to_thread(self.save, manifest, own_variant, results))
        try:
            await asyncio.shield(saving)
        except asyncio.CancelledError:
            await saving  # and not only its end: where it failed, that is what the user must hear
            raise
