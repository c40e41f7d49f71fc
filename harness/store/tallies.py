"""Counts of outcomes per run, cached in the store: a run has many results and few distinct outcomes.

A resumed run has a new `finished_at` and is counted again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import sqlalchemy as sa

from harness.core.errors import StoreError
from harness.core.types import Manifest, Tally
from harness.store.runs import Store
from harness.store.schema import RESULTS, TALLIES


def tallies(store: Store, manifests: Sequence[Manifest]) -> dict[str, Tally]:
    """The outcomes of finished runs, by run id. Raises `StoreError` for a record that cannot be read."""
    known = _cached(store, manifests)
    new = {m.run_id: _count(store, m.run_id) for m in manifests if m.run_id not in known}
    finished = {m.run_id: m.finished_at or "" for m in manifests}
    rows = [{"run_id": i, "finished_at": finished[i], "tally": _dump(tally)} for i, tally in new.items()]
    if rows:
        with suppress(StoreError), store.connection(writing=True) as connection:  # the store may be read-only
            connection.execute(TALLIES.delete().where(TALLIES.c.run_id.in_(list(new))))
            connection.execute(TALLIES.insert(), rows)
    return known | new


def _cached(store: Store, manifests: Sequence[Manifest]) -> dict[str, Tally]:
    finished = {m.run_id: m.finished_at for m in manifests}
    with store.connection() as connection:
        rows = connection.execute(sa.select(TALLIES).where(TALLIES.c.run_id.in_(list(finished))))
        return {row.run_id: _load(row.tally) for row in rows if row.finished_at == finished[row.run_id]}


def _count(store: Store, run_id: str) -> Tally:
    """Count a run. A case with repeats counts all its replies; a case without any reply is left out."""
    query = sa.select(RESULTS.c.case_id, RESULTS.c.failed, RESULTS.c.record).where(RESULTS.c.run_id == run_id)
    by_case: dict[str, list[int]] = {}
    failed = 0
    with store.connection() as connection:
        for case_id, has_failed, record in connection.execute(query):
            failed += bool(has_failed)
            saved = json.loads(record)
            reading, score = saved["reading"], saved["score"]
            if reading and score:
                outcome = (1, score["strict"], score["lenient"], reading["compliant"])
                counts = by_case.get(case_id, [0, 0, 0, 0])
                by_case[case_id] = [sum(pair) for pair in zip(counts, outcome, strict=True)]
    return Tally(Counter((n, strict, lenient, ok) for n, strict, lenient, ok in by_case.values()), failed)


def _dump(tally: Tally) -> str:
    return json.dumps({"cases": [[*counts, n] for counts, n in tally.cases.items()], "failed": tally.failed})


def _load(text: str) -> Tally:
    data = json.loads(text)
    return Tally({(a, b, c, d): n for a, b, c, d, n in data["cases"]}, data["failed"])
