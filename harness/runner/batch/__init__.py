"""Batches: files of requests that a server processes in its own time, at half the price or on your own machine.

    harness run --batch             OpenAI's Batch API: send, wait, collect; a later process can collect too
    harness batch export, import    files for `vllm run-batch` and similar engines

Only the transport differs: requests, reading, scoring and saving are those of `harness run`.

    backend         BatchBackend, the backend of `harness run --batch`
    cell_batch      the batches of one cell: send, wait, retry, save
    jobs            unfinished batches, claimed by one cell each
    openai_api      OpenAI's Batch API
    status          how a batch stands
    pending         `harness batch list` and `harness batch cancel`
    files           `harness batch export` and `harness batch import`
    jsonl           the lines of request and result files
    results         index of result files
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harness import backends
from harness.backends import Backend
from harness.backends.local.models import Progress
from harness.backends.providers.openai import OpenAIBackend, key_of
from harness.project.config import BackendConfig
from harness.runner.batch.backend import BatchBackend
from harness.runner.batch.cell_batch import MAX_BYTES, MAX_REQUESTS
from harness.runner.batch.files import FileBackend, export, supports_files, unused_results
from harness.runner.batch.jsonl import cell_part
from harness.runner.batch.results import BatchResults
from harness.runner.batch.status import ENDED, BatchStatus, BusyError
from harness.store.batches import BatchJob, forget, read
from harness.store.runs import Store

if TYPE_CHECKING:
    from harness.runner.batch.openai_api import BatchAPI

__all__ = [
    "ENDED",
    "MAX_BYTES",
    "MAX_REQUESTS",
    "BatchBackend",
    "BatchJob",
    "BatchResults",
    "BatchStatus",
    "BusyError",
    "FileBackend",
    "batch_api",
    "cell_part",
    "connect",
    "export",
    "forget",
    "read",
    "supports_batches",
    "supports_files",
    "unused_results",
]


def supports_batches(config: BackendConfig) -> bool:
    """Return whether `run --batch` sends a backend's requests by batch. The server may still lack a Batch API."""
    return config.capabilities.batch_api


def connect(store: Store) -> Callable[[BackendConfig, Progress | None], Backend]:
    """Return the connect function of `run --batch`: by batch if the backend supports it, else directly."""

    def connect_backend(config: BackendConfig, progress: Progress | None) -> Backend:
        backend = backends.connect(config, progress)
        if supports_batches(config) and isinstance(backend, OpenAIBackend):
            return BatchBackend(backend, batch_api(config), store)
        return backend

    return connect_backend


def batch_api(config: BackendConfig) -> BatchAPI:
    """Return the Batch API of a backend's server; raises `BackendUnavailable` without an API key."""
    from harness.runner.batch.openai_api import BatchAPI  # the SDK takes half a second to import

    return BatchAPI(config, key_of(config))
