"""Whole weeks of logged calls, counted once: calls are millions, and most weeks do not change any more.

The counts are in the table `call_weeks`, whose rows may be deleted at any time. A week to which calls have come
since is counted again; one whose calls were forgotten since (`[log] keep_days`) is taken as it was counted. Only how
often each label was said is of the calls that are left, where the task's list of labels has changed since.
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
    """The weeks from Monday `first` to Monday `last`, counted. Raises `StoreError`."""
    found: dict[str, dict[date, WeekTally]] = {}
    week = first
    while week <= last:
        for task, tally in _week(store, week, labels).items():
            found.setdefault(task, {})[week] = tally
        week += timedelta(weeks=1)
    return found


def _week(store: Store, week: date, labels: Mapping[str, Collection[str]]) -> dict[str, WeekTally]:
    since, until = weeks.stamp(week), weeks.stamp(week + timedelta(weeks=1))
    there = _there(store, since, until)
    kept, known = _kept_of(store, week, labels)
    anew = [task for task, n in there.items() if task not in known or known[task].calls < n]
    new: dict[str, WeekTally] = {}
    for task in anew:
        found = weeks.count(traffic.read(store, task=task, since=since, until=until), labels).get(task)
        if found or task in kept:  # else its last calls were forgotten in between
            new[task] = _merged(kept.get(task), (found or {}).get(week, WeekTally()))
    if new:
        with suppress(StoreError), store.connection(writing=True) as connection:  # a store may be readable only
            connection.execute(
                CALL_WEEKS.delete().where(CALL_WEEKS.c.week == week.isoformat(), CALL_WEEKS.c.task.in_(list(new)))
            )
            connection.execute(CALL_WEEKS.insert(), [_row(task, week, tally, labels) for task, tally in new.items()])
    return {task: _merged(tally, WeekTally()) for task, tally in kept.items()} | known | new


def _merged(before: WeekTally | None, found: WeekTally) -> WeekTally:
    """What was counted before, by other labels, of a week of which fewer calls are left: these tell what was said."""
    return replace(before, said=found.said) if before is not None and before.calls > found.calls else found


def _there(store: Store, since: str, until: str) -> dict[str, int]:
    """How many calls of each task the store has now."""
    with store.connection() as connection:
        counts = sa.select(CALLS.c.task, sa.func.count().label("n"))
        query = counts.where(CALLS.c.called_at >= since, CALLS.c.called_at < until)
        return {row.task: row.n for row in connection.execute(query.group_by(CALLS.c.task))}


def _kept_of(
    store: Store, week: date, labels: Mapping[str, Collection[str]]
) -> tuple[dict[str, WeekTally], dict[str, WeekTally]]:
    """What was counted before: of all tasks, and of those whose labels are still the same."""
    with store.connection() as connection:
        rows = connection.execute(sa.select(CALL_WEEKS).where(CALL_WEEKS.c.week == week.isoformat())).all()
    kept = {row.task: _load(row.tally) for row in rows}
    same = {row.task for row in rows if row.labels == _digest(labels.get(row.task, ()))}
    return kept, {task: tally for task, tally in kept.items() if task in same}


def _row(task: str, week: date, tally: WeekTally, labels: Mapping[str, Collection[str]]) -> dict[str, Any]:
    text = json.dumps({f.name: getattr(tally, f.name) for f in fields(WeekTally)})
    return {"task": task, "week": week.isoformat(), "labels": _digest(labels.get(task, ())), "tally": text}


def _load(text: str) -> WeekTally:
    data = json.loads(text)
    return WeekTally(**{**data, "said": Counter(data["said"])})


def _digest(labels: Collection[str]) -> str:
    return hashlib.sha256(json.dumps(sorted(labels)).encode()).hexdigest()[:16]
