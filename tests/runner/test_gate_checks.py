"""The runs that gates compare with: the reference's run, the baseline, or any other run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.analysis import baseline
from harness.analysis.compare import outcomes_of
from harness.analysis.gates import GateReason, GateResult, GateStatus
from harness.core.errors import StoreError
from harness.core.types import Response, Run
from harness.report.gate_text import gate_text
from harness.runner import gate_checks
from harness.runner.plan import Cell
from harness.store.runs import Store, open_store

from ..support.project import CONFIG, Project
from ..support.running import Scripted, cases, execute

N = 200
TWO = CONFIG + CONFIG.replace("[backends.fake]", "[backends.big]").replace('"local"', '"gpt"')
PAIR = TWO + '[pair]\nreference = "big"\ncandidate = "fake"\n'


@pytest.fixture
def paired(project: Project) -> Project:
    """The reference is `gpt@big`, the candidate `local@fake`; 200 cases, all with the label `billing`."""
    project.config(PAIR)
    cases(project, N)
    project.eval("[gates]\nmargin = 0.07\n")
    return project


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty store."""
    opened = open_store("sqlite:///:memory:")
    yield opened
    opened.close()


def own(project: Project, backend: str = "fake", **selection: Any) -> Cell:
    """Return the cell with this backend's own variant."""
    return next(c for c in project.plan(own_variant_only=True, **selection) if c.backend.name == backend)


def made(project: Project, store: Store, cell: Cell, *, lost: int = 0) -> Run:
    """Save a run of a cell in which a fake model is wrong for the first `lost` cases."""

    def script(request: Any) -> Response:
        number = int(re.search(r"ticket (\d+)", request.messages[-1].content)[1])
        return Response("general" if number < lost else "billing", latency_s=0.1)

    outcome = execute(
        project, store, backend=lambda _: Scripted(script, concurrency=8), cells=[cell], cache=False, jobs=8
    )
    return outcome.runs[0]


def judged(project: Project, store: Store, gate: str, cell: Cell, run: Run, others: Sequence[Run] = ()) -> GateResult:
    """Judge one gate of a cell with all saved runs and baselines."""
    return gate_checks.judge(gate, cell, gate_checks.evidence(project.with_store(store), cell, run, others))


class TestWanted:
    def test_margin_applies_to_the_candidate_only(self, paired: Project) -> None:
        assert gate_checks.wanted(paired.load(), own(paired)) == ["margin"]
        assert gate_checks.wanted(paired.load(), own(paired, "big")) == []

    def test_baseline_gate_is_implied_unless_the_eval_sets_one(self, paired: Project, store: Store) -> None:
        baseline.save(paired.root, outcomes_of(made(paired, store, own(paired))))
        assert gate_checks.wanted(paired.load(), own(paired)) == ["margin", "baseline"]
        assert gate_checks.wanted(paired.load(), own(paired, "big")) == []
        paired.eval("[gates]\nmax_flips = 3\n")
        assert gate_checks.wanted(paired.load(), own(paired)) == ["max_flips"]


class TestMargin:
    @pytest.mark.parametrize(
        ("lost", "verdict"), [(0, GateStatus.PASSED), (10, GateStatus.UNDECIDED), (60, GateStatus.FAILED)]
    )
    def test_margin_compares_with_the_run_of_the_reference(
        self, paired: Project, store: Store, lost: int, verdict: GateStatus
    ) -> None:
        made(paired, store, own(paired, "big"))
        cell = own(paired)
        found = judged(paired, store, "margin", cell, made(paired, store, cell, lost=lost))
        assert found.status is verdict
        assert found.outcome.comparison

    def test_margin_without_reference_run_is_undecided(self, paired: Project, store: Store) -> None:
        cell = own(paired)
        found = judged(paired, store, "margin", cell, made(paired, store, cell))
        assert found.status is GateStatus.UNDECIDED
        assert found.outcome.reason is GateReason.NO_REFERENCE

    @pytest.mark.parametrize(
        "selection", [{"limit": 50}, {"variant": ("local",), "own_variant_only": False}, {"split": "all"}]
    )
    def test_partial_or_different_run_is_no_reference_run(
        self, paired: Project, store: Store, selection: dict[str, Any]
    ) -> None:
        chosen = {"own_variant_only": True} | selection
        made(paired, store, next(c for c in paired.plan(**chosen) if c.backend.name == "big"))
        cell = own(paired)
        assert judged(paired, store, "margin", cell, made(paired, store, cell)).status is GateStatus.UNDECIDED

    def test_run_of_this_session_precedes_saved_runs(self, paired: Project, store: Store) -> None:
        cell, run = own(paired, "big"), made(paired, store, own(paired))
        this = made(paired, store, cell)
        made(paired, store, cell, lost=100)  # a newer run, not of this session
        assert judged(paired, store, "margin", own(paired), run, [run, this]).status is GateStatus.PASSED
        found = judged(paired, store, "margin", own(paired), run)
        assert found.outcome.observed == pytest.approx(0.5)


