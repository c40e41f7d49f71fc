"""A team's store: on a real PostgreSQL everything is as on SQLite, also for many at once and when the server goes."""

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
from ..support.postgres import PASSWORD, Postgres, running
from ..support.project import Project
from ..support.running import cases, config_of
from ..support.servers import FakeOpenAI, Reply
from ..support.stored import NASTY, failure, manifest, result

RUN = "20250601-1000-aaaa"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The contract of a store is the same on both."""
    sqlite = f"sqlite:///{tmp_path / 'runs.db'}"
    opened = open_store(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres").fresh())
    opened.begin(manifest(), plan_key="plan", model_key="model")
    yield opened
    opened.close()


@pytest.fixture
def team(postgres: Postgres, project: Project, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty store that the small project uses."""
    url = postgres.fresh()
    monkeypatch.setenv("HARNESS_STORE_URL", url)
    return url


# What a store promises


def test_whatever_a_model_says_comes_back_as_it_was(store: Store) -> None:
    case = Case("id " + NASTY, {NASTY: [NASTY, 1.5, None]}, {"a": NASTY}, (NASTY,), "test", "human", "d")
    call = {"id": "c", "type": "function", "function": {"name": NASTY, "arguments": "{}"}}
    told = Response(NASTY, "stop", refusal=NASTY, tool_calls=(call,), model=NASTY)
    full = replace(result(), case=case, response=told)
    vector = replace(result("t-2"), response=Response(vector=(0.1, -1e-300, math.inf)))
    store.save(RUN, [full, vector, failure("t-3")])
    assert store.results(RUN) == [full, vector, failure("t-3")]


def test_ten_megabytes_of_text_come_back(store: Store) -> None:
    huge = replace(result(), response=Response("x\U0001f600" * 2_000_000))
    store.save(RUN, [huge])
    assert store.results(RUN) == [huge]


def test_a_manifest_comes_back_and_finishing_changes_it(store: Store) -> None:
    done = manifest(finished_at="2025-06-01T10:05:00Z", wall_s=300.0, notes=(NASTY,), tags=("weekly",))
    assert store.load("20250601").manifest == manifest()
    store.finish(done)
    assert [run.manifest for run in store.latest("triage")] == [done]


def test_a_failure_is_replaced_by_its_answer_and_repeats_are_kept_apart(store: Store) -> None:
    store.save(RUN, [failure(), result(repeat=1)])
    store.save(RUN, [result()])
    store.save(RUN, [result()])
    assert store.results(RUN) == [result(), result(repeat=1)]


def test_the_run_to_go_on_with_is_one_that_is_not_finished_or_has_failures(store: Store) -> None:
    assert store.unfinished("plan") == manifest()
    store.finish(manifest(finished_at="x"))
    assert store.unfinished("plan") is None
    store.save(RUN, [failure()])
    assert store.unfinished("plan") == manifest(finished_at="x")


def test_answers_are_those_of_the_same_model_that_are_new_enough(store: Store) -> None:
    store.begin(manifest("other"), plan_key="", model_key="another model")
    store.save(RUN, [result(f"t-{i}") for i in range(1200)] + [failure("t-x")])
    store.save("other", [result("t-y")])
    keys = [f"key-t-{i}" for i in range(1200)] + ["key-t-x", "key-t-y"]
    assert set(store.answers("model", keys)) == set(keys[:1200])
    assert store.answers("model", keys, since="2025-06-02") == {}


def test_a_beginning_with_the_signs_of_a_pattern_is_no_pattern(store: Store) -> None:
    for unknown in ("%", "_0250601-1000-aaaa", "\\", "20250601-1000-aaaa'--"):
        with pytest.raises(StoreError, match="no run "):
            store.load(unknown)


def test_a_run_that_came_to_nothing_is_forgotten_and_no_other(store: Store) -> None:
    store.begin(manifest("r-2"), plan_key="", model_key="")
    store.save("r-2", [result()])
    store.discard_if_empty(RUN)
    store.discard_if_empty("r-2")
    assert [m.run_id for m in store.manifests()] == ["r-2"]


def test_cases_are_listed_in_the_same_order_whatever_the_database(store: Store) -> None:
    ids = ["B", "a", "_", "a-1", "a1", "Z", "é", "10", "9"]
    store.save(RUN, [result(one) for one in ids])
    assert [one.case.id for one in store.results(RUN)] == sorted(ids)


def test_runs_are_counted_once_and_the_counts_kept(store: Store) -> None:
    done = manifest(finished_at="x")
    store.finish(done)
    store.save(RUN, [result("t-1"), result("t-2"), failure("t-3")])
    first = tallies.tallies(store, [done])
    assert first == tallies.tallies(store, [done])
    assert (first[RUN].cases, first[RUN].failed) == ({(1, 1, 1, 1): 2}, 1)


# Several at once


def run_of(project: Project, *flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "harness", "run", "--variant", "local", *flags]
    return subprocess.Popen(
        command, cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def batch_sent(store: Store, calls_: Sequence[RoutedCall]) -> None:
    """Note a batch for each call."""
    for call in calls_:
        batches.write(store, BatchJob(secrets.token_hex(4), "fake", "http://x", "c", call.task, 1, call.called_at))


@pytest.mark.slow
def test_runners_that_start_together_make_one_history(team: str, project: Project, server: FakeOpenAI) -> None:
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


def test_threads_that_write_the_same_cases_do_not_wait_for_each_other_for_ever(postgres: Postgres) -> None:
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
def test_tables_that_several_write_to_for_the_first_time_are_made_once(
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


# Trouble


def line_of(url: str) -> str:
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert "\n" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert "wrong-secret" not in str(caught.value)
    return str(caught.value)


def test_a_server_that_refuses_is_told_on_one_line_without_the_password(postgres: Postgres) -> None:
    assert "Connection refused" in line_of(f"postgresql+psycopg://team:{PASSWORD}@127.0.0.1:9/runs")
    assert "password authentication failed" in line_of(postgres.url("postgres", password="wrong-secret"))
    assert 'database "nowhere" does not exist' in line_of(postgres.url("nowhere"))
    assert "store url" in line_of(f"postgresql+psycopg://team:{PASSWORD}@127.0.0.1:port/runs")


def test_the_command_line_never_shows_the_password(
    team: str, harness: Terminal, served: Project, server: FakeOpenAI
) -> None:
    seen = [harness("run", "--variant", "local", "-o", "r.html"), harness("history"), harness("report", "nonsense")]
    assert [ended.code for ended in seen] == [0, 0, 2]
    assert "no run 'nonsense' in postgresql+psycopg://team:***@" in seen[2].err
    assert PASSWORD not in "".join(ended.out + ended.err for ended in seen)
    assert PASSWORD not in (served.root / "r.html").read_text()


@pytest.mark.slow
def test_a_server_that_goes_in_mid_run_is_one_line_and_resume_goes_on_after_it(
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


def test_a_connection_that_was_idle_while_the_server_restarted_is_made_anew(postgres: Postgres) -> None:
    store = open_store(postgres.fresh())
    store.begin(manifest(), plan_key="", model_key="")
    postgres.stop()
    postgres.start()
    store.save(RUN, [result()])
    assert store.results(RUN) == [result()]
    store.close()


def test_who_may_only_read_reads_history_and_reports(
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
