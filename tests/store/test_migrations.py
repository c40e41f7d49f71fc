"""Migrations: an old store gets the current format with all its data, or stays as it is."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness.core.errors import StoreError
from harness.core.types import Billing, CallError, FieldCounts, RunOrigin
from harness.monitor import sheets
from harness.store import batches, migrations, tallies, traffic, verdicts
from harness.store.run_query import RunQuery
from harness.store.runs import Store, open_store
from harness.store.schema import FORMAT, METADATA

from ..support.postgres import Postgres
from ..support.stored import manifest, result

OLD = Path(__file__).parent / "data" / "store_format1.db"
"""Written by format 1: a run with a failed call, an unfinished run with repeats, tool calls, a vector."""
FORMAT_2 = OLD.with_name("store_format2.db")
"""Written by format 2: runs of every origin and billing, a sample, tags, a routed call, a batch, a tally."""
FORMAT_3 = OLD.with_name("store_format3.db")
"""Written by format 3: a run, 30 routed calls, and a review sheet of them with labels."""

ASKED, IMPORTED, RESCORED, REPLAYED, _, JUDGED = RunOrigin
ORIGINS_OF_FORMAT_2 = {
    "20250601-100000-0001": (ASKED, Billing.STANDARD),
    "20250602-100000-0002": (ASKED, Billing.BATCH),
    "20250603-100000-0003": (ASKED, Billing.BATCH),  # from a request file
    "20250604-100000-0004": (RESCORED, Billing.BATCH),
    "20250605-100000-0005": (RESCORED, Billing.STANDARD),
    "20250606-100000-0006": (REPLAYED, Billing.STANDARD),
    "20250607-100000-0007": (REPLAYED, Billing.STANDARD),  # replayed, then rescored
    "20250608-100000-0008": (JUDGED, Billing.STANDARD),
    "20250609-100000-0009": (ASKED, Billing.STANDARD),
    "20250610-100000-000a": (ASKED, Billing.STANDARD),
    "20250611-100000-000b": (IMPORTED, Billing.STANDARD),
    "20250612-100000-000c": (IMPORTED, Billing.STANDARD),  # imported, then rescored
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A copy of the old store."""
    return shutil.copy(OLD, tmp_path / "runs.db")