class TestBaseline:
    @pytest.mark.parametrize(
        ("gates", "gate", "lost", "verdict"),
        [
            ("", "baseline", 0, GateStatus.PASSED),
            ("", "baseline", 2, GateStatus.UNDECIDED),
            ("", "baseline", 12, GateStatus.FAILED),
            ("[gates]\nmax_regression = 0.08\n", "max_regression", 6, GateStatus.PASSED),
            ("[gates]\nmax_regression = 0.08\n", "max_regression", 60, GateStatus.FAILED),
            ("[gates]\nmax_flips = 2\n", "max_flips", 2, GateStatus.PASSED),
            ("[gates]\nmax_flips = 1\n", "max_flips", 2, GateStatus.FAILED),
        ],
    )
    def test_cell_is_judged_against_its_baseline(
        self, paired: Project, store: Store, gates: str, gate: str, lost: int, verdict: GateStatus
    ) -> None:
        paired.eval(gates)
        cell = own(paired)
        baseline.save(paired.root, outcomes_of(made(paired, store, cell)))
        found = judged(paired, store, gate, cell, made(paired, store, cell, lost=lost))
        assert (found.gate, found.status) == (gate, verdict)
        if verdict is GateStatus.FAILED:
            assert "; right → wrong: c-000, c-001" in gate_text(found)


class TestAgainst:
    def test_against_accepts_baseline_previous_or_any_run(self, paired: Project, store: Store) -> None:
        cell = own(paired)
        first = made(paired, store, cell)
        baseline.save(paired.root, outcomes_of(first))
        made(paired, store, cell, lost=20)
        third = made(paired, store, cell, lost=20)
        opened = paired.with_store(store)
        verdicts = {
            reference: gate_checks.against(opened, reference, third)
            for reference in ("baseline", "previous", first.manifest.run_id, "local@fake~2")
        }
        assert [one.status for one in verdicts.values()] == [
            *(GateStatus.FAILED, GateStatus.PASSED, GateStatus.FAILED, GateStatus.FAILED)
        ]
        assert gate_text(verdicts["baseline"]).startswith("triage local@fake: against baseline: REGRESSED: ")
        assert "right → wrong: c-000, c-001" in gate_text(verdicts["baseline"])

    def test_missing_comparison_run_is_named(self, paired: Project, store: Store) -> None:
        run = made(paired, store, own(paired))
        missing = gate_checks.against(paired.with_store(store), "baseline", run)
        assert (missing.status, missing.required) == (GateStatus.UNDECIDED, True)
        assert missing.outcome.reason is GateReason.NO_BASELINE
        assert "`harness baseline save triage`" in gate_text(missing)
        with pytest.raises(StoreError, match="only 1 finished run "):
            gate_checks.against(paired.with_store(store), "previous", run)


class TestNewest:
    def test_the_newest_whole_run_of_each_own_cell(self, paired: Project, store: Store) -> None:
        made(paired, store, own(paired), lost=5)
        whole = made(paired, store, own(paired))
        made(paired, store, own(paired, limit=20))
        made(paired, store, own(paired, split="all"))
        other = made(paired, store, next(c for c in paired.plan(variant=("gpt",)) if c.backend.name == "fake"))
        opened, definition = paired.with_store(store), paired.definition()
        assert [run.manifest.run_id for run in gate_checks.newest(opened, definition)] == [whole.manifest.run_id]
        every = [run.manifest.run_id for run in gate_checks.newest(opened, definition, every=True)]
        assert every == [other.manifest.run_id, whole.manifest.run_id]

    def test_backends_that_are_gone_are_left_out(self, paired: Project, store: Store) -> None:
        made(paired, store, own(paired))
        paired.config(CONFIG.replace("[backends.fake]", "[backends.new]"))
        assert gate_checks.newest(paired.with_store(store), paired.definition()) == []


class TestRenew:
    def test_renewed_baseline_lists_its_changes(self, paired: Project, store: Store) -> None:
        first, second = (outcomes_of(made(paired, store, own(paired), lost=lost)) for lost in (0, 12))
        assert gate_checks.renew(paired.root, first) == "triage.local@fake.json: new"
        assert (
            gate_checks.renew(paired.root, first) == f"triage.local@fake.json: the same run as before, {first.run_id}"
        )
        assert gate_checks.renew(paired.root, second) == (
            "triage.local@fake.json: flips: right → wrong 12; changed: nothing in the fingerprint"
        )

    def test_renewed_baseline_reports_other_cases(self, paired: Project, store: Store) -> None:
        whole = outcomes_of(made(paired, store, own(paired)))
        gate_checks.renew(paired.root, whole)
        fewer = {i: case for i, case in whole.cases.items() if i != "c-000"}
        said = gate_checks.renew(paired.root, replace(whole, run_id="later", cases=fewer))
        assert "1 only in baseline (c-000)" in said
