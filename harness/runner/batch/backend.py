"""`BatchBackend`: the backend of `harness run --batch`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.backends.providers.openai import OpenAIBackend
from harness.core.types import Billing, ModelInfo, Request, Response
from harness.runner.batch.cell_batch import CellBatch
from harness.runner.batch.jobs import JobRegistry
from harness.runner.cell_runner import CellRunner, PlannedRequest
from harness.store.runs import Store

if TYPE_CHECKING:
    from harness.runner.batch.openai_api import BatchAPI


class BatchBackend:
    """A backend of the OpenAI protocol that sends requests through its server's Batch API."""

    concurrency = 1
    exclusive = False
    warm_up = False
    billing = Billing.BATCH

    def __init__(self, backend: OpenAIBackend, api: BatchAPI, store: Store) -> None:
        """Args: `store` keeps the batches until their results are saved."""
        self.backend = backend
        self.api = api
        self.jobs = JobRegistry(store, api.url)

    async def identify(self) -> ModelInfo:
        """Identify the model as for direct requests: the replies are comparable."""
        info = await self.backend.identify()
        return replace(info, note="; ".join(part for part in ("asked by batch", info.note) if part))

    async def complete(self, request: Request) -> Response:
        """Send a single request directly."""
        return await self.backend.complete(request)

    async def answer(self, answers: CellRunner, todo: list[PlannedRequest]) -> None:
        """Send `todo` and all later requests of the cell; every reply is saved when this returns."""
        with TemporaryDirectory(prefix="harness-batch-") as folder:
            await CellBatch(self.backend, self.api, self.jobs, answers, Path(folder)).run(todo)

    async def close(self) -> None:
        """Close the connections."""
        await self.api.close()
        await self.backend.close()
