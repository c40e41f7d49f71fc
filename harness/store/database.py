"""Open the store's database, and turn its errors into one-line messages.

SQLite in WAL mode, unless `[store] url` names a PostgreSQL database.
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
from harness.store.schema import FORMAT, META, METADATA

BUSY_TIMEOUT_S = 30


def connect(url: str, *, home: Path | None = None) -> tuple[sa.Engine, str]:
    """Open the database at `url`, or create it. Returns its engine, and the URL without the password.

    `home`: for commands that only read, the only folder that may be created. Another path may be mistyped, and an empty
    store there would report that there are no runs. Raises `StoreError`.
    """
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            folder = Path(parsed.database).parent
            if home not in {None, folder} and not folder.is_dir():
                msg = (
                    f"store {url}: folder {folder} does not exist: check HARNESS_STORE_URL and [store] url in "
                    "harness.toml, or run `harness run`, which creates it"
                )
                raise StoreError(msg)
            _make_folder(folder)
        with _driver(parsed):
            engine = sa.create_engine(parsed, **_engine_options(parsed))
    except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
        msg = f"store url {_without_password(url)!r} cannot be used: {_first_line(error)}"
        raise StoreError(msg) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _sqlite_read_only if _is_read_only(parsed) else _sqlite_pragmas)
        sa.event.listen(engine, "begin", _sqlite_begin)
    shown = _without_password(url)
    with explained(shown):
        with engine.connect() as connection:  # read first: a reader may have no write permission
            current = _format(connection)
        if current is None or migrations.check(current, shown):
            _make_tables(engine, shown)
    return engine, shown


def _driver(url: sa.URL) -> AbstractContextManager[None]:
    """Import the driver that a URL needs. Only the PostgreSQL driver is an extra."""
    if url.get_backend_name() != "postgresql" or url.get_driver_name() != "psycopg":
        return nullcontext()
    return needed("postgres", f"store url {url.render_as_string(hide_password=True)!r} needs psycopg", StoreError)


def _make_tables(engine: sa.Engine, shown: str) -> None:
    """Create the tables of a new store, or migrate an old one."""
    with engine.execution_options(writing=True).begin() as connection:
        migrations.lock(connection)
        current = _format(connection)  # again: another process may have created or migrated the store
        if current is not None:
            migrations.migrate(connection, current, shown)
        METADATA.create_all(connection)
        if current is None:
            connection.execute(META.insert().values(key="format", value=str(FORMAT)))


def _format(connection: sa.Connection) -> int | None:
    """The format of the store, `None` for a new database."""
    if not sa.inspect(connection).has_table(META.name):
        return None
    value = connection.scalar(sa.select(META.c.value).where(META.c.key == "format"))
    return None if value is None else int(value)


def _is_read_only(url: sa.URL) -> bool:
    """Whether an SQLite file or its folder is not writable. SQLite creates its log in the folder."""
    path = Path(url.database or "")
    return path.is_file() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


def _make_folder(folder: Path) -> None:
    """Create a git-ignored folder: replies may contain text of customers."""
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)  # another process may create it at the same time
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def _engine_options(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() != "sqlite":
        return {"pool_pre_ping": True}  # the server may have restarted since the last query
    if url.database in (None, "", ":memory:"):  # all threads share a connection, or each would see its own store
        shared = {"poolclass": sa.QueuePool, "pool_size": 1, "max_overflow": 0}
        return {**shared, "connect_args": {"check_same_thread": False}}
    if _is_read_only(url):
        return {"creator": lambda: _connect_read_only(Path(str(url.database)))}
    return {"connect_args": {"timeout": BUSY_TIMEOUT_S}}


def _connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a file without write permission.

    SQLite cannot create its log in a read-only folder, and opens the file only with `immutable=1`. That option ignores
    an existing log, so a store with one fails with SQLite's error instead of showing an older state.
    """
    log = path.with_name(f"{path.name}-wal")
    has_log = log.exists() and log.stat().st_size > 0
    immutable = "" if has_log or os.access(path.parent, os.W_OK) else "&immutable=1"
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro{immutable}", uri=True, timeout=BUSY_TIMEOUT_S, check_same_thread=False
    )


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # _sqlite_begin sends BEGIN
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a saved result survives a power failure
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _sqlite_read_only(connection: Any, _record: Any) -> None:
    connection.isolation_level = None


def _sqlite_begin(connection: sa.Connection) -> None:
    """Take the write lock at the start. Upgrading a read lock later fails instead of waiting for other processes."""
    writing = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


_SERVER_LOST = "when the server is back, continue with --resume"


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn database errors into one-line messages with advice."""
    try:
        yield
    except SQLAlchemyError as error:
        text = _first_line(getattr(error, "orig", None) or error)
        advice = {
            "malformed": "the file is damaged: move it away and run again, or restore a copy",
            "not a database": "the file has another format: set [store] url in harness.toml to another path",
            "disk is full": "the disk is full: free some space, then continue with --resume",
            "disk I/O error": "the disk failed: check its space and health, then continue with --resume",
            "locked": "another process has locked the store: wait for it, then continue with --resume",
            "readonly": "the store cannot be written: check its permissions",
            "unable to open": "the store cannot be opened: its folder must exist and be writable",
            "permission denied": "no write permission: ask the owner of the database",
            "server closed": _SERVER_LOST,
            "terminating connection": _SERVER_LOST,
            "connection is lost": _SERVER_LOST,
            "Connection refused": f"no server at this address: check [store] url in harness.toml; {_SERVER_LOST}",
        }
        action = next((hint for sign, hint in advice.items() if sign in text), "check [store] url in harness.toml")
        msg = f"store {url}: {text}: {action}"
        raise StoreError(msg) from None
    except (ValueError, KeyError, TypeError) as error:
        msg = f"store {url}: a saved record cannot be read ({_first_line(error)}): damaged, or written by another tool"
        raise StoreError(msg) from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _without_password(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except (SQLAlchemyError, ValueError):
        scheme, separator, _ = url.partition("://")
        return f"{scheme}://…" if separator else "…"
