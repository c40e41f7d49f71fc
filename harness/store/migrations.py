"""From one format of the store to the next. Each step is a function of its own and is never changed afterwards.

1: the first.
2: a run has a lease (leases.py), so that two processes that go on with it do not share it; PostgreSQL, too, sorts the
   ids of cases by their bytes.

All steps that an old store needs happen in one transaction, while nobody else can write; an SQLite file is copied
first. A store of a newer format is left alone.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from itertools import count
from pathlib import Path

import sqlalchemy as sa

from harness.core.errors import StoreError

Step = Callable[[sa.Connection], None]


def _leases_and_one_order(connection: sa.Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE runs ADD COLUMN lease VARCHAR")
    connection.exec_driver_sql("ALTER TABLE runs ADD COLUMN lease_until FLOAT")
    if connection.dialect.name == "postgresql":  # SQLite sorts by the bytes anyhow
        connection.exec_driver_sql('ALTER TABLE results ALTER COLUMN case_id TYPE VARCHAR COLLATE "C"')


STEPS: Mapping[int, Step] = {1: _leases_and_one_order}
"""The format that a step starts from -> the step to the next one."""

FORMAT = max(STEPS) + 1
"""Version of the tables in database.py."""

_LOCK = 7_205_759_403
"""By which PostgreSQL knows that two processes make or change a store of ours. Any number, but the same for all."""


def check(found: int, shown: str, steps: Mapping[int, Step] = STEPS) -> bool:
    """Whether a store of format `found` has to be changed; raises `StoreError` for what this version cannot read."""
    newest = max(steps) + 1
    if found > newest:
        msg = f"{shown} has format {found}, this version reads up to {newest}: upgrade prompt-portability-harness"
        raise StoreError(msg)
    if found < newest and found not in steps:
        msg = f"{shown} has format {found}, which no version of prompt-portability-harness has written"
        raise StoreError(msg)
    return found < newest


def alone(connection: sa.Connection) -> None:
    """Until the transaction ends nobody else makes or changes the store. SQLite's writers are alone from the start."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})


def make_tables(connection: sa.Connection, tables: sa.MetaData) -> None:
    """Make those that are missing, while nobody else does: of two processes that make the same one, one fails."""
    there = sa.inspect(connection)
    if not all(there.has_table(name) for name in tables.tables):
        alone(connection)
        tables.create_all(connection)  # looks again: another process may have been faster


def migrate(connection: sa.Connection, found: int, shown: str, steps: Mapping[int, Step] = STEPS) -> None:
    """Take a store from format `found` to the newest, within the transaction of `connection`. Call `alone` first."""
    if not check(found, shown, steps):
        return
    if (database := connection.engine.url.database) and connection.dialect.name == "sqlite":
        _copy(Path(database), found, shown)
    for number in range(found, max(steps) + 1):
        steps[number](connection)
        connection.execute(sa.text("UPDATE meta SET value = :new WHERE key = 'format'"), {"new": str(number + 1)})


def _copy(path: Path, found: int, shown: str) -> None:
    """The file as it is, beside it: `runs.db.format1.bak`. One that is there already is kept, too."""
    names = (path.with_name(f"{path.name}.format{found}.bak{n or ''}") for n in count())
    target = next(name for name in names if not name.exists())
    temporary = target.with_name(f"{target.name}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(temporary)) as new:
                old.backup(new)
            shutil.copymode(path, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        msg = f"{shown} has format {found} and is to be changed, but cannot be copied to {target.name} first: {error}"
        raise StoreError(msg) from None
