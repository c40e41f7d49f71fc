"""`harness.run` and `harness.arun`: loops, cancellation, options, and what they leave alone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

import harness
from harness.core.errors import BackendUnavailable, ConfigError, Interrupted

from ..support.project import Project
from ..support.running import cases, config_of
from ..support.servers import Asked, FakeOpenAI, Reply


def saved(folder: Path) -> list[harness.Result]:
    """All results in the project's store."""
    with harness.Project.open(folder, read_only=True) as project:
        return [result for m in project.store.manifests() for result in project.store.results(m.run_id)]


def state() -> tuple[object, ...]:
    """What a library must not change."""
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    return sys.getswitchinterval(), handlers, dict(os.environ)


def test_run_returns_a_report_of_each_cell(folder: Path) -> None:
    reports = harness.run("triage", root=folder)
    assert [report.name for report in reports] == ["gpt@fake", "local@fake"]
    assert {report.summary.n for report in reports} == {4}


def test_arun_returns_what_run_returns(folder: Path) -> None:
    reports = asyncio.run(harness.arun("triage", root=folder))
    assert [report.name for report in reports] == ["gpt@fake", "local@fake"]


def test_run_works_inside_a_running_loop(folder: Path) -> None:
    async def notebook_cell() -> list[harness.CellReport]:
        return harness.run("triage", variant="local", root=folder)

    assert [report.name for report in asyncio.run(notebook_cell())] == ["local@fake"]


def test_arun_leaves_the_loop_free(folder: Path, server: FakeOpenAI) -> None:
    server.answer = lambda _: Reply(delay_s=0.1)

    async def ticks() -> int:
        run = asyncio.create_task(harness.arun("triage", variant="local", root=folder))
        n = 0
        while not run.done():
            await asyncio.sleep(0.01)
            n += 1
        await run
        return n

    assert asyncio.run(ticks()) > 10


def test_two_aruns_share_one_loop(folder: Path, tmp_path: Path, server: FakeOpenAI) -> None:
    other = tmp_path / "other"
    other.mkdir()
    Project(other).config(config_of("second", url=server.base_url))
    server.answer = lambda _: Reply(delay_s=0.02)

    async def both() -> list[list[harness.CellReport]]:
        return await asyncio.gather(
            harness.arun("triage", variant="local", root=folder), harness.arun("triage", variant="local", root=other)
        )

    first, second = asyncio.run(both())
    assert [report.name for report in (*first, *second)] == ["local@fake", "local@second"]
    assert [len(saved(each)) for each in (folder, other)] == [4, 4]


def test_cancelled_arun_keeps_its_results_and_resumes(folder: Path, project: Project, server: FakeOpenAI) -> None:
    cases(project, 20)
    server.answer = lambda asked: Reply(delay_s=60) if len(server.prompts) > 8 else Reply()

    async def cancelled() -> None:
        run = asyncio.create_task(harness.arun("triage", variant="local", jobs=1, root=folder))
        while len(server.prompts) <= 8:  # noqa: ASYNC110  the server is not of this loop
            await asyncio.sleep(0.01)
        run.cancel()
        await run

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    kept = len(saved(folder))
    assert kept >= 7
    server.answer = lambda _: Reply()
    [report] = harness.run("triage", variant="local", resume=True, root=folder)
    assert report.summary.n == 20
    assert len(saved(folder)) == 20


def test_arun_can_be_limited_by_a_timeout(folder: Path, server: FakeOpenAI) -> None:
    server.answer = lambda _: Reply(delay_s=60)

    async def impatient() -> None:
        async with asyncio.timeout(0.5):
            await harness.arun("triage", root=folder)

    with pytest.raises(TimeoutError):
        asyncio.run(impatient())


def test_run_changes_nothing_interpreter_wide(folder: Path, server: FakeOpenAI) -> None:
    during: list[tuple[object, ...]] = []

    def answer(_: Asked) -> Reply:
        during.append(state())
        return Reply()

    before = state()
    server.answer = answer
    harness.run("triage", root=folder)
    assert during
    assert all(each == before for each in during)
    assert state() == before


def test_ctrl_c_raises_interrupted_and_keeps_the_handler(folder: Path, project: Project, server: FakeOpenAI) -> None:
    cases(project, 20)

    def answer(_: Asked) -> Reply:
        if len(server.prompts) > 8:
            os.kill(os.getpid(), signal.SIGINT)
            return Reply(delay_s=0.5)
        return Reply()

    server.answer = answer
    with pytest.raises(Interrupted):
        harness.run("triage", variant="local", jobs=1, root=folder)
    assert len(saved(folder)) >= 7
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_run_ends_its_thread(folder: Path) -> None:
    harness.run("triage", root=folder)
    assert "harness-event-loop" not in {thread.name for thread in threading.enumerate()}


def test_argument_beats_environment_beats_toml(
    folder: Path, project: Project, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.config(config_of(url=server.base_url) + "[run]\nlimit = 3\nvariant = ['gpt']\n")
    assert [(r.name, r.summary.n) for r in harness.run("triage", root=folder)] == [("gpt@fake", 3)]
    monkeypatch.setenv("HARNESS_LIMIT", "2")
    monkeypatch.setenv("HARNESS_VARIANT", "local gpt")
    assert [(r.name, r.summary.n) for r in harness.run("triage", root=folder)] == [("local@fake", 2), ("gpt@fake", 2)]
    assert [(r.name, r.summary.n) for r in harness.run("triage", variant="local", limit=1, root=folder)] == [
        ("local@fake", 1)
    ]


def test_record_and_tag_are_arguments_too(folder: Path) -> None:
    [report] = harness.run("triage", variant="local", tag="nightly", record=folder / "a.jsonl", root=folder)
    assert report.manifest.tags == ("nightly",)
    assert (folder / "a.jsonl").stat().st_size > 0


def test_missing_backend_raises_its_reason(project: Project) -> None:
    with pytest.raises(BackendUnavailable, match=r"127\.0\.0\.1:9"):
        harness.run("triage", backend="fake", root=project.root)


def test_ladder_and_backend_exclude_each_other(folder: Path) -> None:
    with pytest.raises(ConfigError, match="a ladder names its backends"):
        harness.run("triage", backend="fake", ladder="x", root=folder)
