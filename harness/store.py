"""Runs in a database. SQLAlchemy Core; SQLite in WAL mode unless `[store] url` says otherwise.

A result is durable when `save` returns. Several processes may write to one store. Cases are kept once, by content.
"""

from __future__ import annotations

import importlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import Any, overload
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from harness import migrations, records
from harness.errors import StoreError
from harness.migrations import FORMAT
from harness.types import Manifest, Response, Result, Run

BUSY_TIMEOUT_S = 30

OF_A_RUN = "run:"
"""How the dataset of a run is called that is about the replies of another run, as a judge's is."""

_BY_BYTES = sa.String().with_variant(sa.String(collation="C"), "postgresql")
"""Text that is sorted as SQLite and Python do; PostgreSQL would sort it as people do, which depends on the server."""

_META = sa.MetaData()
_meta = sa.Table("meta", _META, sa.Column("key", sa.String, primary_key=True), sa.Column("value", sa.String))
_runs = sa.Table(
    "runs",
    _META,
    sa.Column("run_id", sa.String, primary_key=True),
    sa.Column("eval", sa.String, nullable=False, index=True),
    sa.Column("cell", sa.String, nullable=False),
    sa.Column("plan_key", sa.String, nullable=False, index=True),
    sa.Column("model_key", sa.String, nullable=False),
    sa.Column("started_at", sa.String, nullable=False),
    sa.Column("finished_at", sa.String),
    sa.Column("manifest", sa.Text, nullable=False),
    sa.Column("lease", sa.String),  # leases.py
    sa.Column("lease_until", sa.Float),
)
_cases = sa.Table(
    "cases", _META, sa.Column("row_hash", sa.String, primary_key=True), sa.Column("row", sa.Text, nullable=False)
)
_results = sa.Table(
    "results",
    _META,
    sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("case_id", _BY_BYTES, primary_key=True),
    sa.Column("repeat", sa.Integer, primary_key=True),
    sa.Column("row_hash", sa.String, sa.ForeignKey("cases.row_hash"), nullable=False),
    sa.Column("request_key", sa.String, nullable=False, index=True),
    sa.Column("failed", sa.Boolean, nullable=False),
    sa.Column("answered_at", sa.String, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
)
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
                _runs.insert().values(
                    run_id=manifest.run_id,
                    eval=manifest.eval,
                    cell=manifest.cell,
                    plan_key=plan_key,
                    model_key=model_key,
                    started_at=manifest.started_at,
                    finished_at=None,
                    manifest=records.dump(asdict(manifest)),
                )
            )

    def save(self, run_id: str, results: Sequence[Result]) -> None:
        """Write results; one of the same case and repeat (an earlier failure, asked again) is replaced."""
        if not results:
            return
        cases = {id(result.case): records.case_row(result.case) for result in results}
        rows = [records.result_row(run_id, result, cases[id(result.case)]["row_hash"]) for result in results]
        with self._writing() as connection:
            # in one order, whatever the results': two transactions that take the same rows crosswise wait for ever
            new = sorted(cases.values(), key=lambda row: row["row_hash"])
            connection.execute(self._insert(_cases).on_conflict_do_nothing(), new)
            insert = self._insert(_results)
            changing = {name: insert.excluded[name] for name in _results.c.keys() if name not in _PLACE}  # noqa: SIM118
            connection.execute(insert.on_conflict_do_update(index_elements=_PLACE, set_=changing), rows)

    def finish(self, manifest: Manifest) -> None:
        """Record that a run is complete."""
        with self._writing() as connection:
            connection.execute(
                _runs.update()
                .where(_runs.c.run_id == manifest.run_id)
                .values(finished_at=manifest.finished_at, manifest=records.dump(asdict(manifest)))
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
            has_results = sa.exists().where(_results.c.run_id == run_id)
            connection.execute(_runs.delete().where(_runs.c.run_id == run_id, sa.not_(has_results)))

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
                    sa.select(_results.c.request_key, _results.c.record, _results.c.answered_at)
                    .join(_runs)
                    .where(
                        _runs.c.model_key == model_key,
                        _results.c.request_key.in_(request_keys[start : start + CHUNK]),
                        sa.not_(_results.c.failed),
                        _results.c.answered_at >= since,
                    )
                    .order_by(_results.c.answered_at)
                )
                for key, record, answered_at in connection.execute(query):
                    found[key] = (records.response_of(json.loads(record)["response"]), answered_at)
        return found

    def unfinished(self, plan_key: str) -> Manifest | None:
        """The newest run of this plan that was not finished, or in which calls failed."""
        failures = sa.exists().where(_results.c.run_id == _runs.c.run_id, _results.c.failed)
        query = (
            sa.select(_runs.c.manifest)
            .where(_runs.c.plan_key == plan_key, sa.or_(_runs.c.finished_at.is_(None), failures))
            .order_by(_runs.c.started_at.desc())
            .limit(1)
        )
        with self._reading() as connection:
            text = connection.scalar(query)
        return records.manifest_of(text) if text else None

    def manifests(self, eval_name: str | None = None, limit: int | None = None) -> list[Manifest]:
        """Runs, newest first."""
        query = sa.select(_runs.c.manifest).order_by(_runs.c.started_at.desc(), _runs.c.run_id.desc())
        if eval_name:
            query = query.where(_runs.c.eval == eval_name)
        with self._reading() as connection:
            return [records.manifest_of(text) for text in connection.scalars(query.limit(limit))]

    def results(self, run_id: str) -> list[Result]:
        """What a run has so far, by case id."""
        return list(self.each(run_id))

    def each(self, run_id: str) -> Iterator[Result]:
        """What a run has so far, by case id and repeat, some at a time: the store is free for others in between."""
        query = (
            sa.select(_results, _cases.c.row)
            .join(_cases)
            .where(_results.c.run_id == run_id)
            .order_by(_results.c.case_id, _results.c.repeat)
            .limit(CHUNK)
        )
        after = sa.tuple_(_results.c.case_id, _results.c.repeat)
        last: tuple[str, int] | None = None
        while True:
            with self._reading() as connection:
                more = query if last is None else query.where(after > last)
                rows = connection.execute(more).mappings().all()
                found = [records.result_of(dict(row)) for row in rows]
            yield from found
            if len(rows) < CHUNK:
                return
            last = (rows[-1]["case_id"], rows[-1]["repeat"])

    def answered(self, run_id: str, case_ids: Sequence[str]) -> list[Result]:
        """What a run has of these cases and is no failed call, in no order."""
        columns = {records.column(case_id) for case_id in case_ids}
        query = (
            sa.select(_results, _cases.c.row)
            .join(_cases)
            .where(_results.c.run_id == run_id, _results.c.case_id.in_(columns), sa.not_(_results.c.failed))
        )
        with self._reading() as connection:
            return [records.result_of(dict(row)) for row in connection.execute(query).mappings()]

    def count(self, run_id: str, *, answered: bool = False) -> int:
        """How many results a run has; `answered`: without the failed calls."""
        query = sa.select(sa.func.count()).select_from(_results).where(_results.c.run_id == run_id)
        with self._reading() as connection:
            return int(connection.scalar(query.where(sa.not_(_results.c.failed)) if answered else query) or 0)

    def load(self, reference: str) -> Run:
        """A run by its id or an unambiguous beginning of it; raises `StoreError`."""
        pattern = reference.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        like = _runs.c.run_id.like(pattern, escape="\\")
        # In order: the id that is the whole of `reference` comes before those that only begin with it.
        query = sa.select(_runs.c.manifest).where(like).order_by(_runs.c.run_id).limit(2)
        with self._reading() as connection:
            found = [records.manifest_of(text) for text in connection.scalars(query)]
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
        with self._turn, _explained(self.url), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._turn, _explained(self.url), self._engine.connect() as connection:
            yield connection


