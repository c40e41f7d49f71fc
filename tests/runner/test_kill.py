"""The command line in a process of its own, ended halfway: what was answered is kept, and is not asked again."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from ..support.cli import Terminal
from ..support.project import Project
from ..support.running import cases, config_of
from ..support.servers import FakeOpenAI, Reply, closing

N = 40
JOBS = 3


@pytest.fixture
def server(project: Project) -> Iterator[FakeOpenAI]:
    """A server that takes a moment for each of the project's 40 cases."""
    with closing(FakeOpenAI()) as fake:
        fake.answer = lambda _: Reply(delay_s=0.05)
        cases(project, N)
        project.config(config_of(url=fake.base_url))
        yield fake


def start(project: Project, *flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "harness", "run", "--variant", "local", "-j", str(JOBS), *flags]
    return subprocess.Popen(
        command, cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def wait_until_asked(server: FakeOpenAI, n: int, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while len(server.chats) < n:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)


def stored(project: Project) -> list[str]:
    """The answered cases, straight from the file."""
    with sqlite3.connect(project.root / ".harness" / "runs.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [row[0] for row in connection.execute("SELECT case_id FROM results WHERE NOT failed")]


def times_asked(server: FakeOpenAI) -> Counter[str]:
    return Counter(f"c-{int(prompt.split()[2]):03}" for prompt in server.prompts)


def resume(project: Project, harness: Terminal) -> None:
    ended = harness("run", "--variant", "local", "-j", str(JOBS), "--resume")
    assert ended.code == 0, ended.out + ended.err
    with sqlite3.connect(project.root / ".harness" / "runs.db") as connection:
        assert connection.execute("SELECT count(*), count(finished_at) FROM runs").fetchone() == (1, 1)


def test_resume_after_sigkill_repeats_no_answered_case(harness: Terminal, project: Project, server: FakeOpenAI) -> None:
    process = start(project)
    wait_until_asked(server, N // 2, process)
    process.kill()
    process.communicate()
    time.sleep(0.1)  # the server is still at the requests that were under way
    kept, asked = stored(project), times_asked(server)
    assert 0 < len(kept) < N
    resume(project, harness)
    assert sorted(stored(project)) == [f"c-{i:03}" for i in range(N)]
    again = {case_id for case_id, n in times_asked(server).items() if n > 1}
    assert again == asked.keys() - set(kept)
    assert len(again) <= 3 * JOBS


def test_ctrl_c_ends_with_130_and_one_line_and_resume_goes_on(
    harness: Terminal, project: Project, server: FakeOpenAI
) -> None:
    process = start(project)
    wait_until_asked(server, N // 2, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 130
    kept = stored(project)
    (line,) = [line for line in err.splitlines() if line.startswith("error")]
    assert (
        line
        == f"error: interrupted: {len(kept)} answers of this session are saved; the same command with --resume goes on"
    )
    assert "Traceback" not in err
    assert 0 < len(kept) < N
    resume(project, harness)
    assert sorted(stored(project)) == [f"c-{i:03}" for i in range(N)]
    assert not {case_id for case_id, n in times_asked(server).items() if n > 1} & set(kept)


@pytest.mark.parametrize("presses", [1, 3])
def test_repeated_ctrl_c_ends_a_run_on_a_stuck_server(project: Project, server: FakeOpenAI, presses: int) -> None:
    server.next(*[Reply()] * 5)
    server.answer = lambda _: Reply(delay_s=600)
    process = start(project)
    wait_until_asked(server, 5 + JOBS, process)
    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    _, err = process.communicate(timeout=180)
    # one that comes while Python itself is going ends it by the signal, which a shell shows as 130, too
    assert process.returncode == 130 or (presses > 1 and process.returncode == -signal.SIGINT)
    assert presses > 1 or "Traceback" not in err
    assert len(stored(project)) == 4, "no request that is stuck was waited for"
