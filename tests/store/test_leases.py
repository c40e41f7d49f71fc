"""Leases: one process at a time works on a run, and no lease lasts forever."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.store import leases
from harness.store.runs import Store, open_store

from ..support.project import Project
from ..support.running import cases, config_of
from ..support.servers import FakeOpenAI, Reply
from ..support.stored import manifest

RUN = "20250601-1000-aaaa"
ANNA, BERT = "elsewhere:1:a", "elsewhere:2:b"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    owner: str = (
        f"sqlite:///{tmp_path / 'runs.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres").fresh()
    )
    return owner


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    opened.begin(manifest(), plan_key="plan", model_key="model")
    yield opened
    opened.close()


def test_lease_excludes_others_until_released(store: Store) -> None:
    assert leases.holder(store, RUN) == ""
    assert leases.acquire(store, RUN, ANNA)
    assert leases.acquire(store, RUN, ANNA)
    assert not leases.acquire(store, RUN, BERT)
    assert leases.holder(store, RUN) == "process 1 on elsewhere"
    leases.release(store, RUN, BERT)  # he does not hold it
    assert not leases.acquire(store, RUN, BERT)
    leases.release(store, RUN, ANNA)
    assert leases.acquire(store, RUN, BERT)


def test_expired_lease_can_be_taken_by_another_process(store: Store) -> None:
    assert leases.acquire(store, RUN, ANNA, seconds=0.05)
    assert leases.renew(store, RUN, ANNA, seconds=0.05)
    time.sleep(0.1)
    assert leases.holder(store, RUN) == ""
    assert leases.renew(store, RUN, ANNA, seconds=0.05)  # expired, but still free
    time.sleep(0.1)
    assert leases.acquire(store, RUN, BERT)
    assert not leases.renew(store, RUN, ANNA)
    assert not leases.acquire(store, RUN, ANNA)


def test_unknown_run_has_no_lease(store: Store) -> None:
    assert not leases.acquire(store, "nowhere", ANNA)
    assert leases.holder(store, "nowhere") == ""


def test_lease_of_an_ended_local_process_is_free_at_once(store: Store) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert leases.acquire(store, RUN, f"{socket.gethostname()}:{gone.pid}:x")
    assert leases.holder(store, RUN) == ""
    assert leases.acquire(store, RUN, BERT)


def test_running_process_keeps_its_lease(store: Store) -> None:
    assert leases.acquire(store, RUN, leases.new_owner())
    assert leases.holder(store, RUN) == f"process {os.getpid()} on {socket.gethostname()}"
    assert not leases.acquire(store, RUN, leases.new_owner())


def test_only_one_of_many_concurrent_processes_gets_a_lease(url: str, store: Store) -> None:
    got: list[str] = []

    def come(name: str) -> None:
        mine = open_store(url)
        if leases.acquire(mine, RUN, name):
            got.append(name)
        mine.close()

    threads = [threading.Thread(target=come, args=(f"elsewhere:{n}:x",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


# Leases during a run


def start(project: Project, *flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "harness", "run", "--variant", "local", "-j", "2", *flags]
    return subprocess.Popen(
        command, cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


@pytest.mark.slow
def test_resume_of_a_run_in_progress_is_refused(project: Project, server: FakeOpenAI) -> None:
    server.answer = lambda _: Reply(delay_s=0.2)
    cases(project, 40)
    project.config(config_of(url=server.base_url))
    first = start(project)
    until = time.monotonic() + 60
    while len(server.prompts) < 4:
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    second = start(project, "--resume")
    _, err = second.communicate(timeout=60)
    assert (second.returncode, first.poll()) == (2, None), err
    (line,) = [line for line in err.splitlines() if line.startswith("error")]
    assert (
        f"is already being resumed by process {first.pid} on {socket.gethostname()}: wait until that process ends"
        in line
    )
    first.kill()
    first.communicate()
    server.answer = lambda _: Reply()
    third = start(project, "--resume")
    out, err = third.communicate(timeout=60)
    assert third.returncode == 0, out + err
