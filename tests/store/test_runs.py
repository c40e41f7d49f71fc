"""The store: what goes in comes out, also after trouble; trouble is told in one line."""

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
from harness.store import database
from harness.store.runs import Store, open_store
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


def test_every_field_of_a_result_comes_back_as_it_went_in(begun: Store) -> None:
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


def test_every_field_of_a_manifest_comes_back_and_finishing_changes_it(begun: Store) -> None:
    run = begun.load("20250601-1000-aaaa")
    assert (run.manifest, run.results) == (manifest(), ())
    done = manifest(finished_at="2025-06-01T10:05:00Z", cold_start_s=1.5, wall_s=300.0, notes=(NASTY,), limit=5)
    begun.finish(done)
    assert begun.load("20250601-1000-aaaa").manifest == done


def test_what_is_saved_is_there_for_the_next_process(begun: Store, path: Path) -> None:
    begun.save("20250601-1000-aaaa", [result()])
    code = (
        "import sys; from harness.store.runs import open_store; s = open_store(sys.argv[1]);"
        "print([r.response.text for r in s.results('20250601-1000-aaaa')])"
    )
    out = subprocess.run([sys.executable, "-c", code, f"sqlite:///{path}"], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "['billing']"


def test_a_failed_call_that_is_answered_later_is_replaced(begun: Store) -> None:
    begun.save("20250601-1000-aaaa", [failure()])
    begun.save("20250601-1000-aaaa", [result()])
    assert begun.results("20250601-1000-aaaa") == [result()]


def test_repeats_of_a_case_are_kept_apart(begun: Store) -> None:
    both = [result(repeat=0), result(repeat=1)]
    begun.save("20250601-1000-aaaa", both)
    assert begun.results("20250601-1000-aaaa") == both


def test_a_case_is_kept_once_however_many_runs_ask_it(begun: Store, path: Path) -> None:
    begun.begin(manifest("20250601-1001-bbbb"), plan_key="plan", model_key="model")
    for run_id in ("20250601-1000-aaaa", "20250601-1001-bbbb"):
        begun.save(run_id, [result("t-1"), result("t-2")])
    begun.save("20250601-1000-aaaa", [result("t-1", text="again")])
    assert count(path, "cases") == 2
    assert count(path, "results") == 4


def test_saving_nothing_is_nothing(begun: Store, path: Path) -> None:
    begun.save("20250601-1000-aaaa", [])
    assert count(path, "results") == 0


def test_many_thousand_results_fit_into_one_save(begun: Store) -> None:
    many = [result(f"t-{i:05}") for i in range(5000)]
    begun.save("20250601-1000-aaaa", many)
    assert len(begun.answers("model", [one.request_key for one in many])) == 5000


def test_the_records_are_plain_json_that_other_tools_can_read(begun: Store, path: Path) -> None:
    begun.save("20250601-1000-aaaa", [result(text="gr\u00fcn \U0001f600")])
    with sqlite3.connect(path) as connection:
        record, row = connection.execute("SELECT record, row FROM results JOIN cases USING (row_hash)").fetchone()
    assert json.loads(record)["response"]["text"] == "gr\u00fcn \U0001f600"
    assert json.loads(row)["id"] == "t-1"


def count(path: Path, table: str) -> int:
    with sqlite3.connect(path) as connection:
        found: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return found


# The file


def test_the_folder_keeps_itself_out_of_git(store: Store, path: Path) -> None:
    assert (path.parent / ".gitignore").read_text() == "*\n"
    assert store.url.endswith("runs.db")


def test_a_folder_that_was_there_before_is_left_as_it_is(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path / 'runs.db'}").close()
    assert not (tmp_path / ".gitignore").exists()


def test_a_saved_answer_survives_a_power_cut_and_readers_do_not_block_writers(store: Store) -> None:
    with store._engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_store_in_memory_is_one_store_for_all_threads() -> None:
    store = open_store("sqlite://")
    store.begin(manifest(), plan_key="plan", model_key="model")
    thread = threading.Thread(target=store.save, args=("20250601-1000-aaaa", [result()]))
    thread.start()
    thread.join()
    assert store.results("20250601-1000-aaaa") == [result()]
    store.close()


def test_several_processes_make_one_new_store_and_write_to_it_at_once(path: Path) -> None:
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


# Trouble


def opening(url: str) -> str:
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_that_is_something_else_is_told(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"these are my holiday pictures " * 100)
    assert "file is not a database" in opening(f"sqlite:///{path}")


def test_a_damaged_store_is_told_when_it_is_read(begun: Store, path: Path) -> None:
    begun.save("20250601-1000-aaaa", [result(f"t-{i}", text="x" * 2000) for i in range(200)])
    begun.close()  # the log goes into the file
    data = bytearray(path.read_bytes())
    data[8192 : len(data) // 2] = b"\xff" * (len(data) // 2 - 8192)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="the file is damaged"):
        open_store(f"sqlite:///{path}").load("20250601-1000-aaaa")


@pytest.mark.parametrize("record", ["", "{", "[]", '{"response": {}}', '{"response": {"text": 1, "new_field": 2}}'])
def test_a_record_that_cannot_be_read_is_told(begun: Store, path: Path, record: str) -> None:
    begun.save("20250601-1000-aaaa", [result()])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE results SET record = ?", [record])
    with pytest.raises(StoreError, match="a saved record cannot be read"):
        begun.results("20250601-1000-aaaa")


def test_a_store_of_a_newer_format_is_left_alone(store: Store, path: Path) -> None:
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = ?", [str(FORMAT + 1)])
    assert f"has format {FORMAT + 1}, this version reads up to {FORMAT}: upgrade" in opening(f"sqlite:///{path}")


def test_a_store_that_another_process_holds_is_told_after_a_while(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = open_store(f"sqlite:///{path}")  # what is there can be read
    assert waiting.manifests() == []
    with pytest.raises(StoreError, match="another process has locked the store"):
        waiting.begin(manifest(), plan_key="", model_key="")
    other.close()
    waiting.begin(manifest(), plan_key="", model_key="")
    waiting.close()


def test_a_full_disk_is_told_and_what_was_saved_before_stays(begun: Store) -> None:
    begun.save("20250601-1000-aaaa", [result("t-1")])
    limit_size(begun)
    with pytest.raises(StoreError, match=r"the disk is full: .* --resume"):
        begun.save("20250601-1000-aaaa", [result("t-2", text="x" * 100_000)])
    assert [one.case.id for one in begun.results("20250601-1000-aaaa")] == ["t-1"]


def limit_size(store: Store) -> None:
    """No page more than there are now."""

    def limit(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # SQLite makes it the present size

    sa.event.listen(store._engine, "checkout", limit)


@pytest.mark.parametrize("url", ["sqlite:///{0}", "sqlite:///{0}/file/runs.db"])
def test_a_path_that_cannot_be_a_file_is_told(tmp_path: Path, url: str) -> None:
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
def test_a_url_that_cannot_be_used_is_told_without_its_password(url: str) -> None:
    message = opening(url)
    assert "cannot be used" in message
    assert "secret" not in message
