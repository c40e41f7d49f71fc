"""`harness run --batch` of the small project: the line that is typed, and what is in the store afterwards."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from harness.core.types import Result, Run
from harness.runner.batch import cell_batch
from harness.store.runs import open_store

from .batches import FakeBatches, good
from .cli import Ended, Terminal
from .project import Project

RUN = ("run", "--batch", "-b", "fake", "--variant", "local")
WAITED = cell_batch._wait


def newest(project: Project) -> Run:
    store = open_store(project.load().store_url)
    try:
        return store.load(store.manifests()[0].run_id)
    finally:
        store.close()


def errors(project: Project) -> dict[str, str]:
    return {r.case.id: r.response.error.message for r in newest(project).results if r.response.error}


def by_case(project: Project) -> dict[str, Result]:
    return {result.case.id: result for result in newest(project).results}


def under_way(harness: Terminal) -> Ended:
    return harness("batch", "list")


def text_of(line: dict[str, Any]) -> str:
    return str(line["body"]["messages"][-1]["content"])


def left_behind(
    harness: Terminal,
    api: FakeBatches,
    monkeypatch: pytest.MonkeyPatch,
    result: Callable[[dict[str, Any]], dict[str, Any]] = good,
) -> None:
    """Send a batch, interrupt the run, and let the batch finish."""
    interrupt_at_next_wait(monkeypatch)
    api.result = result
    api.hangs = True
    assert harness(*RUN).code == 130
    monkeypatch.setattr(cell_batch, "_wait", WAITED)
    api.hangs = False
    assert "completed, 4 of 4 answered" in under_way(harness).out


def interrupt_at_next_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def waited(wait_s: float) -> float:
        os.kill(os.getpid(), signal.SIGINT)
        return await WAITED(wait_s)

    monkeypatch.setattr(cell_batch, "_wait", waited)
