"""Looks at batches under way, and ends them: `harness batch list`, `harness batch cancel`."""

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

Told = BatchStatus | str
"""How a batch stands, or why that cannot be told."""
_Ask = Callable[[BatchAPI, BatchJob], Awaitable[BatchStatus]]


def look(config: Config, sent: Sequence[BatchJob]) -> Iterator[tuple[BatchJob, Told]]:
    """How each stands."""
    yield from _each(config, sent, _look)


def cancel(config: Config, store: Store, sent: Sequence[BatchJob]) -> Iterator[tuple[BatchJob, Told]]:
    """Have the server stop. One that has ended is forgotten, unless the server has answers that are paid for."""
    for one, told in _each(config, sent, _cancel):
        if isinstance(told, str) or told.status not in ENDED:
            yield one, told
        elif told.files:
            yield one, replace(told, then="`harness run --batch` collects them")
        else:
            forget(store, one.token)
            yield one, replace(told, then=f"forgotten, {told.why or 'it holds no answers'}")


async def _look(service: BatchAPI, sent: BatchJob) -> BatchStatus:
    found = await (service.look(sent.batch_id) if sent.batch_id else service.find(sent.token))
    return found or BatchStatus("", "gone", why="the server has never heard of it")


async def _cancel(service: BatchAPI, sent: BatchJob) -> BatchStatus:
    """How it stands afterwards; of its files only those that can be collected."""
    seen = await _look(service, sent)
    if seen.status not in ENDED:
        seen = await service.cancel(seen.batch_id)
    if seen.status not in ENDED or not seen.files:
        return seen
    there = tuple([file_id for file_id in seen.files if await service.has(file_id)])
    return replace(seen, files=there, why=seen.why or "the server does not give its results any more")


def _each(config: Config, sent: Sequence[BatchJob], ask: _Ask) -> Iterator[tuple[BatchJob, Told]]:
    """Backend by backend, the oldest first."""
    by_backend = sorted(sent, key=lambda one: one.backend)
    for name, group in groupby(by_backend, key=lambda one: one.backend):
        yield from asyncio.run(_of_one(config, name, list(group), ask))


async def _of_one(config: Config, name: str, sent: Sequence[BatchJob], ask: _Ask) -> list[tuple[BatchJob, Told]]:
    if name not in config.backends:
        return [(one, f"backend {name} is not in harness.toml any more") for one in sent]
    try:
        service = batch.service(config.backends[name])
    except BackendError as error:
        return [(one, str(error)) for one in sent]
    told: list[tuple[BatchJob, Told]] = []
    try:
        for one in sent:
            try:
                told.append((one, await ask(service, one)))
            except (BackendError, BusyError) as error:
                told.append((one, str(error)))
    finally:
        await service.close()
    return told
