"""The store: round trips, durability, and one-line errors."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness.core.errors import StoreError
from harness.core.types import Case, Reading, Response, Result, Score
from harness.store import database, runs
from harness.store.runs import SavedResults, Store, open_store
from harness.store.schema import FORMAT

from ..support.stored import NASTY, failure, manifest, result


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".harness" / "runs.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{path}")
    yield opened
    opened.close()


@pytest.fixture
def begun(store: Store) -> Store:
    store.begin(manifest(), plan_key="plan", model_key="model")
    return store


# Round trip


def test_every_field_of_a_result_survives_a_round_trip(begun: Store) -> None:
    case = Case(
        "id " + NASTY,
        {"text": NASTY, "n": [1, 2.5, None, True], NASTY: {}},
        {"a": NASTY},
        ("x", NASTY),
        "test",
        "human",
        "d",
    )
    response = Response(
        text=NASTY,
        finish_reason="length",
        prompt_tokens=3,
        completion_tokens=0,
        latency_s=0.1,
        load_s=1.5,
        refusal=NASTY,
        tool_calls=({"id": "1", "function": {"name": NASTY}},),
        model=NASTY,
    )
    reading = Reading({"a": [1]}, NASTY, compliant=False, violations=("preamble", "quoted"), reasoning=NASTY)
    score = Score(strict=False, lenient=True)
    full = Result(
        case, response, reading, score, "key", repeat=2, attempts=3, cached=True, answered_at="2025-06-01T10:00:00Z"
    )
    failed = failure("t-2", attempts=5)
    begun.save("20250601-1000-aaaa", [full, failed])
    assert begun.results("20250601-1000-aaaa") == [full, failed]


@pytest.mark.parametrize(("chunk", "reads"), [(2, 1), (1, 3)])
def test_few_results_are_read_once_many_on_each_iteration(
    begun: Store, monkeypatch: pytest.MonkeyPatch, chunk: int, reads: int
) -> None:
    run_id = "20250601-1000-aaaa"
    begun.save(run_id, [result("t-1"), result("t-2")])
    each, read = begun.each, []

    def counted(run_id: str) -> Iterator[Result]:
        read.append(run_id)
        return each(run_id)

    monkeypatch.setattr(runs, "CHUNK", chunk)
    monkeypatch.setattr(begun, "each", counted)
    saved = SavedResults(begun, run_id, 2)
    assert [saved_result.case.id for saved_result in saved] == ["t-1", "t-2"]
    assert saved[1].case.id == "t-2"
    assert list(saved) == begun.results(run_id)
    assert len(read) == reads + 1


def test_every_field_of_a_manifest_survives_finish(begun: Store) -> None:
    run = begun.load("20250601-1000-aaaa")
    assert (run.manifest, run.results) == (manifest(), ())
    done = manifest(finished_at="2025-06-01T10:05:00Z", cold_start_s=1.5, wall_s=300.0, notes=(NASTY,), limit=5)
    begun.finish(done)
    assert begun.load("20250601-1000-aaaa").manifest == done


def test_saved_results_are_visible_to_another_process(begun: Store, path: Path) -> None:
    begun.save("20250601-1000-aaaa", [result()])
    code = (
        "import sys; from harness.store.runs import open_store; s = open_store(sys.argv[1]);"
        "print([r.response.text for r in s.results('20250601-1000-aaaa')])"
    )
    out = subprocess.run([sys.executable, "-c", code, f"sqlite:///{path}"], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "['billing']"


def test_later_reply_replaces_a_failed_call(begun: Store) -> None:
    begun.save("20250601-1000-aaaa", [failure()])
    begun.save("20250601-1000-aaaa", [result()])
    assert begun.results("20250601-1000-aaaa") == [result()]


def test_repeats_of_a_case_are_separate_results(begun: Store) -> None:
    both = [result(repeat=0), result(repeat=1)]
    begun.save("20250601-1000-aaaa", both)
    assert begun.results("20250601-1000-aaaa") == both


def test_equal_cases_are_stored_once(begun: Store, path: Path) -> None:
    begun.begin(manifest("20250601-1001-bbbb"), plan_key="plan", model_key="model")
    for run_id in ("20250601-1000-aaaa", "20250601-1001-bbbb"):
        begun.save(run_id, [result("t-1"), result("t-2")])
    begun.save("20250601-1000-aaaa", [result("t-1", text="again")])
    assert count(path, "cases") == 2
    assert count(path, "results") == 4


def test_saving_no_results_does_nothing(begun: Store, path: Path) -> None:
    begun.save("20250601-1000-aaaa", [])
    assert count(path, "results") == 0


def test_one_save_takes_many_thousand_results(begun: Store) -> None:
    many = [result(f"t-{i:05}") for i in range(5000)]
    begun.save("20250601-1000-aaaa", many)
    assert len(begun.answers("model", [r.request_key for r in many])) == 5000


def test_records_are_plain_json(begun: Store, path: Path) -> None:
    begun.save("20250601-1000-aaaa", [result(text="gr\u00fcn \U0001f600")])
    with sqlite3.connect(path) as connection:
        record, row = connection.execute("SELECT record, row FROM results JOIN cases USING (row_hash)").fetchone()
    assert json.loads(record)["response"]["text"] == "gr\u00fcn \U0001f600"
    assert json.loads(row)["id"] == "t-1"


def count(path: Path, table: str) -> int:
    with sqlite3.connect(path) as connection:
        n: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return n


# The database file


def test_store_folder_is_git_ignored(store: Store, path: Path) -> None:
    assert (path.parent / ".gitignore").read_text() == "*\n"
    assert store.url.endswith("runs.db")


def test_existing_folder_gets_no_gitignore(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path / 'runs.db'}").close()
    assert not (tmp_path / ".gitignore").exists()


def test_sqlite_is_durable_and_in_wal_mode(store: Store) -> None:
    with store._engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_in_memory_store_is_shared_by_threads() -> None:
    store = open_store("sqlite://")
    store.begin(manifest(), plan_key="plan", model_key="model")
    thread = threading.Thread(target=store.save, args=("20250601-1000-aaaa", [result()]))
    thread.start()
    thread.join()
    assert store.results("20250601-1000-aaaa") == [result()]
    store.close()


def test_concurrent_processes_create_and_write_one_store(path: Path) -> None:
    code = (
        "import sys; from dataclasses import replace; from harness.store.runs import open_store;"
        "from harness.core.types import Case, Manifest, Response, Result;"
        "store = open_store(sys.argv[1]);"
        "store.begin(Manifest(sys.argv[2], 'e', 't', 'v', 'b', 'p', 'd', '', None, (), 40, 'now', {}), plan_key='', model_key='');"
        "[store.save(sys.argv[2], [Result(Case(f't-{i}', {}, 'x'), Response('y'), None, None, 'k')]) for i in range(40)]"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{path}"]
    writers = [subprocess.Popen([*command, f"run-{n}"], stderr=subprocess.PIPE, text=True) for n in range(3)]
    assert [(writer.communicate(timeout=60)[1], writer.returncode) for writer in writers] == [("", 0)] * 3
    assert (count(path, "results"), count(path, "cases")) == (120, 40)


# Errors


def opening(url: str) -> str:
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_file_of_another_kind_is_an_error(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"these are my holiday pictures " * 100)
    assert "file is not a database" in opening(f"sqlite:///{path}")


def test_damaged_store_is_an_error_when_read(begun: Store, path: Path) -> None:
    begun.save("20250601-1000-aaaa", [result(f"t-{i}", text="x" * 2000) for i in range(200)])
    begun.close()  # moves the log into the file
    data = bytearray(path.read_bytes())
    data[8192 : len(data) // 2] = b"\xff" * (len(data) // 2 - 8192)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="the file is damaged"):
        open_store(f"sqlite:///{path}").load("20250601-1000-aaaa")


@pytest.mark.parametrize("record", ["", "{", "[]", '{"response": {}}', '{"response": {"text": 1, "new_field": 2}}'])
def test_unreadable_record_is_an_error(begun: Store, path: Path, record: str) -> None:
    begun.save("20250601-1000-aaaa", [result()])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE results SET record = ?", [record])
    with pytest.raises(StoreError, match="a saved record cannot be read"):
        begun.results("20250601-1000-aaaa")


def test_store_of_a_newer_format_is_refused(store: Store, path: Path) -> None:
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = ?", [str(FORMAT + 1)])
    assert f"has format {FORMAT + 1}, this version reads up to {FORMAT}: upgrade" in opening(f"sqlite:///{path}")


def test_locked_store_is_an_error_after_a_timeout(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = open_store(f"sqlite:///{path}")  # reading needs no lock
    assert waiting.manifests() == []
    with pytest.raises(StoreError, match="another process has locked the store"):
        waiting.begin(manifest(), plan_key="", model_key="")
    other.close()
    waiting.begin(manifest(), plan_key="", model_key="")
    waiting.close()


def test_full_disk_is_an_error_and_keeps_saved_results(begun: Store) -> None:
    begun.save("20250601-1000-aaaa", [result("t-1")])
    limit_size(begun)
    with pytest.raises(StoreError, match=r"the disk is full: .* --resume"):
        begun.save("20250601-1000-aaaa", [result("t-2", text="x" * 100_000)])
    assert [r.case.id for r in begun.results("20250601-1000-aaaa")] == ["t-1"]


def limit_size(store: Store) -> None:
    """Let the database grow no further."""

    def limit(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # SQLite raises it to the current size

    sa.event.listen(store._engine, "checkout", limit)


@pytest.mark.parametrize("url", ["sqlite:///{0}", "sqlite:///{0}/file/runs.db"])
def test_impossible_path_is_an_error(tmp_path: Path, url: str) -> None:
    (tmp_path / "file").write_text("")
    assert str(tmp_path) in opening(url.format(tmp_path))


@pytest.mark.parametrize(
    "url",
    [
        "mysql+nonsense://me:secret@host/db",
        "nonsense://me:secret@host/db",
        "postgresql://me:secret@host:port/db",
        "me:secret@host",
    ],
)
def test_unusable_url_is_an_error_without_its_password(url: str) -> None:
    message = opening(url)
    assert "cannot be used" in message
    assert "secret" not in message
