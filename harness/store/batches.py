"""Batches under way, in the store: what was paid for is collected once, whatever happened to who asked for it.

They are in a table of their own, `batches`. A row is written before the server hears of the batch, and goes when its
answers are saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from harness.store.migrations import make_tables
from harness.store.runs import Store


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One batch. `token`: our name for it, which the server is told; `batch_id` the server's, "" until it answered.

    `cell`: the part of the ids of its requests; `title` is for people.
    """

    token: str
    backend: str
    server: str
    cell: str
    title: str
    requests: int
    sent_at: str
    batch_id: str = ""


_batches = sa.Table(
    "batches",
    sa.MetaData(),
    sa.Column("token", sa.String, primary_key=True),
    sa.Column("backend", sa.String, nullable=False),
    sa.Column("server", sa.String, nullable=False),
    sa.Column("cell", sa.String, nullable=False),
    sa.Column("title", sa.String, nullable=False),
    sa.Column("requests", sa.Integer, nullable=False),
    sa.Column("sent_at", sa.String, nullable=False),
    sa.Column("batch_id", sa.String, nullable=False),
)


def write(store: Store, sent: BatchJob) -> None:
    """Keep a batch, in the place of what was known of it."""
    with store.connection(writing=True) as connection:
        make_tables(connection, _batches.metadata)
        connection.execute(_batches.delete().where(_batches.c.token == sent.token))
        connection.execute(_batches.insert().values(**asdict(sent)))


def forget(store: Store, token: str) -> None:
    """A batch whose answers are saved, or that came to nothing."""
    with store.connection(writing=True) as connection:
        connection.execute(_batches.delete().where(_batches.c.token == token))


def read(store: Store) -> Sequence[BatchJob]:
    """All of them, the oldest first."""
    with store.connection() as connection:
        if not sa.inspect(connection).has_table(_batches.name):
            return []
        rows = connection.execute(sa.select(_batches).order_by(_batches.c.sent_at, _batches.c.token))
        return [BatchJob(**row) for row in rows.mappings()]
