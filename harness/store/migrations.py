"""Steps from each format of the store to the next. schema.py has the history of the formats.

A released step never changes. All steps of an old store run in one transaction, under an exclusive lock. An SQLite file
is copied first. A store of a newer format is left alone.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from harness.core.errors import StoreError

Step = Callable[[sa.Connection], None]


def _add_leases_and_bytewise_order(connection: sa.Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE runs ADD COLUMN lease VARCHAR")
    connection.exec_driver_sql("ALTER TABLE runs ADD COLUMN lease_until FLOAT")
    if connection.dialect.name == "postgresql":  # SQLite already sorts by bytes
        connection.exec_driver_sql('ALTER TABLE results ALTER COLUMN case_id TYPE VARCHAR COLLATE "C"')


def _add_origin_and_query_columns(connection: sa.Connection) -> None:
    for name in ("backend", "variant", "decoding", "split", "origin"):
        connection.exec_driver_sql(f"ALTER TABLE runs ADD COLUMN {name} VARCHAR DEFAULT '' NOT NULL")
    connection.exec_driver_sql("ALTER TABLE runs ADD COLUMN case_limit INTEGER")
    connection.exec_driver_sql(
        "CREATE TABLE run_tags (run_id VARCHAR NOT NULL, tag VARCHAR NOT NULL, PRIMARY KEY (run_id, tag), "
        "FOREIGN KEY (run_id) REFERENCES runs (run_id) ON DELETE CASCADE)"
    )
    connection.exec_driver_sql("CREATE INDEX ix_run_tags_tag ON run_tags (tag)")
    connection.exec_driver_sql("CREATE INDEX ix_runs_started_at ON runs (started_at)")
    connection.exec_driver_sql("CREATE INDEX ix_runs_eval_cell ON runs (eval, cell, started_at)")
    update = sa.text(
        "UPDATE runs SET backend = :backend, variant = :variant, decoding = :decoding, split = :split, "
        "case_limit = :case_limit, origin = :origin, manifest = :manifest WHERE run_id = :run_id"
    )
    tag = sa.text("INSERT INTO run_tags (run_id, tag) VALUES (:run_id, :tag)")
    for run_id, manifest in _manifests_of_format_2(connection):
        manifest["origin"] = _origin_of_format_2(manifest)
        by_batch = any(note.startswith("asked by batch") for note in manifest.get("notes", ()))
        manifest["billing"] = "batch" if by_batch else "standard"
        columns = {
            "backend": manifest["backend"],
            "variant": manifest["variant"],
            "decoding": manifest.get("decoding", "free"),
            "split": manifest["split"],
            "case_limit": manifest["limit"],
            "origin": manifest["origin"],
        }
        text = json.dumps(manifest, separators=(",", ":"))
        connection.execute(update, {**columns, "manifest": text, "run_id": run_id})
        for name in dict.fromkeys(manifest.get("tags", ())):
            connection.execute(tag, {"run_id": run_id, "tag": name})


def _manifests_of_format_2(connection: sa.Connection) -> Iterator[tuple[str, dict[str, Any]]]:
    for run_id, text in connection.execute(sa.text("SELECT run_id, manifest FROM runs")).all():
        try:
            manifest = json.loads(text)
        except ValueError:  # a damaged run must not block the others; reading it still fails with a message
            continue
        yield run_id, manifest


def _origin_of_format_2(manifest: Mapping[str, Any]) -> str:
    """Format 2 marked a run's origin by name prefixes, a key of the fingerprint, and a note."""
    if manifest["backend"].startswith("replay:"):
        return "replayed"
    if manifest["dataset"].startswith("run:"):
        return "judged"
    if "imported" in manifest["fingerprint"]:
        return "imported"
    notes = manifest.get("notes", ())
    return "rescored" if any(re.fullmatch(r"replies of \S+, read again", note) for note in notes) else "asked"


def _add_review_verdicts(connection: sa.Connection) -> None:
    connection.exec_driver_sql(
        "CREATE TABLE review_verdicts (sheet VARCHAR NOT NULL, call_id BIGINT NOT NULL, task VARCHAR NOT NULL, "
        "backend VARCHAR NOT NULL, outcome VARCHAR NOT NULL, compliant BOOLEAN NOT NULL, accepted BOOLEAN NOT NULL, "
        "judge VARCHAR NOT NULL, judge_key VARCHAR NOT NULL, PRIMARY KEY (sheet, call_id))"
    )


STEPS: Mapping[int, Step] = {
    1: _add_leases_and_bytewise_order,
    2: _add_origin_and_query_columns,
    3: _add_review_verdicts,
}
"""Format -> the step from that format to the next."""

_LOCK = 7_205_759_403
"""Key of PostgreSQL's advisory lock. Any number, but the same for all processes."""


def check(current: int, shown: str, steps: Mapping[int, Step] = STEPS) -> bool:
    """Return whether a store of format `current` needs a migration.

    `shown`: the store's URL without its password. Raises `StoreError` for a format that this version cannot read.
    """
    newest = max(steps) + 1
    if current > newest:
        msg = f"{shown} has format {current}, this version reads up to {newest}: upgrade prompt-portability-harness"
        raise StoreError(msg)
    if current < newest and current not in steps:
        msg = f"{shown} has format {current}, which no version of prompt-portability-harness has written"
        raise StoreError(msg)
    return current < newest


def lock(connection: sa.Connection) -> None:
    """Keep other processes from creating or migrating the store until the transaction ends.

    SQLite needs no lock: its write transactions are exclusive from their start.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})


def migrate(connection: sa.Connection, current: int, shown: str, steps: Mapping[int, Step] = STEPS) -> None:
    """Take a store from format `current` to the newest, in the transaction of `connection`. Call `lock` first."""
    if not check(current, shown, steps):
        return
    if (database := connection.engine.url.database) and connection.dialect.name == "sqlite":
        _copy(Path(database), current, shown)
    for number in range(current, max(steps) + 1):
        steps[number](connection)
        connection.execute(sa.text("UPDATE meta SET value = :new WHERE key = 'format'"), {"new": str(number + 1)})


def _copy(path: Path, current: int, shown: str) -> None:
    """Copy the file to `runs.db.format1.bak`, or to a free name beside it if that exists."""
    names = (path.with_name(f"{path.name}.format{current}.bak{n or ''}") for n in count())
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
        msg = f"{shown} has format {current} and must be migrated, but the copy to {target.name} failed: {error}"
        raise StoreError(msg) from None
