"""Results survive a failure of the store, the clock or the process.

Elsewhere: killed processes and Ctrl-C in runner/test_kill.py, a full disk in runner/engine, damaged files in
test_runs.py. `bench/faults/faults.py` runs all of these against the real command.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.core import ids
from harness.core.errors import StoreError
from harness.core.types import Request, Response
from harness.store import database
from harness.store.runs import Store, open_store

from ..runner import test_kill
from ..runner.test_kill import start, stored, times_asked, wait_until_asked
from ..support.cli import Terminal
from ..support.engine import Slow
from ..support.project import Project
from ..support.running import Scripted, cases, config_of, execute
from ..support.servers import FakeOpenAI, Reply, error

N = 40


@pytest.fixture
def store(project: Project) -> Iterator[Store]:
    cases(project, N)
    opened = open_store(project.load().store_url)
    yield opened
    opened.close()


def answer(_: Request) -> Response:
    return Response("billing", "stop", latency_s=0.01)


def file_of(project: Project) -> Path:
    return project.root / ".harness" / "runs.db"


# Power failure


def test_truncated_log_leaves_a_valid_store_with_fewer_results(project: Project, store: Store, tmp_path: Path) -> None:
    execute(project, store, backend=lambda _: Scripted(answer))  # the open store leaves its log
    log = Path(f"{file_of(project)}-wal").read_bytes()
    chance, counts = random.Random(1), []
    for size in sorted([0, len(log), *(chance.randrange(len(log)) for _ in range(20))]):
        copy = tmp_path / str(size) / "runs.db"
        copy.parent.mkdir()
        shutil.copy(file_of(project), copy)
        Path(f"{copy}-wal").write_bytes(log[:size])
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        again = open_store(f"sqlite:///{copy}")
        counts.append(sum(len(again.results(manifest.run_id)) for manifest in again.manifests()))
        again.close()
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, N)


def test_resume_requests_only_results_lost_in_a_power_failure(project: Project, store: Store) -> None:
    execute(project, store, backend=lambda _: Scripted(answer), cells=project.plan(variant=("local",), limit=25))
    manifest = store.manifests()[0]
    with closing(sqlite3.connect(file_of(project))) as connection:  # as if the run had not ended
        connection.execute("UPDATE runs SET finished_at = NULL")
        connection.execute("DELETE FROM results WHERE case_id >= 'c-020'")
        connection.commit()
    backend = Scripted(answer)
    (run,) = execute(
        project, store, backend=lambda _: backend, cells=project.plan(variant=("local",), limit=25), resume=True
    ).runs
    assert run.manifest.run_id == manifest.run_id
    assert len(backend.asked) == 5


# A locked store


class Held:
    """Another process with the write lock."""

    def __init__(self, path: Path) -> None:
        """Wait for the lock."""
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
        self._connection.execute("BEGIN IMMEDIATE")

    def end(self) -> None:
        """Release the lock."""
        self._connection.close()


def test_briefly_locked_store_is_waited_for(project: Project, store: Store) -> None:
    def script(request: Request) -> Response:
        if len(backend.asked) == 10:
            held = Held(file_of(project))
            threading.Timer(0.3, held.end).start()
        return answer(request)

    backend = Scripted(script)
    (run,) = execute(project, store, backend=lambda _: backend).runs
    assert len(store.results(run.manifest.run_id)) == N
    assert len(backend.asked) == N


def test_requests_stop_while_the_store_is_locked(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.3)
    cases(project, 160)
    store = open_store(project.load().store_url)
    held: list[Held] = []

    def script(request: Request) -> Response:
        if len(backend.asked) == 30 and not held:
            held.append(Held(file_of(project)))
        return answer(request)

    backend = Scripted(script, concurrency=4)
    with pytest.raises(StoreError, match="another process has locked the store"):
        execute(project, store, backend=lambda _: backend)
    held[0].end()
    assert 30 <= len(backend.asked) < 90
    again = Scripted(answer, concurrency=4)
    (run,) = execute(project, store, backend=lambda _: again).runs
    assert len(run.results) == 160
    assert len(backend.asked) + len(again.asked) - 160 < 60
    store.close()


# The clock


@pytest.mark.parametrize("days", [2, -2])
def test_clock_jump_loses_and_repeats_no_result(
    project: Project, store: Store, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    class Jumped(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(days=days)

    def script(request: Request) -> Response:
        if len(backend.asked) == 20:
            monkeypatch.setattr(ids, "datetime", Jumped)
        if len(backend.asked) == 30:
            os.kill(os.getpid(), signal.SIGINT)  # as a terminal does: to the process, not to this thread
        return answer(request)

    backend = Slow(script)
    with pytest.raises(Exception, match="interrupted"):
        execute(project, store, backend=lambda _: backend)
    again = Scripted(answer)
    (run,) = execute(project, store, backend=lambda _: again, resume=True).runs
    assert [run.manifest.run_id] == [manifest.run_id for manifest in store.manifests()]
    assert len(run.results) == N
    assert len(backend.asked) + len(again.asked) - N <= 1
    assert run.manifest.wall_s is not None
    assert run.manifest.wall_s >= 0
    newer = execute(project, store, backend=lambda _: Scripted(answer)).runs[0]
    assert all(result.cached for result in newer.results)


# The process


def test_sigterm_exits_143_and_resume_continues(harness: Terminal, project: Project, server: FakeOpenAI) -> None:
    server.answer = lambda _: Reply(delay_s=0.02)
    cases(project, N)
    project.config(config_of(url=server.base_url))
    process = start(project)
    wait_until_asked(server, N // 2, process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=180)
    assert (process.returncode, "Traceback" in err) == (143, False)
    kept = stored(project)
    (line,) = [line for line in err.splitlines() if line.startswith("error")]
    assert f"{len(kept)} answers of this session are saved; the same command with --resume goes on" in line
    assert 0 < len(kept) < N
    test_kill.resume(project, harness)
    assert sorted(stored(project)) == [f"c-{i:03}" for i in range(N)]


@pytest.mark.slow
def test_two_processes_resuming_one_run_do_not_pay_twice(project: Project, store: Store, server: FakeOpenAI) -> None:
    project.config(config_of(url=server.base_url))
    server.next(*[Reply()] * 11)  # the first request is the warm-up
    server.answer = lambda _: error(401)
    execute(project, store, jobs=1)
    kept, before = set(stored(project)), times_asked(server)
    assert len(kept) == 10
    server.answer = lambda _: Reply(delay_s=0.05)
    both = [start(project, "--resume"), start(project, "--resume")]
    ended = [(*process.communicate(timeout=60), process.returncode) for process in both]
    assert 0 in {code for _, _, code in ended}
    for _, err, code in ended:
        assert "Traceback" not in err
        assert code == 0 or "error: " in err
    requests = times_asked(server) - before
    assert not requests.keys() & kept
    assert max(requests.values()) == 1
    assert set(stored(project)) == {f"c-{i:03}" for i in range(N)}
