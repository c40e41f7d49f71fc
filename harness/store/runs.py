"""Save, load and find runs in the database.

A result is durable when `save` returns. Several processes may write to one store. Each distinct case is saved once.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple, overload

import sqlalchemy as sa

from harness.core.errors import StoreError
from harness.core.ids import new_run_id
from harness.core.types import OWN_ORIGINS, Manifest, Response, Result, Run
from harness.store import database, serialize
from harness.store.database import explained
from harness.store.run_query import ALL_RUNS, RunQuery
from harness.store.schema import CASES, RESULTS, RUN_TAGS, RUNS

_RESULT_KEY = ("run_id", "case_id", "repeat")

CHUNK = 500
"""Rows per read, and keys per query."""


class SavedCell(NamedTuple):
    """A cell with at least one saved run."""

    eval: str
    cell: str
    backend: str


class SavedResults(Sequence[Result]):
    """The results of a run. Up to `CHUNK` results are read once; more are read from the store at each iteration."""

    def __init__(self, store: Store, run_id: str, n: int) -> None:
        """`n`: number of results."""
        self._store = store
        self._run_id = run_id
        self._n = n
        self._loaded: list[Result] | None = None

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[Result]:
        if self._n > CHUNK:
            return self._store.each(self._run_id)
        if self._loaded is None:
            self._loaded = self._store.results(self._run_id)
        return iter(self._loaded)

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
    """The runs of a project, or of a team on PostgreSQL. Create it with `open_store`."""

    def __init__(self, engine: sa.Engine, url: str) -> None:
        self._engine = engine
        self._writer = engine.execution_options(writing=True)
        # SQLAlchemy generates code on the first use of a kind of statement. That is not thread-safe: two threads at
        # once get "'InternalTraversal' object is not callable". The store is never busy enough for the lock to matter.
        self._turn = RLock()
        self.url = url

    def begin(self, manifest: Manifest, *, plan_key: str, model_key: str) -> Manifest:
        """Record the start of a run. `plan_key` identifies its requests, `model_key` the model.

        Returns the manifest as it was saved: with another run id if a run has this id already.
        """
        with self._writing() as connection:
            while True:
                row = serialize.manifest_row(manifest)
                insert = self._insert(RUNS).values(**row, plan_key=plan_key, model_key=model_key)
                # The id is the only unique column, so that nothing else can be in conflict.
                if connection.execute(insert.on_conflict_do_nothing()).rowcount:
                    break
                manifest = replace(manifest, run_id=new_run_id(manifest.started_at))
            if manifest.tags:
                tags = [{"run_id": manifest.run_id, "tag": tag} for tag in dict.fromkeys(manifest.tags)]
                connection.execute(RUN_TAGS.insert(), tags)
        return manifest

    def save(self, run_id: str, results: Sequence[Result]) -> None:
        """Write results. A result replaces an earlier one of the same case and repeat, such as a failed call."""
        if not results:
            return
        case_rows = [serialize.case_row(result.case) for result in results]
        cases = {row["row_hash"]: row for row in case_rows}
        rows = [
            serialize.result_row(run_id, result, case["row_hash"])
            for result, case in zip(results, case_rows, strict=True)
        ]
        with self._writing() as connection:
            # Sorted, because two transactions that lock the same rows in different orders would deadlock.
            new = [cases[row_hash] for row_hash in sorted(cases)]
            connection.execute(self._insert(CASES).on_conflict_do_nothing(), new)
            insert = self._insert(RESULTS)
            changing = {column.name: insert.excluded[column.name] for column in RESULTS.c if not column.primary_key}
            connection.execute(insert.on_conflict_do_update(index_elements=_RESULT_KEY, set_=changing), rows)

    def finish(self, manifest: Manifest) -> None:
        """Record the end of a run."""
        with self._writing() as connection:
            connection.execute(
                RUNS.update()
                .where(RUNS.c.run_id == manifest.run_id)
                .values(
                    finished_at=manifest.finished_at,
                    case_limit=manifest.limit,
                    manifest=serialize.manifest_text(manifest),
                )
            )

    def add(self, run: Run) -> Run:
        """Save a run whose replies already exist, such as an import. `--resume` never continues it.

        Returns the run as it was saved: with another run id if a run has this id already.
        """
        unfinished = replace(run.manifest, finished_at=None)  # until its results are saved
        begun = self.begin(unfinished, plan_key="", model_key=run.manifest.fingerprint.get("backend_hash", ""))
        saved = replace(run, manifest=replace(run.manifest, run_id=begun.run_id))
        self.save(begun.run_id, run.results)
        if run.manifest.finished_at is not None:
            self.finish(saved.manifest)
        return saved

    def discard_if_empty(self, run_id: str) -> None:
        """Delete a run without results."""
        with self._writing() as connection:
            has_results = sa.exists().where(RESULTS.c.run_id == run_id)
            connection.execute(RUNS.delete().where(RUNS.c.run_id == run_id, sa.not_(has_results)))

    def answers(
        self, model_key: str, request_keys: Sequence[str], *, since: str = ""
    ) -> dict[str, tuple[Response, str]]:
        """Successful responses of a model to these requests, not older than `since`.

        Returns: request key -> (response, time of the response). The newest response of each request.
        """
        responses: dict[str, tuple[Response, str]] = {}
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
                    responses[key] = (serialize.response_of(json.loads(record)["response"]), answered_at)
        return responses

    def unfinished(self, plan_key: str) -> Manifest | None:
        """The newest run of this plan that is unfinished or has failed calls."""
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

    def manifests(self, query: RunQuery = ALL_RUNS) -> list[Manifest]:
        """The manifests of the runs that match."""
        with self._reading() as connection:
            return [serialize.manifest_of(text) for text in connection.scalars(query.select(RUNS.c.manifest))]

    def newest(self, query: RunQuery = ALL_RUNS) -> Manifest | None:
        """The first run that matches."""
        return next(iter(self.manifests(replace(query, limit=1))), None)

    def count_runs(self, query: RunQuery = ALL_RUNS) -> int:
        """Number of runs that match, whatever the query's `limit`."""
        with self._reading() as connection:
            rows = sa.select(sa.func.count()).select_from(RUNS).where(*query.conditions())
            return int(connection.scalar(rows) or 0)

    def cells(self, query: RunQuery = ALL_RUNS) -> list[SavedCell]:
        """The cells of the runs that match, by name."""
        columns = RUNS.c.eval, RUNS.c.cell, RUNS.c.backend
        with self._reading() as connection:
            rows = connection.execute(sa.select(*columns).where(*query.conditions()).distinct())
            return sorted(SavedCell(*row) for row in rows)

    def tags(self, query: RunQuery = ALL_RUNS) -> set[str]:
        """The tags of the runs that match."""
        with self._reading() as connection:
            return set(connection.scalars(sa.select(RUN_TAGS.c.tag).join(RUNS).where(*query.conditions()).distinct()))

    def with_results(self, manifest: Manifest) -> Run:
        """A run with its results in memory."""
        return Run(manifest, tuple(self.results(manifest.run_id)))

    def results(self, run_id: str) -> list[Result]:
        """The results of a run so far, by case id and repeat."""
        return list(self.each(run_id))

    def each(self, run_id: str) -> Iterator[Result]:
        """The results of a run so far, by case id and repeat. Other threads may use the store between chunks."""
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
                results = [serialize.result_of(dict(row)) for row in rows]
            yield from results
            if len(rows) < CHUNK:
                return
            last = (rows[-1]["case_id"], rows[-1]["repeat"])

    def answered(self, run_id: str, case_ids: Sequence[str]) -> list[Result]:
        """The successful results of a run for these cases, unordered."""
        columns = {serialize.column(case_id) for case_id in case_ids}
        query = (
            sa.select(RESULTS, CASES.c.row)
            .join(CASES)
            .where(RESULTS.c.run_id == run_id, RESULTS.c.case_id.in_(columns), sa.not_(RESULTS.c.failed))
        )
        with self._reading() as connection:
            return [serialize.result_of(dict(row)) for row in connection.execute(query).mappings()]

    def count(self, run_id: str, *, answered: bool = False) -> int:
        """Number of results of a run; `answered`: without the failed calls."""
        query = sa.select(sa.func.count()).select_from(RESULTS).where(RESULTS.c.run_id == run_id)
        with self._reading() as connection:
            return int(connection.scalar(query.where(sa.not_(RESULTS.c.failed)) if answered else query) or 0)

    def load(self, reference: str) -> Run:
        """A run by its id or an unambiguous prefix of it; raises `StoreError`."""
        matches = self._by_prefix(reference)
        exact = [manifest for manifest in matches if manifest.run_id == reference]
        if len(exact or matches) != 1:
            problem = f"several runs start with {reference!r}" if matches else f"no run {reference!r}"
            msg = f"{problem} in {self.url}: `harness history` lists them"
            raise StoreError(msg)
        return self.with_results((exact or matches)[0])

    def has_run(self, reference: str) -> bool:
        """Whether the id of any run starts with `reference`."""
        return bool(self._by_prefix(reference))

    def _by_prefix(self, reference: str) -> list[Manifest]:
        """At most two runs. Sorted, so that an exact match precedes longer ids."""
        pattern = reference.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        like = RUNS.c.run_id.like(pattern, escape="\\")
        query = sa.select(RUNS.c.manifest).where(like).order_by(RUNS.c.run_id).limit(2)
        with self._reading() as connection:
            return [serialize.manifest_of(text) for text in connection.scalars(query)]

    def latest(self, eval_name: str | None = None) -> list[Run]:
        """The newest finished run of each cell, of one eval or of all, by name. Replayed and judged runs do not count.

        A sample is returned only for a cell without a run over all cases.
        """
        query = RunQuery(eval=eval_name, finished=True, origins=OWN_ORIGINS, whole_first=True, newest_per_cell=True)
        manifests = sorted(self.manifests(query), key=lambda m: (m.eval, m.cell))
        return [self.with_results(m) for m in manifests]

    @contextmanager
    def connection(self, *, writing: bool = False) -> Iterator[sa.Connection]:
        """A database connection for the store's other modules. Only one thread at a time can use a connection."""
        with self._writing() if writing else self._reading() as connection:
            yield connection

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    def _insert(self, table: sa.Table) -> Any:
        """The dialect's own insert, with `ON CONFLICT`: two processes may save the same new case."""
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
    """Open the store at `url`, or create it; raises `StoreError`.

    `home`: for commands that only read, the only folder that may be created.
    """
    return Store(*database.connect(url, home=home))
