"""Gates pass by the bound of a 95% interval. The wording is held by tests/report/test_wording.py."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.analysis import gates
from harness.analysis.compare import ComparisonQuestion, compare
from harness.analysis.dataset_power import undecidable
from harness.analysis.gates import Evidence, GateReason, GateResult, GateStatus
from harness.analysis.metrics.summary import summarize
from harness.core.errors import ConfigError
from harness.core.types import CallError, Case, Reading, Response, Result, Score
from harness.project.evals import GateConfig
from harness.project.pricing import Price
from harness.report.gate_text import gate_text

from ..support.cli import Terminal
from ..support.project import Project
from .compare.sides import made


def results(right: int, wrong: int, failed: int = 0, latency_s: float = 0.1) -> list[Result]:
    """Answers that are right (and compliant), wrong (and not), or missing."""

    def one(number: int, reading: Reading | None, score: Score | None, error: CallError | None = None) -> Result:
        case = Case(f"c-{number}", {"text": f"text {number}"}, "billing")
        return Result(case, Response("x", latency_s=latency_s, error=error), reading, score, "key")

    good = (Reading("billing", "billing", compliant=True), Score(strict=True, lenient=True))
    bad = (Reading(None, None, compliant=False, violations=("no_answer",)), Score(strict=False, lenient=False))
    return [
        *(one(i, *good) for i in range(right)),
        *(one(right + i, *bad) for i in range(wrong)),
        *(one(right + wrong + i, None, None, CallError("timeout", "no answer")) for i in range(failed)),
    ]


def judged(gate: str, of: list[Result], evidence: dict[str, Any] | None = None, **limits: Any) -> GateResult:
    """One gate, judged by these results and whatever else there is."""
    all_evidence = Evidence("local@x", summarize(of), tuple(of), ("billing", "technical"), **(evidence or {}))
    return gates.judge(gate, GateConfig.model_validate(limits), all_evidence)


@pytest.mark.parametrize(
    ("right", "wrong", "limit", "verdict"),
    [
        pytest.param(98, 2, 0.90, GateStatus.PASSED, id="98% of 100: the interval starts at 93%"),
        pytest.param(92, 8, 0.90, GateStatus.FAILED, id="92% of 100 is no proof of 90%"),
        pytest.param(920, 80, 0.90, GateStatus.PASSED, id="92% of 1,000 is"),
        pytest.param(10, 0, 0.90, GateStatus.FAILED, id="10 of 10 prove little"),
        pytest.param(80, 20, 0.90, GateStatus.FAILED, id="80%"),
    ],
)
def test_rate_gate_judges_by_the_lower_bound(right: int, wrong: int, limit: float, verdict: GateStatus) -> None:
    result = judged("min_accuracy", results(right, wrong), min_accuracy=limit)
    assert result.status is verdict


@pytest.mark.parametrize(
    ("right", "wrong", "limit", "verdict"),
    [
        pytest.param(10, 0, 0.90, GateStatus.UNDECIDED, id="10 of 10 cannot prove 90%"),
        pytest.param(5, 5, 0.90, GateStatus.FAILED, id="5 of 10 prove less than 90%"),
        pytest.param(10, 0, 0.70, GateStatus.PASSED, id="10 of 10 prove 70%"),
        pytest.param(6, 4, 0.70, GateStatus.FAILED, id="10 cases could have proven 70%"),
    ],
)
def test_rate_that_the_set_cannot_prove_is_undecided(right: int, wrong: int, limit: float, verdict: GateStatus) -> None:
    of = results(right, wrong)
    missing = undecidable(GateConfig(min_accuracy=limit), [result.case for result in of])
    result = judged("min_accuracy", of, {"undecidable": tuple(missing)}, min_accuracy=limit)
    assert result.status is verdict
    if verdict is GateStatus.UNDECIDED:
        assert "needs 35 cases, all of them right; the set has 10 cases" in gate_text(result)


def test_outcome_holds_rate_counts_interval_and_limit() -> None:
    outcome = judged("min_compliance", results(92, 8), min_compliance=0.9).outcome
    assert (outcome.reason, outcome.quantity, outcome.limit) == (GateReason.INTERVAL, "compliance", 0.9)
    assert (outcome.hits, outcome.n, outcome.observed) == (92, 100, 0.92)
    assert outcome.interval
    assert (outcome.interval.low, outcome.interval.high) == (
        pytest.approx(0.85, abs=1e-3),
        pytest.approx(0.959, abs=1e-3),
    )


@pytest.mark.parametrize("failed", [1, 10])
def test_failed_calls_leave_every_gate_undecided(failed: int) -> None:
    result = judged("min_accuracy", results(100, 0, failed), min_accuracy=0.1)
    assert result.status is GateStatus.UNDECIDED
    outcome = result.outcome
    assert (outcome.reason, outcome.failed, outcome.calls) == (GateReason.FAILED_CALLS, failed, 100 + failed)
    assert outcome.errors == (("timeout", failed),)


def test_run_without_answers_is_undecided() -> None:
    assert judged("min_accuracy", [], min_accuracy=0.1).status is GateStatus.UNDECIDED


@pytest.mark.parametrize(("latency_s", "verdict"), [(0.5, GateStatus.PASSED), (2.5, GateStatus.FAILED)])
def test_latency_gate_judges_the_95th_percentile(latency_s: float, verdict: GateStatus) -> None:
    result = judged("max_p95_latency_s", results(20, 0, latency_s=latency_s), max_p95_latency_s=1.0)
    assert result.status is verdict


class TestPoint:
    def test_judge_point_uses_the_observed_value(self) -> None:
        result = judged("min_accuracy", results(92, 8), min_accuracy=0.9, judge="point")
        assert result.status is GateStatus.PASSED
        assert result.outcome.reason is GateReason.POINT


class TestTags:
    def test_tag_has_its_own_limits(self) -> None:
        of = [replace(r, case=replace(r.case, tags=("hard",))) if i % 2 else r for i, r in enumerate(results(98, 2))]
        limits = {"tag": {"hard": {"min_accuracy": 0.95}}, "min_accuracy": 0.9}
        assert gates.names(GateConfig.model_validate(limits)) == ["min_accuracy", "tag.hard.min_accuracy"]
        result = judged("tag.hard.min_accuracy", of, **limits)
        assert result.status is GateStatus.FAILED
        assert (result.tag, result.outcome.hits, result.outcome.n) == ("hard", 49, 50)

    def test_tag_without_cases_is_undecided(self) -> None:
        result = judged("tag.hard.min_accuracy", results(9, 1), tag={"hard": {"min_accuracy": 0.5}})
        assert (result.status, result.outcome.reason) == (GateStatus.UNDECIDED, GateReason.NO_TAGGED_CASES)


class TestCost:
    def test_cost_is_price_times_tokens(self) -> None:
        of = [replace(r, response=replace(r.response, prompt_tokens=100, completion_tokens=10)) for r in results(4, 0)]
        cheap = judged("max_cost_per_1k", of, {"price": Price(2.0, 10.0, None, "a list")}, max_cost_per_1k=0.31)
        outcome = cheap.outcome
        assert (cheap.status, outcome.observed, outcome.basis) == (GateStatus.PASSED, pytest.approx(0.3), "a list")
        assert (
            judged("max_cost_per_1k", of, {"price": Price(2.0, 10.0, None, "a list")}, max_cost_per_1k=0.29).status
            is GateStatus.FAILED
        )

    def test_cost_without_a_price_is_undecided(self) -> None:
        assert judged("max_cost_per_1k", results(4, 0), max_cost_per_1k=1.0).status is GateStatus.UNDECIDED


class TestMacroF1:
    def test_macro_f1_is_judged_by_its_interval(self) -> None:
        result = judged("min_macro_f1", results(90, 10), min_macro_f1=0.4)
        assert result.status is GateStatus.PASSED
        assert result.outcome.observed == pytest.approx(0.474, abs=1e-3)
        assert judged("min_macro_f1", results(90, 10), min_macro_f1=0.47).status is GateStatus.FAILED

    @pytest.mark.parametrize(("n", "verdict"), [(300, GateStatus.PASSED), (20, GateStatus.FAILED)])
    def test_perfect_run_needs_enough_cases(self, n: int, verdict: GateStatus) -> None:
        def other(r: Result) -> Result:
            reading = Reading("technical", "technical", compliant=True)
            return replace(r, case=replace(r.case, expected="technical"), reading=reading)

        of = [other(r) if i % 2 else r for i, r in enumerate(results(n, 0))]
        assert judged("min_macro_f1", of, min_macro_f1=0.9).status is verdict


class TestComparisons:
    @pytest.mark.parametrize(
        ("head", "margin", "verdict"),
        [
            ("R" * 300, 0.03, GateStatus.PASSED),
            ("R" * 200 + "w" * 100, 0.03, GateStatus.FAILED),
            ("R" * 290 + "w" * 10, 0.03, GateStatus.UNDECIDED),
        ],
    )
    def test_margin_is_judged_against_the_reference(self, head: str, margin: float, verdict: GateStatus) -> None:
        comparison = compare(made("R" * 300, "gpt@gpt-4o"), made(head), ComparisonQuestion("move", margin))
        result = judged("margin", results(300, 0), {"reference": comparison}, margin=margin)
        assert result.status is verdict
        assert result.outcome.comparison is comparison

    def test_regression_names_the_lost_cases(self) -> None:
        comparison = compare(made("R" * 300), made("R" * 288 + "w" * 12), ComparisonQuestion("change", 0.02))
        result = judged("max_regression", results(288, 12), {"baseline": comparison}, max_regression=0.02)
        assert result.status is GateStatus.FAILED
        assert "right → wrong: c288, c289" in gate_text(result)

    def test_flips_count_losses_even_if_gains_balance_them(self) -> None:
        comparison = compare(made("R" * 97 + "www"), made("www" + "R" * 97), ComparisonQuestion("change"))
        assert judged("max_flips", results(97, 3), {"baseline": comparison}, max_flips=3).status is GateStatus.PASSED
        assert judged("max_flips", results(97, 3), {"baseline": comparison}, max_flips=2).status is GateStatus.FAILED

    @pytest.mark.parametrize("gate", ["margin", "max_regression", "max_flips"])
    def test_comparing_gate_without_a_run_is_undecided(self, gate: str) -> None:
        assert judged(gate, results(10, 0), **{gate: 1 if gate == "max_flips" else 0.03}).status is GateStatus.UNDECIDED


def test_only_gates_of_the_eval_are_judged() -> None:
    assert gates.names(GateConfig(min_compliance=0.5)) == ["min_compliance"]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("[gates]\nmin_acuracy = 0.9", "6: unknown key 'min_acuracy' in [gates] (did you mean 'min_accuracy'?)"),
        ("[gates]\nmin_accuracy = 90", "6: min_accuracy in [gates] should be less than or equal to 1, not 90"),
        ("[gates]\nmin_compliance = 0", "6: min_compliance in [gates] should be greater than 0, not 0"),
        ('[gates]\nmin_accuracy = "0.9"', "6: min_accuracy in [gates] should be a number, not '0.9'"),
        ("[gates.tag.x]\nmin_macro_f1 = 0.9", "6: unknown key 'min_macro_f1' in [gates.tag.x]"),
    ],
)
def test_wrong_gate_names_file_line_and_nearest_key(project: Project, extra: str, message: str) -> None:
    project.eval(extra)
    definition = project.definition()
    with pytest.raises(ConfigError) as caught:
        gates.check(definition.gates, definition.path)
    assert str(caught.value).removeprefix(f"{project.root}/") == f"evals/triage.toml:{message}"


NEW_GATE = """
from typing import Annotated
from pydantic import Field
from harness.analysis.gates import Evidence, GateOutcome, at_most

