"""The database that runs are kept in: its tables, how it is opened, and its errors in words.

SQLAlchemy Core; SQLite in WAL mode unless `[store] url` says otherwise. What is read and written is in store.py.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from harness.core.errors import StoreError
from harness.core.extras import needed
from harness.store import migrations
from harness.store.migrations import FORMAT

BUSY_TIMEOUT_S = 30

_BY_BYTES = sa.String().with_variant(sa.String(collation="C"), "postgresql")
"""Text that is sorted as SQLite and Python do; PostgreSQL would sort it as people do, which depends on the server."""

META = sa.MetaData()
_meta = sa.Table("meta", META, sa.Column("key", sa.String, primary_key=True), sa.Column("value", sa.String))
RUNS = sa.Table(
    "runs",
    META,
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
CASES = sa.Table(
    "cases", META, sa.Column("row_hash", sa.String, primary_key=True), sa.Column("row", sa.Text, nullable=False)
)
RESULTS = sa.Table(
    "results",
    META,
    sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("case_id", _BY_BYTES, primary_key=True),
    sa.Column("repeat", sa.Integer, primary_key=True),
    sa.Column("row_hash", sa.String, sa.ForeignKey("cases.row_hash"), nullable=False),
    sa.Column("request_key", sa.String, nullable=False, index=True),
    sa.Column("failed", sa.Boolean, nullable=False),
    sa.Column("answered_at", sa.String, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
)


def connect(url: str, *, home: Path | None = None) -> tuple[sa.Engine, str]:
    """Open, and where it is new make, the database at `url`; and the url as it may be shown. Raises `StoreError`.

    `home`: for who only reads, the one folder that is made where it is missing. A path elsewhere may be mistyped, and
    an empty store there would say that there are no runs.
    """
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            folder = Path(parsed.database).parent
            if home not in {None, folder} and not folder.is_dir():
                msg = (
                    f"store {url}: there is no folder {folder}: check HARNESS_STORE_URL and [store] url in "
                    "harness.toml, or let `harness run` make it"
                )
                raise StoreError(msg)
            _make_folder(folder)
        with _driver(parsed):
            engine = sa.create_engine(parsed, **_engine_options(parsed))
    except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
        msg = f"store url {_without_password(url)!r} cannot be used: {_first_line(error)}"
        raise StoreError(msg) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _sqlite_pragmas if not _is_locked_away(parsed) else _sqlite_read_only)
        sa.event.listen(engine, "begin", _sqlite_begin)
    shown = _without_password(url)
    with explained(shown):
        with engine.connect() as connection:  # looked at first: who may only read must not have to write
            found = _format(connection)
        if found is None or migrations.check(found, shown):
            _make_tables(engine, shown)
    return engine, shown


def _driver(url: sa.URL) -> AbstractContextManager[None]:
    """The import of the driver that a url needs; only that of PostgreSQL is an extra."""
    if url.get_backend_name() != "postgresql" or url.get_driver_name() != "psycopg":
        return nullcontext()
    return needed("postgres", f"store url {url.render_as_string(hide_password=True)!r} needs psycopg", StoreError)


def _make_tables(engine: sa.Engine, shown: str) -> None:
    """In a new store, or of an old one the tables of today."""
    with engine.execution_options(writing=True).begin() as connection:
        migrations.alone(connection)
        found = _format(connection)  # again: another process may have been faster
        if found is not None:
            migrations.migrate(connection, found, shown)
        META.create_all(connection)
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
def explained(url: str) -> Iterator[None]:
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
