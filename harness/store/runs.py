"""Runs in a database (database.py): what is written of them and how it is found again.

A result is durable when `save` returns. Several processes may write to one store. Cases are kept once, by content.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import Any, overload

import sqlalchemy as sa

from harness.core.errors import StoreError
from harness.core.run_kinds import OF_A_RUN
from harness.core.types import Manifest, Response, Result, Run
from harness.store import database, serialize
from harness.store.database import CASES, RESULTS, RUNS, explained

_PLACE = ("run_id", "case_id", "repeat")
"""Where a result stands: one a case and repeat."""

CHUNK = 500
"""How many rows are read, and how many keys are looked for, at a time."""


class SavedResults(Sequence[Result]):
    """The results of a run, read from its store whenever they are gone through: there may be a million of them."""

    def __init__(self, store: Store, run_id: str, n: int) -> None:
        """`n`: how many there are."""
        self._store = store
        self._run_id = run_id
        self._n = n

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[Result]:
        return self._store.each(self._run_id)

    @overload
    def __getitem__(self, place: int) -> Result: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Result]: ...
    def __getitem__(self, place: int | slice) -> Result | Sequence[Result]:
        if isinstance(place, int):
            return next(islice(self, place % self._n, None))
        start, stop, step = place.indices(self._n)
        return tuple(islice(self, start, stop, step))


class Store:
    """The runs of a project (or of a team, on PostgreSQL)."""

    def __init__(self, engine: sa.Engine, url: str) -> None:
        """Use `open_store`."""
        self._engine = engine
        self._writer = engine.execution_options(writing=True)
        # SQLAlchemy writes code for each kind of statement on its first use, and two threads at once trip over it
        # ("'InternalTraversal' object is not callable"); a store is never so busy that taking turns would show.
        self._turn = RLock()
        self.url = url

    def begin(self, manifest: Manifest, *, plan_key: str, model_key: str) -> None:
        """Record that a run has started. `plan_key` says what it is to do, `model_key` who answers."""
        with self._writing() as connection:
            connection.execute(
                RUNS.insert().values(
                    run_id=manifest.run_id,
                    eval=manifest.eval,
                    cell=manifest.cell,
                    plan_key=plan_key,
                    model_key=model_key,
                    started_at=manifest.started_at,
                    finished_at=None,
                    manifest=serialize.dump(asdict(manifest)),
                )
            )

    def save(self, run_id: str, results: Sequence[Result]) -> None:
        """Write results; one of the same case and repeat (an earlier failure, asked again) is replaced."""
        if not results:
            return
        cases = {id(result.case): serialize.case_row(result.case) for result in results}
        rows = [serialize.result_row(run_id, result, cases[id(result.case)]["row_hash"]) for result in results]
        with self._writing() as connection:
            # in one order, whatever the results': two transactions that take the same rows crosswise wait for ever
            new = sorted(cases.values(), key=lambda row: row["row_hash"])
            connection.execute(self._insert(CASES).on_conflict_do_nothing(), new)
            insert = self._insert(RESULTS)
            changing = {name: insert.excluded[name] for name in RESULTS.c.keys() if name not in _PLACE}  # noqa: SIM118
            connection.execute(insert.on_conflict_do_update(index_elements=_PLACE, set_=changing), rows)

    def finish(self, manifest: Manifest) -> None:
        """Record that a run is complete."""
        with self._writing() as connection:
            connection.execute(
                RUNS.update()
                .where(RUNS.c.run_id == manifest.run_id)
                .values(finished_at=manifest.finished_at, manifest=serialize.dump(asdict(manifest)))
            )

    def add(self, run: Run) -> None:
        """Keep a run that was made from another one: whole, and never to be resumed."""
        self.begin(run.manifest, plan_key="", model_key=run.manifest.fingerprint.get("backend_hash", ""))
        self.save(run.manifest.run_id, run.results)
        if run.manifest.finished_at is not None:
            self.finish(run.manifest)

    def discard_if_empty(self, run_id: str) -> None:
        """Forget a run that came to nothing: no result of it is there."""
        with self._writing() as connection:
            has_results = sa.exists().where(RESULTS.c.run_id == run_id)
            connection.execute(RUNS.delete().where(RUNS.c.run_id == run_id, sa.not_(has_results)))

    def answers(
        self, model_key: str, request_keys: Sequence[str], *, since: str = ""
    ) -> dict[str, tuple[Response, str]]:
        """Earlier answers of the same model to the same requests, not older than `since`.

        Request key -> (response, answered at).
        """
        found: dict[str, tuple[Response, str]] = {}
        with self._reading() as connection:
            for start in range(0, len(request_keys), CHUNK):
                query = (
                    sa.select(RESULTS.c.request_key, RESULTS.c.record, RESULTS.c.answered_at)
                    .join(RUNS)
                    .where(
                        RUNS.c.model_key == model_key,
                        RESULTS.c.request_key.in_(request_keys[start : start + CHUNK]),
                        sa.not_(RESULTS.c.failed),
                        RESULTS.c.answered_at >= since,
                    )
                    .order_by(RESULTS.c.answered_at)
                )
                for key, record, answered_at in connection.execute(query):
                    found[key] = (serialize.response_of(json.loads(record)["response"]), answered_at)
        return found

    def unfinished(self, plan_key: str) -> Manifest | None:
        """The newest run of this plan that was not finished, or in which calls failed."""
        failures = sa.exists().where(RESULTS.c.run_id == RUNS.c.run_id, RESULTS.c.failed)
        query = (
            sa.select(RUNS.c.manifest)
            .where(RUNS.c.plan_key == plan_key, sa.or_(RUNS.c.finished_at.is_(None), failures))
            .order_by(RUNS.c.started_at.desc())
            .limit(1)
        )
        with self._reading() as connection:
            text = connection.scalar(query)
        return serialize.manifest_of(text) if text else None

    def manifests(self, eval_name: str | None = None, limit: int | None = None) -> list[Manifest]:
        """Runs, newest first."""
        query = sa.select(RUNS.c.manifest).order_by(RUNS.c.started_at.desc(), RUNS.c.run_id.desc())
        if eval_name:
            query = query.where(RUNS.c.eval == eval_name)
        with self._reading() as connection:
            return [serialize.manifest_of(text) for text in connection.scalars(query.limit(limit))]

    def results(self, run_id: str) -> list[Result]:
        """What a run has so far, by case id."""
        return list(self.each(run_id))

    def each(self, run_id: str) -> Iterator[Result]:
        """What a run has so far, by case id and repeat, some at a time: the store is free for others in between."""
        query = (
            sa.select(RESULTS, CASES.c.row)
            .join(CASES)
            .where(RESULTS.c.run_id == run_id)
            .order_by(RESULTS.c.case_id, RESULTS.c.repeat)
            .limit(CHUNK)
        )
        after = sa.tuple_(RESULTS.c.case_id, RESULTS.c.repeat)
        last: tuple[str, int] | None = None
        while True:
            with self._reading() as connection:
                more = query if last is None else query.where(after > last)
                rows = connection.execute(more).mappings().all()
                found = [serialize.result_of(dict(row)) for row in rows]
            yield from found
            if len(rows) < CHUNK:
                return
            last = (rows[-1]["case_id"], rows[-1]["repeat"])

    def answered(self, run_id: str, case_ids: Sequence[str]) -> list[Result]:
        """What a run has of these cases and is no failed call, in no order."""
        columns = {serialize.column(case_id) for case_id in case_ids}
        query = (
            sa.select(RESULTS, CASES.c.row)
            .join(CASES)
            .where(RESULTS.c.run_id == run_id, RESULTS.c.case_id.in_(columns), sa.not_(RESULTS.c.failed))
        )
        with self._reading() as connection:
            return [serialize.result_of(dict(row)) for row in connection.execute(query).mappings()]

    def count(self, run_id: str, *, answered: bool = False) -> int:
        """How many results a run has; `answered`: without the failed calls."""
        query = sa.select(sa.func.count()).select_from(RESULTS).where(RESULTS.c.run_id == run_id)
        with self._reading() as connection:
            return int(connection.scalar(query.where(sa.not_(RESULTS.c.failed)) if answered else query) or 0)

    def load(self, reference: str) -> Run:
        """A run by its id or an unambiguous beginning of it; raises `StoreError`."""
        pattern = reference.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        like = RUNS.c.run_id.like(pattern, escape="\\")
        # In order: the id that is the whole of `reference` comes before those that only begin with it.
        query = sa.select(RUNS.c.manifest).where(like).order_by(RUNS.c.run_id).limit(2)
        with self._reading() as connection:
            found = [serialize.manifest_of(text) for text in connection.scalars(query)]
        exact = [manifest for manifest in found if manifest.run_id == reference]
        if len(exact or found) != 1:
            what = f"several runs start with {reference!r}" if found else f"no run {reference!r}"
            msg = f"{what} in {self.url}: `harness history` lists them"
            raise StoreError(msg)
        manifest = (exact or found)[0]
        return Run(manifest, tuple(self.results(manifest.run_id)))

    def latest(self, eval_name: str | None = None) -> list[Run]:
        """The newest finished run of every cell of every eval (of one eval).

        A sample only where there is nothing whole. Replayed runs are no news, and left out; so are a judge's.
        """
        newest: dict[tuple[str, str], Manifest] = {}
        for manifest in sorted(self.manifests(eval_name), key=lambda m: m.limit is not None):
            is_own = not manifest.backend.startswith("replay:") and not manifest.dataset.startswith(OF_A_RUN)
            if manifest.finished_at and is_own:
                newest.setdefault((manifest.eval, manifest.cell), manifest)
        return [Run(m, tuple(self.results(m.run_id))) for _, m in sorted(newest.items())]

    @contextmanager
    def connection(self, *, writing: bool = False) -> Iterator[sa.Connection]:
        """The database itself, in turn with everybody else, for what has a table of its own (history.py)."""
        with self._writing() if writing else self._reading() as connection:
            yield connection

    def close(self) -> None:
        """Give the database's files back."""
        self._engine.dispose()

    def _insert(self, table: sa.Table) -> Any:
        """An insert that knows what to do about a row that is there: two processes may meet the same new case."""
        dialect = self._engine.dialect.name
        return importlib.import_module(f"sqlalchemy.dialects.{dialect}").insert(table)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._turn, explained(self.url), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._turn, explained(self.url), self._engine.connect() as connection:
            yield connection


def open_store(url: str, *, home: Path | None = None) -> Store:
    """Open, and where it is new make, the store at `url`; raises `StoreError`.

    `home`: for who only reads, the one folder that is made where it is missing.
    """
    return Store(*database.connect(url, home=home))
