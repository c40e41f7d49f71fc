"""Routed calls in the store: what production asked, who answered, what it cost, how it was read.

The calls are in a table of their own, `calls`, made on the first write: a store of a project that routes nothing has
none. What is filtered and counted by the database has a column; the rest is a record of JSON, as results are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from harness.core.types import JSON
from harness.store import migrations, serialize
from harness.store.runs import Store

CHUNK = 2000
"""So many rows are read at once; in between others have their turn at the store."""

_calls = sa.Table(
    "calls",
    sa.MetaData(),
    sa.Column("call_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("called_at", sa.String, nullable=False, index=True),
    sa.Column("task", sa.String, nullable=False),
    sa.Column("backend", sa.String, nullable=False),
    sa.Column("fallback", sa.String, nullable=False),
    sa.Column("error", sa.String, nullable=False),
    sa.Column("compliant", sa.Boolean),
    sa.Column("latency_s", sa.Float),
    sa.Column("usd", sa.Float),
    sa.Column("record", sa.Text, nullable=False),
    sa.Index("calls_of_a_task", "task", "called_at"),
)
_COLUMNS = ("called_at", "task", "backend", "fallback", "error", "compliant", "latency_s", "usd")


@dataclass(frozen=True, slots=True)
class RoutedCall:
    """One routed call.

    `called_at` is ISO UTC with milliseconds, `task` the eval's name, `variant` "" where the caller brought messages of
    its own. `backend` is who answered, "" where nobody did, and `error` then says of what kind the last failure was.
    `fingerprint`: hash of model, digest, quantization, engine and prompt. `fallback`: why it was not the first tier, ""
    where it was. `compliant` is `None` without a contract. `value` is the lenient one. `inputs` and `reply` are kept
    with `[log] texts = true` only. `call_id` is the store's to give.
    """

    called_at: str
    task: str
    variant: str = ""
    backend: str = ""
    fingerprint: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    usd: float | None = None
    latency_s: float | None = None
    fallback: str = ""
    attempts: int = 1
    compliant: bool | None = None
    violations: tuple[str, ...] = ()
    value: JSON = None
    reply_chars: int | None = None
    error: str = ""
    inputs: Mapping[str, JSON] | None = None
    reply: str | None = None
    call_id: int | None = None


_RECORD = tuple(f.name for f in fields(RoutedCall) if f.name not in {*_COLUMNS, "call_id"})


def append(store: Store, calls: Sequence[RoutedCall]) -> None:
    """Write calls in one transaction; raises `StoreError`, and then none of them is written."""
    if not calls:
        return
    rows = [_row(call) for call in calls]
    with store.connection(writing=True) as connection:
        migrations.make_tables(connection, _calls.metadata)
        connection.execute(_calls.insert(), rows)


def read(store: Store, *, task: str | None = None, since: str = "", until: str = "") -> Iterator[RoutedCall]:
    """The calls of a task (of all), oldest first, from `since` until before `until`; raises `StoreError`."""
    after: tuple[str, int] = (since, -1)
    while True:
        query = sa.select(_calls).where(sa.tuple_(_calls.c.called_at, _calls.c.call_id) > sa.tuple_(*after))
        query = query.where(*_which(task=task, until=until))
        with store.connection() as connection:
            if not sa.inspect(connection).has_table(_calls.name):
                return
            query = query.order_by(_calls.c.called_at, _calls.c.call_id).limit(CHUNK)
            rows = [dict(row) for row in connection.execute(query).mappings()]
        yield from map(_call, rows)
        if len(rows) < CHUNK:
            return
        after = (rows[-1]["called_at"], rows[-1]["call_id"])


def tasks(store: Store) -> list[str]:
    """The tasks that have calls, by name."""
    with store.connection() as connection:
        if not sa.inspect(connection).has_table(_calls.name):
            return []
        return list(connection.scalars(sa.select(_calls.c.task).distinct().order_by(_calls.c.task)))


def prune(store: Store, before: str) -> int:
    """Forget the calls that are older; returns how many they were. Raises `StoreError`."""
    with store.connection(writing=True) as connection:
        if not sa.inspect(connection).has_table(_calls.name):
            return 0
        return connection.execute(_calls.delete().where(_calls.c.called_at < before)).rowcount


def _which(*, task: str | None, until: str) -> Iterator[sa.ColumnElement[bool]]:
    if task is not None:
        yield _calls.c.task == task
    if until:
        yield _calls.c.called_at < until


def _row(call: RoutedCall) -> dict[str, Any]:
    columns = {name: getattr(call, name) for name in _COLUMNS}
    return {**columns, "record": serialize.dump({name: getattr(call, name) for name in _RECORD})}


def _call(row: Mapping[str, Any]) -> RoutedCall:
    record = json.loads(row["record"])
    columns = {name: row[name] for name in ("call_id", *_COLUMNS)}
    return RoutedCall(**{**record, "violations": tuple(record.get("violations", ())), **columns})


@dataclass(frozen=True, slots=True)
class Traffic:
    """The calls of one task that one backend answered; of those that nobody answered, `backend` is "".

    `share` is of the task's calls in the same time. `compliance` is of the calls that have a contract, `None` where
    none has. `p50_s`, `p95_s`: of the latency that callers have seen. `usd`: of the calls whose cost is known.
    """

    task: str
    backend: str
    calls: int
    share: float
    fallbacks: Mapping[str, int]
    """Why it was not the first tier -> how many calls."""
    compliance: float | None
    p50_s: float | None
    p95_s: float | None
    usd: float | None


def summary(store: Store, *, task: str | None = None, since: str = "", until: str = "") -> list[Traffic]:
    """The routed traffic by task, and by backend in the order of their shares; counted by the database."""
    which = (_calls.c.called_at >= since, *_which(task=task, until=until))
    with store.connection() as connection:
        if not sa.inspect(connection).has_table(_calls.name):
            return []
        counts = connection.execute(_counts().where(*which)).all()
        fallbacks: dict[tuple[str, str], dict[str, int]] = {}
        for of_task, backend, reason, number in connection.execute(_reasons().where(*which)):
            fallbacks.setdefault((of_task, backend), {})[reason] = number
        latencies: dict[tuple[str, str], list[float]] = {}
        for of_task, backend, latency_s in connection.execute(_quantiles(which)):
            latencies.setdefault((of_task, backend), []).append(latency_s)
    totals: Counter[str] = Counter()
    for row in counts:
        totals[row.task] += row.calls
    found = [
        Traffic(
            task=row.task,
            backend=row.backend,
            calls=row.calls,
            share=row.calls / totals[row.task],
            fallbacks=fallbacks.get((row.task, row.backend), {}),
            compliance=row.compliant / row.read if row.read else None,
            p50_s=min(latencies.get((row.task, row.backend), ()), default=None),
            p95_s=max(latencies.get((row.task, row.backend), ()), default=None),
            usd=row.usd,
        )
        for row in counts
    ]
    return sorted(found, key=lambda t: (t.task, -t.calls, t.backend))


def _counts() -> sa.Select[Any]:
    c = _calls.c
    return sa.select(
        c.task,
        c.backend,
        sa.func.count().label("calls"),
        sa.func.sum(sa.case((c.compliant, 1), else_=0)).label("compliant"),
        sa.func.count(c.compliant).label("read"),
        sa.func.sum(c.usd).label("usd"),
    ).group_by(c.task, c.backend)


def _reasons() -> sa.Select[Any]:
    """The most frequent first."""
    c = _calls.c
    query = sa.select(c.task, c.backend, c.fallback, sa.func.count()).where(c.fallback != "")
    return query.group_by(c.task, c.backend, c.fallback).order_by(sa.func.count().desc(), c.fallback)


def _quantiles(which: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    """Of each task and backend the latencies that half of its calls and 95 of 100 do not exceed, in one pass."""
    c = _calls.c
    group = (c.task, c.backend)
    ranked = (
        sa.select(
            *group,
            c.latency_s,
            sa.func.row_number().over(partition_by=group, order_by=c.latency_s).label("place"),
            sa.func.count().over(partition_by=group).label("n"),
        )
        .where(*which, c.latency_s.is_not(None))
        .subquery()
    )
    places = [(ranked.c.n * percent + 99) // 100 for percent in (50, 95)]
    return sa.select(ranked.c.task, ranked.c.backend, ranked.c.latency_s).where(
        sa.or_(*(ranked.c.place == place for place in places))
    )
