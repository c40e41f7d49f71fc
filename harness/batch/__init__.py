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
from harness.backends.openai import OpenAIBackend, key_of
from harness.batch._ask import MOST_BYTES, MOST_REQUESTS, Batched
from harness.batch._files import Imported, export, left_over, takes_files
from harness.batch._found import Found
from harness.batch._lines import cell_part
from harness.batch._seen import ENDED, BusyError, Seen
from harness.batch._sent import Sent, forget, read
from harness.config import BackendConfig
from harness.models import Progress
from harness.store import Store

if TYPE_CHECKING:
    from harness.batch._service import Service

__all__ = [
    "ENDED",
    "MOST_BYTES",
    "MOST_REQUESTS",
    "Batched",
    "BusyError",
    "Found",
    "Imported",
    "Seen",
    "Sent",
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
    return config.provider == "openai"


def connect(store: Store) -> Callable[[BackendConfig, Progress | None], Backend]:
    """How `run --batch` reaches its backends: by batch where there is such a thing, else as usual."""

    def connected(config: BackendConfig, progress: Progress | None) -> Backend:
        backend = backends.connect(config, progress)
        if takes_batches(config) and isinstance(backend, OpenAIBackend):
            return Batched(backend, service(config), store)
        return backend

    return connected


def service(config: BackendConfig) -> Service:
    """The Batch API of a backend's server; raises `BackendUnavailable` without a key."""
    from harness.batch._service import Service  # the SDK takes half a second to import

    return Service(config, key_of(config))
