"""PostgreSQL behaves as SQLite does, also with concurrent writers and after a lost connection. Runs a real server."""

from __future__ import annotations

import math
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.errors import StoreError
from harness.core.types import Case, Response
from harness.runner import batch
from harness.store import batches, tallies, traffic
from harness.store.batches import BatchJob
from harness.store.runs import Store, open_store
from harness.store.traffic import RoutedCall

from ..support.cli import Terminal
from ..support.postgres import PASSWORD, Postgres
from ..support.project import Project
from ..support.running import cases, config_of
from ..support.servers import FakeOpenAI, Reply
from ..support.stored import NASTY, failure, manifest, result

RUN = "20250601-1000-aaaa"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store on each database: both have the same contract."""
    sqlite = f"sqlite:///{tmp_path / 'runs.db'}"
    opened = open_store(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres").fresh())
    opened.begin(manifest(), plan_key="plan", model_key="model")
    yield opened
    opened.close()


@pytest.fixture
def team(postgres: Postgres, project: Project, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty store for the small project."""
    url = postgres.fresh()
    monkeypatch.setenv("HARNESS_STORE_URL", url)
    return url


# The contract of a store


def test_every_text_of_a_reply_survives_a_round_trip(store: Store) -> None:
    case = Case("id " + NASTY, {NASTY: [NASTY, 1.5, None]}, {"a": NASTY}, (NASTY,), "test", "human", "d")
    call = {"id": "c", "type": "function", "function": {"name": NASTY, "arguments": "{}"}}
    response = Response(NASTY, "stop", refusal=NASTY, tool_calls=(call,), model=NASTY)
    full = replace(result(), case=case, response=response)
    vector = replace(result("t-2"), response=Response(vector=(0.1, -1e-300, math.inf)))
    store.save(RUN, [full, vector, failure("t-3")])
    assert store.results(RUN) == [full, vector, failure("t-3")]


def test_ten_megabytes_of_text_survive_a_round_trip(store: Store) -> None:
    huge = replace(result(), response=Response("x\U0001f600" * 2_000_000))
    store.save(RUN, [huge])
    assert store.results(RUN) == [huge]


def test_finish_updates_the_manifest(store: Store) -> None:
    done = manifest(finished_at="2025-06-01T10:05:00Z", wall_s=300.0, notes=(NASTY,), tags=("weekly",))
    assert store.load("20250601").manifest == manifest()
    store.finish(done)
    assert [run.manifest for run in store.latest("triage")] == [done]


def test_reply_replaces_a_failed_call_but_no_other_repeat(store: Store) -> None:
    store.save(RUN, [failure(), result(repeat=1)])
    store.save(RUN, [result()])
    store.save(RUN, [result()])
    assert store.results(RUN) == [result(), result(repeat=1)]


def test_unfinished_or_partly_failed_run_can_be_resumed(store: Store) -> None:
    assert store.unfinished("plan") == manifest()
    store.finish(manifest(finished_at="x"))
    assert store.unfinished("plan") is None
    store.save(RUN, [failure()])
    assert store.unfinished("plan") == manifest(finished_at="x")


def test_cached_replies_match_model_and_age(store: Store) -> None:
    store.begin(manifest("other"), plan_key="", model_key="another model")
    store.save(RUN, [result(f"t-{i}") for i in range(1200)] + [failure("t-x")])
    store.save("other", [result("t-y")])
    keys = [f"key-t-{i}" for i in range(1200)] + ["key-t-x", "key-t-y"]
    assert set(store.answers("model", keys)) == set(keys[:1200])
    assert store.answers("model", keys, since="2025-06-02") == {}


def test_wildcards_in_a_run_id_prefix_are_literal(store: Store) -> None:
    for unknown in ("%", "_0250601-1000-aaaa", "\\", "20250601-1000-aaaa'--"):
        with pytest.raises(StoreError, match="no run "):
            store.load(unknown)


def test_only_a_run_without_results_is_discarded(store: Store) -> None:
    store.begin(manifest("r-2"), plan_key="", model_key="")
    store.save("r-2", [result()])
    store.discard_if_empty(RUN)
    store.discard_if_empty("r-2")
    assert [m.run_id for m in store.manifests()] == ["r-2"]


def test_cases_have_the_same_order_in_every_database(store: Store) -> None:
    ids = ["B", "a", "_", "a-1", "a1", "Z", "é", "10", "9"]
    store.save(RUN, [result(case_id) for case_id in ids])
    assert [r.case.id for r in store.results(RUN)] == sorted(ids)


def test_tallies_are_cached(store: Store) -> None:
    done = manifest(finished_at="x")
    store.finish(done)
    store.save(RUN, [result("t-1"), result("t-2"), failure("t-3")])
    first = tallies.tallies(store, [done])
    assert first == tallies.tallies(store, [done])
    assert (first[RUN].cases, first[RUN].failed) == ({(1, 1, 1, 1): 2}, 1)


# Concurrency