LIMIT = Annotated[int, Field(ge=0)]

def judge(limit: int, evidence: Evidence) -> GateOutcome:
    longest = max(len(r.response.text) for r in evidence.results)
    return at_most(limit, longest, "longest reply in characters", "count")
"""


class TestNewGate:
    @pytest.fixture(autouse=True)
    def gate_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """One new file beside the other gates."""
        folder = tmp_path / "gates"
        folder.mkdir()
        (folder / "max_reply_characters.py").write_text(NEW_GATE)
        monkeypatch.setattr(gates, "__path__", [*gates.__path__, str(folder)])

    def test_new_file_is_a_key_of_gates_and_judges(self) -> None:
        result = judged("max_reply_characters", results(9, 1), max_reply_characters=0)
        assert (result.status, result.outcome.observed) == (GateStatus.FAILED, 1)
        text = "longest reply in characters 1 > max_reply_characters 0"
        assert gate_text(result) == f"local@x: {text}"

    def test_limit_of_a_new_gate_is_validated_and_hinted(self, project: Project) -> None:
        for extra, message in [
            ("max_reply_characters = -1", "should be greater than or equal to 0, not -1"),
            ("max_reply_character = 1", "did you mean 'max_reply_characters'?"),
        ]:
            project.eval(f"[gates]\n{extra}\n")
            definition = project.definition()
            with pytest.raises(ConfigError, match=re.escape(message)):
                gates.check(definition.gates, definition.path)

    def test_run_judges_a_new_gate(self, harness: Terminal, served: Project) -> None:
        served.eval("[gates]\nmax_reply_characters = 3\n")
        ended = harness("run", "--variant", "local")
        assert ended.code == 1
        assert "> max_reply_characters 3" in ended.out
