"""Routed production calls: backend, cost, latency and contract outcome of each.

Fields that queries filter or count have a column. The others are in a JSON record, as in the table of results.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from harness.core.types import JSON
from harness.store import serialize
from harness.store.runs import Store
from harness.store.schema import CALLS

CHUNK = 2000
"""Rows per read. Other threads may use the store between reads."""

_COLUMNS = ("called_at", "task", "backend", "fallback", "error", "compliant", "latency_s", "usd")


@dataclass(frozen=True, slots=True)
class RoutedCall:
    """A routed call.

    `called_at`: ISO UTC with milliseconds. `task`: the eval's name. `variant`: "" if the caller sent its own messages.
    `backend`: source of the reply, "" if all failed; `error` is then the kind of the last failure. `fingerprint`: hash
    of model, digest, quantization, engine and prompt. `fallback`: why the first tier did not reply, "" if it did.
    `compliant`: `None` without a contract. `value`: the lenient reading. `inputs` and `reply`: only with
    `[log] texts = true`. `call_id`: set by the store.
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
    """Write all calls in one transaction, or none; raises `StoreError`."""
    if not calls:
        return
    rows = [_row(call) for call in calls]
    with store.connection(writing=True) as connection:
        connection.execute(CALLS.insert(), rows)


def read(store: Store, *, task: str | None = None, since: str = "", until: str = "") -> Iterator[RoutedCall]:
    """The calls of one task or of all, oldest first. `until` is exclusive. Raises `StoreError`."""
    after: tuple[str, int] = (since, -1)
    while True:
        query = sa.select(CALLS).where(sa.tuple_(CALLS.c.called_at, CALLS.c.call_id) > sa.tuple_(*after))
        query = query.where(*_conditions(task=task, until=until))
        with store.connection() as connection:
            query = query.order_by(CALLS.c.called_at, CALLS.c.call_id).limit(CHUNK)
            rows = [dict(row) for row in connection.execute(query).mappings()]
        yield from map(_call, rows)
        if len(rows) < CHUNK:
            return
        after = (rows[-1]["called_at"], rows[-1]["call_id"])


def tasks(store: Store) -> list[str]:
    """The tasks that have calls, by name."""
    with store.connection() as connection:
        return list(connection.scalars(sa.select(CALLS.c.task).distinct().order_by(CALLS.c.task)))


def prune(store: Store, before: str) -> int:
    """Delete calls from before `before`; returns their number. Raises `StoreError`."""
    with store.connection(writing=True) as connection:
        return connection.execute(CALLS.delete().where(CALLS.c.called_at < before)).rowcount


def _conditions(*, task: str | None, until: str) -> Iterator[sa.ColumnElement[bool]]:
    if task is not None:
        yield CALLS.c.task == task
    if until:
        yield CALLS.c.called_at < until


def _row(call: RoutedCall) -> dict[str, Any]:
    columns = {name: getattr(call, name) for name in _COLUMNS}
    return {**columns, "record": serialize.dump({name: getattr(call, name) for name in _RECORD})}


def _call(row: Mapping[str, Any]) -> RoutedCall:
    record = json.loads(row["record"])
    columns = {name: row[name] for name in ("call_id", *_COLUMNS)}
    return RoutedCall(**{**record, "violations": tuple(record.get("violations", ())), **columns})


@dataclass(frozen=True, slots=True)
class Traffic:
    """The calls of one task that one backend replied to. `backend` is "" for calls without a reply.

    `share`: of all calls of the task in the same period. `compliance`: of the calls with a contract, `None` if there
    are none. `p50_s`, `p95_s`: latency for the caller. `usd`: sum over the calls with a known cost.
    """

    task: str
    backend: str
    calls: int
    share: float
    fallbacks: Mapping[str, int]
    """Reason for the fallback -> number of calls."""
    compliance: float | None
    p50_s: float | None
    p95_s: float | None
    usd: float | None


def summary(store: Store, *, task: str | None = None, since: str = "", until: str = "") -> list[Traffic]:
    """The routed traffic by task and backend; within a task, the largest share first."""
    conditions = (CALLS.c.called_at >= since, *_conditions(task=task, until=until))
    with store.connection() as connection:
        counts = connection.execute(_counts().where(*conditions)).all()
        fallbacks: dict[tuple[str, str], dict[str, int]] = {}
        for of_task, backend, reason, number in connection.execute(_reasons().where(*conditions)):
            fallbacks.setdefault((of_task, backend), {})[reason] = number
        latencies: dict[tuple[str, str], list[float]] = {}
        for of_task, backend, latency_s in connection.execute(_quantiles(conditions)):
            latencies.setdefault((of_task, backend), []).append(latency_s)
    totals: Counter[str] = Counter()
    for row in counts:
        totals[row.task] += row.calls
    traffic = [
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
    return sorted(traffic, key=lambda t: (t.task, -t.calls, t.backend))


def _counts() -> sa.Select[Any]:
    c = CALLS.c
    return sa.select(
        c.task,
        c.backend,
        sa.func.count().label("calls"),
        sa.func.sum(sa.case((c.compliant, 1), else_=0)).label("compliant"),
        sa.func.count(c.compliant).label("read"),
        sa.func.sum(c.usd).label("usd"),
    ).group_by(c.task, c.backend)


def _reasons() -> sa.Select[Any]:
    c = CALLS.c
    query = sa.select(c.task, c.backend, c.fallback, sa.func.count()).where(c.fallback != "")
    return query.group_by(c.task, c.backend, c.fallback).order_by(sa.func.count().desc(), c.fallback)


def _quantiles(conditions: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    """The 50th and 95th latency percentile of each task and backend, in one query."""
    c = CALLS.c
    group = (c.task, c.backend)
    ranked = (
        sa.select(
            *group,
            c.latency_s,
            sa.func.row_number().over(partition_by=group, order_by=c.latency_s).label("place"),
            sa.func.count().over(partition_by=group).label("n"),
        )
        .where(*conditions, c.latency_s.is_not(None))
        .subquery()
    )
    places = [(ranked.c.n * percent + 99) // 100 for percent in (50, 95)]
    return sa.select(ranked.c.task, ranked.c.backend, ranked.c.latency_s).where(
        sa.or_(*(ranked.c.place == place for place in places))
    )
