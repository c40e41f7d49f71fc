"""`pytest evals/` with a baseline and a reference, run by `pytester` against a fake server."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np  # noqa: F401  pytester forgets what its inner session imports, and numpy refuses a second time
import pytest
import scipy.stats  # noqa: F401
import sklearn.metrics  # noqa: F401

from harness.analysis import baseline
from harness.analysis.compare import outcomes_of
from harness.core.types import Response
from harness.store.runs import open_store

from ..support.project import CONFIG, Project
from ..support.running import Scripted, cases, execute
from ..support.servers import FakeOpenAI, ReceivedRequest, Reply

pytest_plugins = ["pytester"]

FEW = 60
MANY = pytest.mark.parametrize("evals", [300], indirect=True)
RUN = "\n[run]\ncache = false\n"


def loses(n: int) -> Callable[[ReceivedRequest], Reply]:
    """A fake model that gives wrong answers to the first `n` cases."""

    def answer(asked: ReceivedRequest) -> Reply:
        number = re.search(r"ticket (\d+)", asked.prompt)
        return Reply("general" if number and int(number[1]) < n else "billing")

    return answer


@pytest.fixture
def evals(
    pytester: pytest.Pytester,
    project: Project,
    server: FakeOpenAI,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Callable[..., pytest.RunResult]:
    """Run `pytest evals/` in a project with 60 or 300 cases. All cases of its baseline are correct."""
    project.config(CONFIG.replace("http://127.0.0.1:9/v1", server.base_url) + "retries = 0\n" + RUN)
    cases(project, getattr(request, "param", FEW))
    monkeypatch.chdir(project.root)
    monkeypatch.setattr(pytester, "_path", project.root)
    right = Scripted(lambda _: Response("billing"), concurrency=8)
    store = open_store("sqlite:///:memory:")
    (run,) = execute(project, store, backend=lambda _: right).runs
    store.close()
    baseline.save(project.root, outcomes_of(run))

    def session(*arguments: str) -> pytest.RunResult:
        server.received.clear()
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", "evals/", *arguments)

    return session


@MANY
def test_unchanged_replies_pass(evals: Callable[..., pytest.RunResult], project: Project, server: FakeOpenAI) -> None:
    project.eval("[gates]\nmin_accuracy = 0.9\nmin_compliance = 0.9\n")
    evals().assert_outcomes(passed=3)
    assert len(server.prompts) == 300


@MANY
@pytest.mark.parametrize(
    "workers",
    [pytest.param((), id="alone"), pytest.param(("-n", "2"), id="two workers", marks=pytest.mark.slow)],
)
def test_12_lost_of_300_cases_fail_and_are_named(
    evals: Callable[..., pytest.RunResult], project: Project, server: FakeOpenAI, workers: tuple[str, ...]
) -> None:
    project.eval("[gates]\nmin_accuracy = 0.9\nmin_compliance = 0.9\n")
    server.answer = loses(12)
    result = evals(*workers)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "triage local@fake: against baseline: REGRESSED: *right → wrong: c-000, c-001, c-002, *c-011",
            "  c-000: expected billing, got 'general' (wrong answer)",
        ]
    )
    assert len(server.prompts) == 300  # one run for all tests


def test_update_baselines_prints_changes_and_skips_its_gates(
    evals: Callable[..., pytest.RunResult], project: Project, server: FakeOpenAI
) -> None:
    server.answer = loses(12)
    project.eval("[gates]\nmax_flips = 0\nmin_accuracy = 0.5\n")
    result = evals("--update-baselines", "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*local@fake[[]update-baseline[]] PASSED*", "*local@fake[[]min_accuracy[]] PASSED*"])
    result.stdout.fnmatch_lines(["baseline triage.local@fake.json: flips: right → wrong 12; changed: model *"])
    evals().assert_outcomes(passed=2)


def test_first_baseline_is_new(evals: Callable[..., pytest.RunResult], project: Project) -> None:
    (project.root / "evals/baselines/triage.local@fake.json").unlink()
    result = evals("--update-baselines")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["baseline triage.local@fake.json: new"])


def test_one_lost_case_is_inconclusive_and_skipped(evals: Callable[..., pytest.RunResult], server: FakeOpenAI) -> None:
    server.answer = loses(1)
    result = evals("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*inconclusive: triage local@fake: against baseline: INCONCLUSIVE*"])


def test_run_with_failed_calls_is_not_saved_as_baseline(
    evals: Callable[..., pytest.RunResult], project: Project, server: FakeOpenAI
) -> None:
    before = (project.root / "evals/baselines/triage.local@fake.json").read_text()
    server.answer = lambda asked: Reply(status=400) if "ticket 7\n" in asked.prompt else Reply()
    result = evals("--update-baselines")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["run *: 1 call*failed*--resume*"])
    assert (project.root / "evals/baselines/triage.local@fake.json").read_text() == before


def test_damaged_baseline_is_one_line_and_update_repairs_it(
    evals: Callable[..., pytest.RunResult], project: Project
) -> None:
    (project.root / "evals/baselines/triage.local@fake.json").write_text("{")
    result = evals()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*triage.local@fake.json:1: not valid JSON *"])
    result.stdout.no_fnmatch_line("*Traceback*")
    evals("--update-baselines").assert_outcomes(passed=1)


def test_margin_gate_runs_the_reference_once(
    evals: Callable[..., pytest.RunResult], project: Project, server: FakeOpenAI
) -> None:
    big = f'\n[backends.big]\nprovider = "openai"\nmodel = "fake-model"\nbase_url = "{server.base_url}"\nvariant = "gpt"\n'
    text = (project.root / "harness.toml").read_text()
    project.config(f'[pair]\nreference = "big"\ncandidate = "fake"\n{text}{big}')
    project.eval("[gates]\nmargin = 0.15\nmax_flips = 0\n")
    server.answer = loses(0)
    result = evals("--backend", "fake")
    result.assert_outcomes(passed=2)
    assert len(server.prompts) == 2 * FEW


OWN_TEST = """
def test_what_was_lost(run_eval, compare_to_baseline):
    comparison = compare_to_baseline(run_eval("triage"))
    assert comparison.verdict == "REGRESSED"
    assert [flip.case_id for flip in comparison.flips if flip.kind == "right_to_wrong"][:2] == ["c-000", "c-001"]
"""


def test_compare_to_baseline_fixture_returns_a_comparison(
    evals: Callable[..., pytest.RunResult], project: Project, server: FakeOpenAI
) -> None:
    server.answer = loses(20)
    project.write("evals/test_own.py", OWN_TEST)
    evals("-k", "test_what_was_lost").assert_outcomes(passed=1, deselected=1)


def test_compare_to_baseline_without_baseline_names_the_fix(
    evals: Callable[..., pytest.RunResult], project: Project
) -> None:
    baseline.path_of(project.root, "triage", "local@fake").unlink()
    project.write("evals/test_own.py", OWN_TEST)
    result = evals("-k", "test_what_was_lost")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["*triage local@fake has no baseline: *`harness baseline save triage`*"])