def run_of(project: Project, *flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "harness", "run", "--variant", "local", *flags]
    return subprocess.Popen(
        command, cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def batch_sent(store: Store, calls_: Sequence[RoutedCall]) -> None:
    """Save a batch for each call."""
    for call in calls_:
        batches.write(store, BatchJob(secrets.token_hex(4), "fake", "http://x", "c", call.task, 1, call.called_at))


@pytest.mark.slow
def test_concurrent_runners_share_one_store(team: str, project: Project, server: FakeOpenAI) -> None:
    cases(project, 40)
    project.config(config_of(url=server.base_url))
    runners = [run_of(project, "--no-cache") for _ in range(2)]
    ended = [(runner.communicate(timeout=120)[1], runner.returncode) for runner in runners]
    assert [code for _, code in ended] == [0] * 2, ended
    store = open_store(team)
    saved = store.manifests()
    assert len(saved) == 2
    assert all(m.finished_at for m in saved)
    assert [len(store.results(m.run_id)) for m in saved] == [40] * 2
    store.close()


def test_concurrent_writes_of_the_same_cases_do_not_deadlock(postgres: Postgres) -> None:
    url = postgres.fresh()
    wrong: list[Exception] = []

    def write(number: int) -> None:
        store = open_store(url)
        try:
            store.begin(manifest(f"r-{number}"), plan_key="", model_key="")
            order = range(60) if number % 2 else range(59, -1, -1)
            for start in range(0, 60, 20):
                store.save(f"r-{number}", [result(f"t-{i}") for i in order[start : start + 20]])
        except StoreError as error:
            wrong.append(error)
        finally:
            store.close()

    writers = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not wrong
    assert postgres.sql("SELECT count(*) FROM results", url.rpartition("/")[2]) == [(360,)]


@pytest.mark.parametrize("write", [traffic.append, batch_sent], ids=["calls", "batches"])
def test_concurrent_first_writes_are_all_saved(
    postgres: Postgres, write: Callable[[Store, Sequence[RoutedCall]], None]
) -> None:
    url = postgres.fresh()
    stores = [open_store(url) for _ in range(6)]
    together = threading.Barrier(len(stores))

    def first(store: Store) -> None:
        together.wait(timeout=30)
        write(store, [RoutedCall("2026-01-01T00:00:00.000+00:00", "triage")])

    try:
        with ThreadPoolExecutor(len(stores)) as threads:
            list(threads.map(first, stores))
        assert len([*traffic.read(stores[0]), *batch.read(stores[0])]) == 6
    finally:
        for store in stores:
            store.close()


# Errors


def line_of(url: str) -> str:
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert "\n" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert "wrong-secret" not in str(caught.value)
    return str(caught.value)


def test_connection_error_is_one_line_without_password(postgres: Postgres) -> None:
    assert "Connection refused" in line_of(f"postgresql+psycopg://team:{PASSWORD}@127.0.0.1:9/runs")
    assert "password authentication failed" in line_of(postgres.url("postgres", password="wrong-secret"))
    assert 'database "nowhere" does not exist' in line_of(postgres.url("nowhere"))
    assert "store url" in line_of(f"postgresql+psycopg://team:{PASSWORD}@127.0.0.1:port/runs")


def test_command_line_never_shows_the_password(
    team: str, harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    seen = [harness("run", "--variant", "local", "-o", "r.html"), harness("history"), harness("report", "nonsense")]
    assert [ended.code for ended in seen] == [0, 0, 2]
    assert "no run 'nonsense' in postgresql+psycopg://team:***@" in seen[2].err
    assert PASSWORD not in "".join(ended.out + ended.err for ended in seen)
    assert PASSWORD not in (served.root / "r.html").read_text()


@pytest.mark.slow
def test_lost_server_is_one_line_and_resume_continues(
    postgres: Postgres, team: str, project: Project, server: FakeOpenAI
) -> None:
    server.answer = lambda _: Reply(delay_s=0.03)
    cases(project, 40)
    project.config(config_of(url=server.base_url))
    runner = run_of(project, "-j", "2")
    until = time.monotonic() + 60
    while len(server.prompts) < 20:
        assert runner.poll() is None, runner.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    postgres.stop()
    _, err = runner.communicate(timeout=30)
    postgres.start()
    assert runner.returncode == 2
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if line.startswith("error")]
    assert line.startswith("error: store postgresql+psycopg://team:***@"), line
    assert "--resume" in line
    database = team.rpartition("/")[2]
    ((kept,),) = postgres.sql("SELECT count(*) FROM results WHERE NOT failed", database)
    assert isinstance(kept, int)
    assert kept > 0
    before = len(server.prompts)
    again = run_of(project, "--resume")
    out, err = again.communicate(timeout=60)
    assert again.returncode == 0, out + err
    assert sorted(set(server.prompts[before:])) == sorted(server.prompts[before:])
    assert len(server.prompts) - before == 40 - kept
    assert postgres.sql("SELECT count(*), count(finished_at) FROM runs", database) == [(1, 1)]


def test_idle_connection_survives_a_server_restart(postgres: Postgres) -> None:
    store = open_store(postgres.fresh())
    store.begin(manifest(), plan_key="", model_key="")
    postgres.stop()
    postgres.start()
    store.save(RUN, [result()])
    assert store.results(RUN) == [result()]
    store.close()


def test_read_only_user_can_use_history_and_report(
    postgres: Postgres, team: str, harness: Terminal, served: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness("run", "--variant", "local")
    database = team.rpartition("/")[2]
    postgres.sql("CREATE ROLE auditor LOGIN PASSWORD 'look'", database)
    postgres.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO auditor", database)
    monkeypatch.setenv("HARNESS_STORE_URL", postgres.url(database, "auditor", "look"))
    for command in (["history"], ["report", "triage", "-o", "r.html"]):
        ended = harness(*command)
        assert (ended.code, ended.err) == (0, "")
        assert "triage" in ended.out
    ended = harness("run", "--variant", "local")
    assert ended.code == 2
    assert "permission denied" in ended.err
    assert ended.err.count("\n") == 1