def open_store(url: str) -> Store:
    """Open, and where it is new make, the store at `url`; raises `StoreError`."""
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            _make_folder(Path(parsed.database).parent)
        engine = sa.create_engine(parsed, **_engine_options(parsed))
    except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
        extra = ": `pip install 'prompt-portability-harness[postgres]'`" if "psycopg" in str(error) else ""
        msg = f"store url {_without_password(url)!r} cannot be used: {_first_line(error)}{extra}"
        raise StoreError(msg) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _sqlite_pragmas if not _is_locked_away(parsed) else _sqlite_read_only)
        sa.event.listen(engine, "begin", _sqlite_begin)
    shown = _without_password(url)
    with _explained(shown):
        with engine.connect() as connection:  # looked at first: who may only read must not have to write
            found = _format(connection)
        if found is None or migrations.check(found, shown):
            _make_tables(engine, shown)
    return Store(engine, shown)


def _make_tables(engine: sa.Engine, shown: str) -> None:
    """In a new store, or of an old one the tables of today."""
    with engine.execution_options(writing=True).begin() as connection:
        migrations.alone(connection)
        found = _format(connection)  # again: another process may have been faster
        if found is not None:
            migrations.migrate(connection, found, shown)
        _META.create_all(connection)
        if found is None:
            connection.execute(_meta.insert().values(key="format", value=str(FORMAT)))


