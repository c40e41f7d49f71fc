"""The batches of one server that this process waits for, kept in the store."""

from __future__ import annotations

from threading import Lock

from harness.store import batches
from harness.store.batches import BatchJob
from harness.store.runs import Store


class JobRegistry:
    """Saves jobs, and hands each job of an earlier process to one cell only. Blocking; safe in several threads."""

    def __init__(self, store: Store, server: str) -> None:
        """Args: `server` is the URL of the server, as saved in its jobs."""
        self._store = store
        self._server = server
        self._claimed: set[str] = set()
        self._lock = Lock()

    def claim(self, cell: str) -> list[BatchJob]:
        """Return the unfinished jobs of a cell on this server that nothing in this process waits for."""
        jobs = [job for job in batches.read(self._store) if (job.cell, job.server) == (cell, self._server)]
        with self._lock:
            unclaimed = [job for job in jobs if job.token not in self._claimed]
            self._claimed.update(job.token for job in unclaimed)
        return unclaimed

    def save(self, job: BatchJob) -> None:
        """Save a job of this process."""
        with self._lock:
            self._claimed.add(job.token)
        batches.write(self._store, job)

    def forget(self, job: BatchJob) -> None:
        """Delete a job whose results are saved, or that has none."""
        batches.forget(self._store, job.token)
