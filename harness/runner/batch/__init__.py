"""Batches: files of requests that an engine works through in its own time, for half the price or on its own machine.

    harness run --batch             the Batch API of OpenAI: sent, waited for, collected, also by the next process
    harness batch export, import    files for `vllm run-batch` and its like

A batch is a way to be asked and nothing more: what is sent, read, scored and saved is what `harness run` does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harness import backends
from harness.backends import Backend
from harness.backends.local.models import Progress
from harness.backends.providers.openai import OpenAIBackend, key_of
from harness.project.config import BackendConfig
from harness.runner.batch.backend import MOST_BYTES, MOST_REQUESTS, BatchBackend
from harness.runner.batch.files import FileBackend, export, left_over, takes_files
from harness.runner.batch.jsonl import cell_part
from harness.runner.batch.results import BatchResults
from harness.runner.batch.status import ENDED, BatchStatus, BusyError
from harness.store.batches import BatchJob, forget, read
from harness.store.runs import Store

if TYPE_CHECKING:
    from harness.runner.batch.openai_api import BatchAPI

__all__ = [
    "ENDED",
    "MOST_BYTES",
    "MOST_REQUESTS",
    "BatchBackend",
    "BatchJob",
    "BatchResults",
    "BatchStatus",
    "BusyError",
    "FileBackend",
    "cell_part",
    "connect",
    "export",
    "forget",
    "left_over",
    "read",
    "service",
    "takes_batches",
    "takes_files",
]


def takes_batches(config: BackendConfig) -> bool:
    """Whether `run --batch` asks a backend by batch; whether its server has the Batch API shows when it is asked."""
    return config.capabilities.batch_api


def connect(store: Store) -> Callable[[BackendConfig, Progress | None], Backend]:
    """How `run --batch` reaches its backends: by batch where there is such a thing, else as usual."""

    def connected(config: BackendConfig, progress: Progress | None) -> Backend:
        backend = backends.connect(config, progress)
        if takes_batches(config) and isinstance(backend, OpenAIBackend):
            return BatchBackend(backend, service(config), store)
        return backend

    return connected


def service(config: BackendConfig) -> BatchAPI:
    """The Batch API of a backend's server; raises `BackendUnavailable` without a key."""
    from harness.runner.batch.openai_api import BatchAPI  # the SDK takes half a second to import

    return BatchAPI(config, key_of(config))
