"""Cases with several requests: `repeats = n`."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.analysis.metrics.summary import summarize
from harness.core.types import CallError, Request, Response, Run
from harness.store.runs import open_store

from ..support.project import Project
from ..support.running import Scripted, cases, execute

FAILED = CallError("server", "out of memory")


def by_seed(request: Request) -> Response:
    """A fake model whose answer depends on the seed: billing, technical, billing, …"""
    return Response(("billing", "technical")[(request.sampling.seed or 0) % 2])


@pytest.fixture
def repeated(project: Project, tmp_path: Path) -> Run:
    """A project with two cases and three repeats each."""
    project.eval("repeats = 3\n[sampling]\ntemperature = 0.7\n")
    cases(project, 2)
    store = open_store(f"sqlite:///{tmp_path}/runs.db")
    (run,) = execute(project, store, backend=lambda _: Scripted(by_seed)).runs
    assert store.load(run.manifest.run_id).results == run.results
    return run


def test_each_repeat_is_a_separate_result(repeated: Run) -> None:
    assert [(r.case.id, r.repeat) for r in repeated.results] == [(f"c-00{c}", i) for c in range(2) for i in range(3)]
    assert (repeated.manifest.n_cases, repeated.manifest.repeats) == (2, 3)


def test_a_case_counts_once_by_the_share_of_its_repeats(repeated: Run) -> None:
    strict = summarize(repeated.results).accuracy.strict
    assert (strict.n, strict.value) == (2, pytest.approx(2 / 3))


def test_resume_sends_only_missing_repeats(project: Project, tmp_path: Path) -> None:
    project.eval("repeats = 3\n")
    cases(project, 2)
    store = open_store(f"sqlite:///{tmp_path}/runs.db")

    def half_broken(request: Request) -> Response:
        return by_seed(request) if request.repeat == 0 else Response(error=FAILED)

    execute(project, store, backend=lambda _: Scripted(half_broken))
    whole = Scripted(by_seed)
    (run,) = execute(project, store, backend=lambda _: whole, resume=True).runs
    assert [request.repeat for request in whole.received] == [1, 2, 1, 2]
    assert [r.response.text for r in run.results[:3]] == ["billing", "technical", "billing"]
