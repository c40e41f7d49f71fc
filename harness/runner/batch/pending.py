"""List and cancel unfinished batches: `harness batch list`, `harness batch cancel`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from harness.core.errors import BackendError
from harness.project.config import Config
from harness.runner import batch
from harness.runner.batch.openai_api import BatchAPI
from harness.runner.batch.status import ENDED, BatchStatus, BusyError
from harness.store.batches import BatchJob, forget
from harness.store.runs import Store

StatusOrError = BatchStatus | str
"""The status of a batch, or why it is unknown."""
_Request = Callable[[BatchAPI, BatchJob], Awaitable[BatchStatus]]


def statuses(config: Config, jobs: Sequence[BatchJob]) -> Iterator[tuple[BatchJob, StatusOrError]]:
    """Yield each job with its status."""
    yield from _each(config, jobs, _status)


def cancel(config: Config, store: Store, jobs: Sequence[BatchJob]) -> Iterator[tuple[BatchJob, StatusOrError]]:
    """Cancel jobs on their servers. An ended job is deleted, unless the server still holds paid results."""
    for job, status in _each(config, jobs, _cancel):
        if isinstance(status, str) or status.status not in ENDED:
            yield job, status
        elif status.files:
            yield job, replace(status, action="collect its results with `harness run --batch`")
        else:
            forget(store, job.token)
            yield job, replace(status, action=f"removed from the list, {status.reason or 'it has no results'}")


async def _status(api: BatchAPI, job: BatchJob) -> BatchStatus:
    status = await (api.status(job.batch_id) if job.batch_id else api.find(job.token))
    return status or BatchStatus("", "gone", reason="the server did not create it")


async def _cancel(api: BatchAPI, job: BatchJob) -> BatchStatus:
    """Return the status after cancelling, with the files that can still be downloaded."""
    status = await _status(api, job)
    if status.status not in ENDED:
        status = await api.cancel(status.batch_id)
    if status.status not in ENDED or not status.files:
        return status
    files = tuple([file_id for file_id in status.files if await api.has_file(file_id)])
    return replace(status, files=files, reason=status.reason or "its results are no longer on the server")


def _each(config: Config, jobs: Sequence[BatchJob], request: _Request) -> Iterator[tuple[BatchJob, StatusOrError]]:
    """Make one request for each job, backend by backend, oldest first."""
    by_backend = sorted(jobs, key=lambda job: job.backend)
    for name, group in groupby(by_backend, key=lambda job: job.backend):
        yield from asyncio.run(_of_backend(config, name, list(group), request))


async def _of_backend(
    config: Config, name: str, jobs: Sequence[BatchJob], request: _Request
) -> list[tuple[BatchJob, StatusOrError]]:
    if name not in config.backends:
        return [(job, f"backend {name} is no longer in harness.toml") for job in jobs]
    try:
        api = batch.batch_api(config.backends[name])
    except BackendError as error:
        return [(job, str(error)) for job in jobs]
    answered: list[tuple[BatchJob, StatusOrError]] = []
    try:
        for job in jobs:
            try:
                answered.append((job, await request(api, job)))
            except (BackendError, BusyError) as error:
                answered.append((job, str(error)))
    finally:
        await api.close()
    return answered