def _format(connection: sa.Connection) -> int | None:
    """The format of the store, `None` where there is none yet."""
    if not sa.inspect(connection).has_table(_meta.name):
        return None
    found = connection.scalar(sa.select(_meta.c.value).where(_meta.c.key == "format"))
    return None if found is None else int(found)


def _is_locked_away(url: sa.URL) -> bool:
    """Whether an SQLite file, or its folder, where SQLite keeps its log, cannot be written by us."""
    path = Path(url.database or "")
    return path.is_file() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


def _make_folder(folder: Path) -> None:
    """The store's folder keeps itself out of git: replies may hold what customers wrote."""
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)  # another process may be as fast
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def _engine_options(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() != "sqlite":
        return {"pool_pre_ping": True}  # the server may have been restarted in between
    if url.database in (None, "", ":memory:"):  # one connection for all threads, or each would see a store of its own
        one = {"poolclass": sa.QueuePool, "pool_size": 1, "max_overflow": 0}
        return {**one, "connect_args": {"check_same_thread": False}}
    if _is_locked_away(url):
        return {"creator": lambda: _read_only(Path(str(url.database)))}
    return {"connect_args": {"timeout": BUSY_TIMEOUT_S}}


def _read_only(path: Path) -> sqlite3.Connection:
    """A file that we may only read.

    In a folder that is closed SQLite cannot make its log, and opens no file without one unless it is told that nobody
    changes the file. Where there is a log, what stands in it must not be hidden by that: then SQLite's error is told.
    """
    log = path.with_name(f"{path.name}-wal")
    has_log = log.exists() and log.stat().st_size > 0
    still = "" if has_log or os.access(path.parent, os.W_OK) else "&immutable=1"
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro{still}", uri=True, timeout=BUSY_TIMEOUT_S, check_same_thread=False
    )


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a saved answer survives a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _sqlite_read_only(connection: Any, _record: Any) -> None:
    connection.isolation_level = None


def _sqlite_begin(connection: sa.Connection) -> None:
    """A writer takes the write lock at once: a lock taken halfway fails instead of waiting for another process."""
    writing = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


_GONE = "once the server is there again, go on with --resume"


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Database errors as one line."""
    try:
        yield
    except SQLAlchemyError as error:
        text = _first_line(getattr(error, "orig", None) or error)
        advice = {
            "malformed": "it is damaged: move it away and run again, or restore a copy",
            "not a database": "that file is something else: name another in harness.toml [store] url",
            "disk is full": "the disk is full: make room, then go on with --resume",
            "disk I/O error": "the disk does not take it: check space and health, then go on with --resume",
            "locked": "another process holds it: wait for that, then go on with --resume",
            "readonly": "it cannot be written: check its permissions",
            "unable to open": "it cannot be opened: its folder must be there and writable",
            "permission denied": "it may only be read: ask its owner for the right to write",
            "server closed": _GONE,
            "terminating connection": _GONE,
            "connection is lost": _GONE,
            "Connection refused": f"nobody listens there: check [store] url in harness.toml; {_GONE}",
        }
        what = next((hint for sign, hint in advice.items() if sign in text), "check [store] url in harness.toml")
        msg = f"store {url}: {text}: {what}"
        raise StoreError(msg) from None
    except (ValueError, KeyError, TypeError) as error:
        msg = f"store {url}: a saved record cannot be read ({_first_line(error)}): it is damaged or from another tool"
        raise StoreError(msg) from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _without_password(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except (SQLAlchemyError, ValueError):
        scheme, found, _ = url.partition("://")
        return f"{scheme}://…" if found else "…"
