"""Counts of outcomes per run. Each run is counted once and the counts are kept: results are many, counts are few.

The counts are in a table of their own, `tallies`, which may be dropped at any time. A run that was gone on with has
another `finished_at`, and is counted again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import sqlalchemy as sa

from harness.core.errors import StoreError
from harness.core.types import Manifest, Tally
from harness.store.migrations import make_tables
from harness.store.runs import Store

_tallies = sa.Table(
    "tallies",
    sa.MetaData(),
    sa.Column("run_id", sa.String, primary_key=True),
    sa.Column("finished_at", sa.String, nullable=False),
    sa.Column("tally", sa.Text, nullable=False),
)
_results = sa.table("results", *map(sa.column, ("run_id", "case_id", "failed", "record")))
"""What is read here of the table of database.py."""


def tallies(store: Store, manifests: Sequence[Manifest]) -> dict[str, Tally]:
    """The outcomes of finished runs, by run id. Raises `StoreError` for records that cannot be read."""
    known = _kept(store, manifests)
    new = {m.run_id: _count(store, m.run_id) for m in manifests if m.run_id not in known}
    finished = {m.run_id: m.finished_at or "" for m in manifests}
    rows = [{"run_id": i, "finished_at": finished[i], "tally": _dump(tally)} for i, tally in new.items()]
    if rows:
        with suppress(StoreError), store.connection(writing=True) as connection:  # a store may be readable only
            make_tables(connection, _tallies.metadata)
            connection.execute(_tallies.delete().where(_tallies.c.run_id.in_(list(new))))
            connection.execute(_tallies.insert(), rows)
    return known | new


def _kept(store: Store, manifests: Sequence[Manifest]) -> dict[str, Tally]:
    finished = {m.run_id: m.finished_at for m in manifests}
    with store.connection() as connection:
        if not sa.inspect(connection).has_table(_tallies.name):
            return {}
        rows = connection.execute(sa.select(_tallies).where(_tallies.c.run_id.in_(list(finished))))
        return {row.run_id: _load(row.tally) for row in rows if row.finished_at == finished[row.run_id]}


def _count(store: Store, run_id: str) -> Tally:
    """One run, counted. Of a case that was asked more than once, all answers; cases without any are not among them."""
    query = sa.select(_results.c.case_id, _results.c.failed, _results.c.record).where(_results.c.run_id == run_id)
    by_case: dict[str, list[int]] = {}
    failed = 0
    with store.connection() as connection:
        for case_id, has_failed, record in connection.execute(query):
            failed += bool(has_failed)
            saved = json.loads(record)
            reading, score = saved["reading"], saved["score"]
            if reading and score:
                told = (1, score["strict"], score["lenient"], reading["compliant"])
                before = by_case.get(case_id, [0, 0, 0, 0])
                by_case[case_id] = [sum(pair) for pair in zip(before, told, strict=True)]
    return Tally(Counter((asked, strict, lenient, ok) for asked, strict, lenient, ok in by_case.values()), failed)


def _dump(tally: Tally) -> str:
    return json.dumps({"cases": [[*counts, n] for counts, n in tally.cases.items()], "failed": tally.failed})


def _load(text: str) -> Tally:
    data = json.loads(text)
    return Tally({(a, b, c, d): n for a, b, c, d, n in data["cases"]}, data["failed"])
