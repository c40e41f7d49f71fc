"""A filter for saved runs, executed in SQL.

store.newest(RunQuery(eval="triage", cell="local@q4", finished=True, whole=True))
store.manifests(RunQuery(tags=("weekly",), limit=20))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from harness.core.types import Decoding, RunOrigin
from harness.store.schema import RUN_TAGS, RUNS


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs, and in which order. A run must match every field that is set. The newest run is first.

    `finished`: only finished runs. `whole`: only runs over all cases; `case_limit`: only samples of that size.
    `tags`: a run has all of them. `since` and `before` compare with `started_at`, ISO UTC; `before` is exclusive.
    `whole_first`: runs over all cases precede samples, and larger samples smaller ones.
    `newest_per_cell`: only the first run of each eval and cell.
    """

    eval: str | None = None
    cell: str | None = None
    backends: tuple[str, ...] | None = None
    variant: str | None = None
    decoding: Decoding | None = None
    splits: tuple[str, ...] | None = None
    finished: bool = False
    whole: bool = False
    case_limit: int | None = None
    tags: tuple[str, ...] = ()
    origins: frozenset[RunOrigin] | None = None
    since: str = ""
    before: str = ""
    whole_first: bool = False
    newest_per_cell: bool = False
    limit: int | None = None
    offset: int = 0

    def select(self, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
        """The query for these columns of `RUNS`, in order."""
        query = sa.select(*columns)
        if self.newest_per_cell:
            place = sa.func.row_number().over(partition_by=(RUNS.c.eval, RUNS.c.cell), order_by=self._order())
            ranked = sa.select(RUNS.c.run_id, place.label("place")).where(*self.conditions()).subquery()
            query = query.join(ranked, ranked.c.run_id == RUNS.c.run_id).where(ranked.c.place == 1)
        else:
            query = query.where(*self.conditions())
        return query.order_by(*self._order()).limit(self.limit).offset(self.offset or None)

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """The filters, without order, `newest_per_cell`, `limit` and `offset`."""
        equal = ("eval", "cell", "variant", "decoding", "case_limit")
        one_of = {"backend": self.backends, "split": self.splits, "origin": self.origins}
        return [
            *(RUNS.c[name] == getattr(self, name) for name in equal if getattr(self, name) is not None),
            *(RUNS.c[name].in_(sorted(values)) for name, values in one_of.items() if values is not None),
            *([RUNS.c.finished_at.is_not(None)] if self.finished else []),
            *([RUNS.c.case_limit.is_(None)] if self.whole else []),
            *([RUNS.c.started_at >= self.since] if self.since else []),
            *([RUNS.c.started_at < self.before] if self.before else []),
            *(sa.exists().where(RUN_TAGS.c.run_id == RUNS.c.run_id, RUN_TAGS.c.tag == tag) for tag in self.tags),
        ]

    def _order(self) -> list[sa.ColumnElement[Any]]:
        order: list[sa.ColumnElement[Any]] = [RUNS.c.started_at.desc(), RUNS.c.run_id.desc()]
        return [RUNS.c.case_limit.is_not(None), RUNS.c.case_limit.desc(), *order] if self.whole_first else order


ALL_RUNS = RunQuery()
