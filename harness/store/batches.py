"""Batches in progress at a provider, so that a later process can collect paid results exactly once.

A row exists from before the batch is submitted until its results are saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from harness.store.runs import Store
from harness.store.schema import BATCHES


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A submitted batch.

    `token`: our id, which the server stores with the batch. `batch_id`: the server's id, "" until the server replies.
    `cell`: the cell's part of the request ids. `title`: the cell's name for messages.
    """

    token: str
    backend: str
    server: str
    cell: str
    title: str
    requests: int
    sent_at: str
    batch_id: str = ""


def write(store: Store, job: BatchJob) -> None:
    """Save a batch, or replace its row."""
    with store.connection(writing=True) as connection:
        connection.execute(BATCHES.delete().where(BATCHES.c.token == job.token))
        connection.execute(BATCHES.insert().values(**asdict(job)))


def forget(store: Store, token: str) -> None:
    """Delete a batch whose results are saved, or that failed."""
    with store.connection(writing=True) as connection:
        connection.execute(BATCHES.delete().where(BATCHES.c.token == token))


def read(store: Store) -> Sequence[BatchJob]:
    """All batches, oldest first."""
    with store.connection() as connection:
        rows = connection.execute(sa.select(BATCHES).order_by(BATCHES.c.sent_at, BATCHES.c.token))
        return [BatchJob(**row) for row in rows.mappings()]
