"""Weekly counts of logged calls, cached in the store: there may be millions of calls, and most weeks do not change.

The cache is the table `call_weeks`, whose rows may be deleted at any time. A week with new calls is counted again.
A week whose calls were deleted (`[log] keep_days`) keeps its counts. If a task's list of labels has changed since, the
label counts come from the calls that are left.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from harness.core.errors import StoreError
from harness.monitor import weeks
from harness.monitor.weeks import Weeks, WeekTally
from harness.store import traffic
from harness.store.runs import Store
from harness.store.schema import CALL_WEEKS, CALLS


def counted(store: Store, first: date, last: date, labels: Mapping[str, Collection[str]]) -> Weeks:
    """Return the counts of the weeks from Monday `first` to Monday `last`; raises `StoreError`."""
    counts: dict[str, dict[date, WeekTally]] = {}
    week = first
    while week <= last:
        for task, tally in _count_week(store, week, labels).items():
            counts.setdefault(task, {})[week] = tally
        week += timedelta(weeks=1)
    return counts


def _count_week(store: Store, week: date, labels: Mapping[str, Collection[str]]) -> dict[str, WeekTally]:
    since, until = weeks.stamp(week), weeks.stamp(week + timedelta(weeks=1))
    calls = _calls_by_task(store, since, until)
    cached, current = _read_cache(store, week, labels)
    outdated = [task for task, n in calls.items() if task not in current or current[task].calls < n]
    new: dict[str, WeekTally] = {}
    for task in outdated:
        counts = weeks.count(traffic.read(store, task=task, since=since, until=until), labels).get(task)
        if counts or task in cached:  # otherwise its last calls were deleted in between
            new[task] = _merged(cached.get(task), (counts or {}).get(week, WeekTally()))
    if new:
        with suppress(StoreError), store.connection(writing=True) as connection:  # the store may be read-only
            connection.execute(
                CALL_WEEKS.delete().where(CALL_WEEKS.c.week == week.isoformat(), CALL_WEEKS.c.task.in_(list(new)))
            )
            connection.execute(CALL_WEEKS.insert(), [_row(task, week, tally, labels) for task, tally in new.items()])
    return {task: _merged(tally, WeekTally()) for task, tally in cached.items()} | current | new


def _merged(cached: WeekTally | None, counted_now: WeekTally) -> WeekTally:
    """Return the cached counts if calls were deleted since, with the label counts of the calls that are left."""
    if cached is not None and cached.calls > counted_now.calls:
        return replace(cached, labels=counted_now.labels)
    return counted_now


def _calls_by_task(store: Store, since: str, until: str) -> dict[str, int]:
    with store.connection() as connection:
        counts = sa.select(CALLS.c.task, sa.func.count().label("n"))
        query = counts.where(CALLS.c.called_at >= since, CALLS.c.called_at < until)
        return {row.task: row.n for row in connection.execute(query.group_by(CALLS.c.task))}


def _read_cache(
    store: Store, week: date, labels: Mapping[str, Collection[str]]
) -> tuple[dict[str, WeekTally], dict[str, WeekTally]]:
    """Return the cached counts of all tasks, and of the tasks whose list of labels has not changed."""
    with store.connection() as connection:
        rows = connection.execute(sa.select(CALL_WEEKS).where(CALL_WEEKS.c.week == week.isoformat())).all()
    cached = {row.task: _load(row.tally) for row in rows}
    unchanged = {row.task for row in rows if row.labels == _digest(labels.get(row.task, ()))}
    return cached, {task: tally for task, tally in cached.items() if task in unchanged}


_LABELS_KEY = "said"
"""The key of `WeekTally.labels` in the cached JSON, as in the first version of the table."""


def _row(task: str, week: date, tally: WeekTally, labels: Mapping[str, Collection[str]]) -> dict[str, Any]:
    names = [field.name for field in fields(WeekTally)]
    text = json.dumps({_LABELS_KEY if name == "labels" else name: getattr(tally, name) for name in names})
    return {"task": task, "week": week.isoformat(), "labels": _digest(labels.get(task, ())), "tally": text}


def _load(text: str) -> WeekTally:
    data = json.loads(text)
    return WeekTally(labels=Counter(data.pop(_LABELS_KEY)), **data)


def _digest(labels: Collection[str]) -> str:
    return hashlib.sha256(json.dumps(sorted(labels)).encode()).hexdigest()[:16]