@pytest.fixture
def migrated(path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{path}")
    yield store
    store.close()


@pytest.fixture
def format_2(tmp_path: Path) -> Path:
    return shutil.copy(FORMAT_2, tmp_path / "format2.db")


@pytest.fixture
def from_2(format_2: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{format_2}")
    yield store
    store.close()


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def format_of(path: Path) -> int:
    return int(str(rows(path, "SELECT value FROM meta WHERE key = 'format'")[0][0]))


# Data of an old store


def test_migrated_store_has_the_schema_of_a_new_store(migrated: Store, path: Path) -> None:
    assert format_of(path) == FORMAT
    new = open_store(f"sqlite:///{path.with_name('new.db')}")
    new.close()
    for table in METADATA.tables:
        columns = f"SELECT name, type, pk FROM pragma_table_info('{table}')"
        assert rows(path, columns) == rows(path.with_name("new.db"), columns)
    indexes = "SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY name"
    assert rows(path, indexes) == rows(path.with_name("new.db"), indexes)


def test_migration_keeps_replies_and_failed_calls(migrated: Store) -> None:
    run = migrated.load("20250601")
    answered, failed = run.results
    assert (run.manifest.finished_at, run.manifest.cold_start_s) == ("2025-06-01T10:05:00.000+00:00", 1.5)
    assert (answered.response.text, answered.response.prompt_tokens, answered.case.tags) == ("billing", 11, ("hard",))
    assert failed.response.error == CallError("rate_limit", "slow down", 429, retryable=True, retry_after_s=2.5)
    assert (failed.attempts, failed.score) == (5, None)


def test_migration_keeps_repeats_and_resumable_runs(migrated: Store) -> None:
    run = migrated.load("20250602")
    assert [(r.repeat, r.response.text) for r in run.results] == [
        (0, "billing"),
        (1, "half of an emoji \ud83d, nul \0"),
    ]
    assert (run.manifest.repeats, run.manifest.tags) == (2, ("weekly",))
    assert migrated.unfinished("plan-b") == run.manifest
    assert migrated.unfinished("plan-c") is None
    migrated.save(run.manifest.run_id, [result("t-2")])
    assert len(migrated.results(run.manifest.run_id)) == 3


def test_migration_keeps_tool_calls_vectors_and_scores(migrated: Store) -> None:
    (called,) = migrated.load("20250603").results
    (embedded,) = migrated.load("20250604").results
    assert called.response.tool_calls[0]["function"] == {"name": "refund", "arguments": '{"invoice": 7}'}
    assert embedded.response.vector == (0.25, -0.5, 1e-300)
    assert embedded.score is not None
    assert embedded.score.fields == {"f": (FieldCounts(1), FieldCounts(0, 1, 2, 3))}
    assert embedded.score.measures == {"mrr": 0.5, "none": None}


def test_migrated_replies_serve_as_cache_and_trend(migrated: Store) -> None:
    replies = migrated.answers("model-1", ["key-t-1", "key-t-2"])
    assert set(replies) == {"key-t-1"}
    finished = [m for m in migrated.manifests() if m.finished_at]
    assert tallies.tallies(migrated, finished)["20250601-100000-aaaa"].failed == 1


# Format 2: origin and billing were notes and prefixes


def test_notes_and_prefixes_of_format_2_become_fields(from_2: Store) -> None:
    assert {m.run_id: (m.origin, m.billing) for m in from_2.manifests()} == ORIGINS_OF_FORMAT_2


def test_query_columns_of_format_2_runs_are_filled(from_2: Store) -> None:
    def ids(**query: Any) -> list[str]:
        return [m.run_id[-2:] for m in from_2.manifests(RunQuery(**query))]

    assert ids(origins=frozenset({IMPORTED})) == ["0c", "0b"]
    assert ids(tags=("weekly",)) == ["0a", "01"]
    assert ids(tags=("weekly", "weekly-2025-06-01")) == ["01"]
    assert ids(case_limit=5) == ids(tags=("nightly",)) == ["09"]
    assert ids(splits=("",)) == ["0c", "0b", "08"]
    assert ids(backends=("theirs",), variant="imported", decoding="free") == ["0c", "0b"]
    assert [run.manifest.run_id[-2:] for run in from_2.latest("triage")] == ["0c", "05"]


def test_manifests_of_format_2_keep_every_other_field(from_2: Store, format_2: Path) -> None:
    old = {str(run_id): json.loads(str(text)) for run_id, text in rows(FORMAT_2, "SELECT run_id, manifest FROM runs")}
    new = {str(run_id): json.loads(str(text)) for run_id, text in rows(format_2, "SELECT run_id, manifest FROM runs")}
    for manifest_of_3 in new.values():
        del manifest_of_3["origin"], manifest_of_3["billing"]
    assert new == old


def test_traffic_batches_and_tallies_of_format_2_remain(from_2: Store) -> None:
    assert [(call.task, call.usd) for call in traffic.read(from_2)] == [("triage", 0.5)]
    assert [job.batch_id for job in batches.read(from_2)] == ["batch-1"]
    saved = [m for m in from_2.manifests() if m.run_id == "20250601-100000-0001"]
    assert tallies.tallies(from_2, saved)[saved[0].run_id].cases == {(1, 1, 1, 1): 1}


def test_damaged_manifest_does_not_block_a_migration(format_2: Path) -> None:
    with closing(sqlite3.connect(format_2)) as connection:
        connection.execute("UPDATE runs SET manifest = '{' WHERE run_id LIKE '20250601%'")
        connection.commit()
    store = open_store(f"sqlite:///{format_2}")
    assert store.load("20250612").manifest.origin is IMPORTED
    with pytest.raises(StoreError, match="a saved record cannot be read"):
        store.load("20250601")
    store.close()


# Format 3: no verdicts of a judge


def test_sheets_and_labels_of_format_3_are_reviewed_as_before(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{shutil.copy(FORMAT_3, tmp_path / 'format3.db')}")
    (name,) = sheets.labelled_sheets(store)
    assert format_of(tmp_path / "format3.db") == FORMAT
    assert (len(sheets.load(store, name).items), len(sheets.labels_of(store, name))) == (30, 30)
    assert verdicts.totals(store, name) == {}
    assert (len(store.manifests()), len(list(traffic.read(store)))) == (1, 30)
    store.close()


# The copy of the old file


def test_file_is_copied_before_a_migration(migrated: Store, path: Path) -> None:
    copy = path.with_name("runs.db.format1.bak")
    assert format_of(copy) == 1
    assert rows(copy, "SELECT run_id, manifest FROM runs") == rows(OLD, "SELECT run_id, manifest FROM runs")
    assert rows(copy, "PRAGMA integrity_check") == [("ok",)]
    assert copy.stat().st_mode == path.stat().st_mode
    assert not list(path.parent.glob("*.tmp"))


def test_migration_keeps_an_existing_copy(path: Path) -> None:
    path.with_name("runs.db.format1.bak").write_text("of last year")
    open_store(f"sqlite:///{path}").close()
    assert path.with_name("runs.db.format1.bak").read_text() == "of last year"
    assert format_of(path.with_name("runs.db.format1.bak1")) == 1


def test_copy_includes_the_write_ahead_log(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("DELETE FROM results WHERE run_id LIKE '20250604%'")
        other.commit()
        open_store(f"sqlite:///{path}").close()
    assert len(rows(path.with_name("runs.db.format1.bak"), "SELECT * FROM results")) == 5


def test_failed_copy_prevents_the_migration(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copymode", full)
    with pytest.raises(StoreError, match=r"the copy to runs.db.format1.bak failed: .*No space left"):
        open_store(f"sqlite:///{path}")
    assert format_of(path) == 1
    assert [each.name for each in path.parent.iterdir() if "bak" in each.name] == []


# A migration is atomic


def test_failed_step_rolls_the_store_back(path: Path) -> None:
    def half(connection: sa.Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE runs ADD COLUMN colour VARCHAR")
        connection.exec_driver_sql("SELECT * FROM nowhere")

    engine = sa.create_engine(f"sqlite:///{path}")
    sa.event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with pytest.raises(sa.exc.OperationalError), engine.begin() as connection:
        migrations.migrate(connection, 1, "store", {**migrations.STEPS, FORMAT: half})
    engine.dispose()
    assert format_of(path) == 1
    assert rows(path, "SELECT name FROM pragma_table_info('runs') WHERE name IN ('colour', 'lease')") == []


def test_steps_run_in_order_from_the_store_s_format(path: Path) -> None:
    taken: list[int] = []
    steps = {number: lambda _, n=number: taken.append(n) for number in (3, 1, 2)}
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        migrations.migrate(connection, 2, "store", steps)
    engine.dispose()
    assert taken == [2, 3]
    assert format_of(path) == 4


def test_each_step_leads_to_the_next_format() -> None:
    assert sorted(migrations.STEPS) == list(range(1, FORMAT))


@pytest.mark.parametrize(
    ("current", "message"),
    [(FORMAT + 1, f"this version reads up to {FORMAT}: upgrade"), (0, "no version of"), (-1, "no v")],
)
def test_unknown_format_is_refused_without_a_write(path: Path, current: int, message: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE meta SET value = ?", [str(current)])
        connection.execute("DROP TABLE tallies")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=message):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes()[100:] == before[100:]  # the header records WAL mode
    assert [each.name for each in path.parent.glob("*.bak*")] == []


OPEN = "import sys; from harness.store.runs import open_store; s = open_store(sys.argv[1]); print(len(s.manifests()))"


def opened_by(n: int, url: str) -> list[tuple[str, str]]:
    command = [sys.executable, "-c", OPEN, url]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(n)]
    return [process.communicate(timeout=60) for process in processes]


def test_concurrent_processes_migrate_a_store_once(path: Path) -> None:
    assert opened_by(3, f"sqlite:///{path}") == [("4\n", "")] * 3
    assert format_of(path) == FORMAT
    assert len(list(path.parent.glob("*.bak*"))) == 1


# PostgreSQL


def to_format_1(postgres: Postgres) -> str:
    """A PostgreSQL store of format 1 with one run."""
    url = postgres.fresh()
    store = open_store(url)
    store.begin(manifest(), plan_key="plan", model_key="model")
    store.save("20250601-1000-aaaa", [result("t-1"), result("T-2")])
    store.close()
    database = url.rpartition("/")[2]
    postgres.sql("DROP TABLE run_tags, review_verdicts", database)
    added = ("lease", "lease_until", "backend", "variant", "decoding", "split", "case_limit", "origin")
    postgres.sql(f"ALTER TABLE runs {', '.join(f'DROP COLUMN {name}' for name in added)}", database)
    postgres.sql("DROP INDEX ix_runs_started_at, ix_runs_eval_cell", database)
    postgres.sql("ALTER TABLE results ALTER COLUMN case_id TYPE VARCHAR", database)
    postgres.sql("UPDATE meta SET value = '1'", database)
    return url


def test_concurrent_processes_migrate_postgresql_once(postgres: Postgres) -> None:
    url = to_format_1(postgres)
    assert opened_by(3, url) == [("1\n", "")] * 3
    store = open_store(url)
    assert [r.case.id for r in store.results("20250601-1000-aaaa")] == ["T-2", "t-1"]
    assert store.manifests(RunQuery(backends=("fake",), origins=frozenset({ASKED}))) == [manifest()]
    assert postgres.sql("SELECT value FROM meta", url.rpartition("/")[2]) == [(str(FORMAT),)]
    store.close()


def test_concurrent_processes_create_one_postgresql_store(postgres: Postgres) -> None:
    assert opened_by(3, postgres.fresh()) == [("0\n", "")] * 3
