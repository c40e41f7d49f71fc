"""A judge's verdicts on the routed calls of a review sheet's period. One judge per sheet and task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import sqlalchemy as sa

from harness.store.runs import Store
from harness.store.schema import REVIEW_VERDICTS

CHUNK = 500
"""Call ids per query."""


@dataclass(frozen=True, slots=True)
class CallVerdict:
    """One verdict. `outcome`: the call's stratum. `accepted`: whether the judge found the call's value right."""

    call_id: int
    task: str
    backend: str
    outcome: str
    compliant: bool
    accepted: bool


class VerdictStratum(NamedTuple):
    """A stratum of a sheet."""

    task: str
    backend: str
    outcome: str


@dataclass(frozen=True, slots=True)
class VerdictTotals:
    """The verdicts of one stratum, counted. `strict`: accepted calls that also kept the contract."""

    judge: str
    judged: int
    accepted: int
    strict: int


def add(store: Store, sheet: str, judge: str, judge_key: str, verdicts: Sequence[CallVerdict]) -> None:
    """Write verdicts in one transaction; an earlier verdict on the same call is replaced. Raises `StoreError`."""
    if not verdicts:
        return
    rows = [{"sheet": sheet, "judge": judge, "judge_key": judge_key, **asdict(verdict)} for verdict in verdicts]
    with store.connection(writing=True) as connection:
        for ids in _chunks([verdict.call_id for verdict in verdicts]):
            connection.execute(
                REVIEW_VERDICTS.delete().where(REVIEW_VERDICTS.c.sheet == sheet, REVIEW_VERDICTS.c.call_id.in_(ids))
            )
        connection.execute(REVIEW_VERDICTS.insert(), rows)


def judged_calls(store: Store, sheet: str, task: str, judge_key: str) -> set[int]:
    """Return the ids of a task's calls with a verdict by this judge."""
    c = REVIEW_VERDICTS.c
    with store.connection() as connection:
        query = sa.select(c.call_id).where(c.sheet == sheet, c.task == task, c.judge_key == judge_key)
        return set(connection.scalars(query))


def drop_other_judges(store: Store, sheet: str, task: str, judge_key: str) -> int:
    """Delete a task's verdicts by other judges; return their number."""
    c = REVIEW_VERDICTS.c
    with store.connection(writing=True) as connection:
        delete = REVIEW_VERDICTS.delete().where(c.sheet == sheet, c.task == task, c.judge_key != judge_key)
        return connection.execute(delete).rowcount


def totals(store: Store, sheet: str) -> dict[VerdictStratum, VerdictTotals]:
    """Count the verdicts of a sheet by stratum."""
    c = REVIEW_VERDICTS.c
    query = sa.select(
        *(c.task, c.backend, c.outcome, sa.func.max(c.judge).label("judge"), sa.func.count().label("judged")),
        sa.func.sum(sa.case((c.accepted, 1), else_=0)).label("accepted"),
        sa.func.sum(sa.case((sa.and_(c.accepted, c.compliant), 1), else_=0)).label("strict"),
    )
    with store.connection() as connection:
        rows = connection.execute(query.where(c.sheet == sheet).group_by(c.task, c.backend, c.outcome)).all()
    return {
        VerdictStratum(row.task, row.backend, row.outcome): VerdictTotals(
            row.judge, row.judged, int(row.accepted), int(row.strict)
        )
        for row in rows
    }


def of_calls(store: Store, sheet: str, call_ids: Sequence[int]) -> Mapping[int, bool]:
    """Return call id -> whether the judge accepted it, for those of the calls that have a verdict."""
    c = REVIEW_VERDICTS.c
    accepted: dict[int, bool] = {}
    with store.connection() as connection:
        for ids in _chunks(call_ids):
            query = sa.select(c.call_id, c.accepted).where(c.sheet == sheet, c.call_id.in_(ids))
            accepted |= {row.call_id: row.accepted for row in connection.execute(query)}
    return accepted


def _chunks(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
